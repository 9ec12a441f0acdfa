"""A user's own model: an object with `predict(images, question, choices) -> str`, as a backend."""

import contextlib
import copy
import importlib
import inspect
import sys
from pathlib import Path
from typing import Any, Self

from sgleval.digests import file_digest
from sgleval.errors import UserError
from sgleval.fingerprint import digest
from sgleval.runtime.frontend import BaseBackend, ChoicesDecision
from sgleval.runtime.ledger import Ledger
from sgleval.runtime.model import Model
from sgleval.runtime.template import Template
from sgleval.sample import Image, Sample
from sgleval.task import run_file

PLAIN = Template(
    name="plain text",
    roles={"system": ("", "\n"), "user": ("", "\n"), "assistant": ("", "")},
    image="<image>\n",
)
"""What `predict` gets as `prompt`: the texts of the turns, one under the other."""


class PredictBackend(BaseBackend):  # type: ignore[misc]  # sglang has no types
    """Calls `predict` where the program generates; constraints do not reach it."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.chat_template = PLAIN.for_frontend()
        self.wants_prompt = "prompt" in inspect.signature(model.predict).parameters
        self.sample: Sample | None = None
        self.ledger = Ledger()

    def opened(self, sample: Sample | None = None) -> Self:
        """Return the view for one program, which knows its sample."""
        view = copy.copy(self)
        view.sample, view.ledger = sample, Ledger()
        return view

    def generate(self, s: Any, sampling_params: Any) -> tuple[str, dict[str, Any]]:
        """Ask the model with the images so far; the names of the parameters are SGLang's."""
        del sampling_params
        if self.sample is None:
            raise TypeError("predict() needs a sample; run the program through sgleval")
        images = [Image(Path(at) if isinstance(at, str) else at) for at, _ in s.images_]
        prompt = {"prompt": s.text_} if self.wants_prompt else {}
        text = self.model.predict(images, self.sample.question, self.sample.choices, **prompt)
        if not isinstance(text, str):
            raise TypeError(f"predict() returned {type(text).__name__}; it must return a str")
        self.ledger.add({}, images=True)  # it says nothing of tokens, its images' included
        return text, {}

    def select(
        self, s: Any, choices: list[str], temperature: float, choices_method: Any
    ) -> ChoicesDecision:
        """Ask the model as for a `gen`: what it says counts, one of the choices or not."""
        del choices, temperature, choices_method
        return ChoicesDecision(*self.generate(s, None))

    def examine(self, *specialities: str) -> None:
        """Raise `UserError` for what `predict` cannot see unless it takes the prompt."""
        for speciality in filter(None, specialities if not self.wants_prompt else ()):
            raise UserError(
                f"{speciality}, which predict(images, question, choices) cannot see;"
                " give it a parameter `prompt`"
            )


def from_factory(spec: str, template: Template | None = None) -> Model:
    """Return a user's own model: FILE.py:FACTORY or package.module:FACTORY.

    Its identity is its attribute `identity`, else the digest of the file that defines it.

    Raises:
        UserError: there is no such factory, or what it makes is no model.
    """
    if template is not None:
        raise UserError(f"--model {spec}: it has no chat template; leave out --chat-template")
    module, name = _module(spec)
    factory = getattr(module, name, None)
    if not callable(factory):
        raise UserError(f"--model {spec}: no function or class {name!r} there; name one")
    made = _made(spec, factory)
    if isinstance(made, BaseBackend):
        backend, template = made, _roles_of(made)
    elif callable(getattr(made, "predict", None)):
        backend, template = PredictBackend(made), PLAIN
    else:
        raise UserError(
            f"--model {spec}: {type(made).__name__} has no predict(images, question, choices)"
        )
    stated = getattr(made, "identity", None)
    return Model(
        name=Path(str(module.__file__)).stem,
        identity=digest(stated or [name, file_digest(Path(str(module.__file__)))]),
        template=template,
        facts={"source": "own class", "factory": Path(spec).name}
        | ({"constraint": "none"} if template is PLAIN else {}),
        open=lambda _connections, _tell: contextlib.nullcontext(backend),
        concurrency=8,
        constrained=template is not PLAIN,
        examine=getattr(backend, "examine", lambda *_: None),
    )


def _made(spec: str, factory: Any) -> Any:
    try:
        return factory()
    except UserError:
        raise
    except Exception as error:  # the user's code
        words = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f"--model {spec}: {words}; mend the factory") from error


def _module(spec: str) -> tuple[Any, str]:
    where, _, name = spec.rpartition(":")
    if where.endswith(".py"):
        if not Path(where).is_file():
            raise UserError(f"--model {spec}: {where} is no file; give FILE.py:FACTORY")
        return run_file(Path(where)), name
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(where), name
    except Exception as error:  # the user's code, or no module's name
        words = " ".join(str(error).split())
        raise UserError(
            f"--model {spec}: {words}; give FILE.py:FACTORY or MODULE:FACTORY"
        ) from error


def _roles_of(backend: Any) -> Template:
    """Return the roles of a user's SGLang backend, for the checks before the first request."""
    roles = backend.get_chat_template()
    return Template(roles.name, dict(roles.role_prefix_and_suffix), roles.image_token)
