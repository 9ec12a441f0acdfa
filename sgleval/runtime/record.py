"""A backend that answers nothing and notes what a program asks."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Self

from sgleval.digests import file_digest
from sgleval.runtime.frontend import BaseBackend, ChoicesDecision
from sgleval.runtime.inline import Executor, run_inline
from sgleval.runtime.ledger import Ledger
from sgleval.runtime.run_batch import Call, Outcome, run_once
from sgleval.runtime.template import Template
from sgleval.sample import Image

DIGEST_LENGTH = 64  # SHA-256 in hex


class Recorder(BaseBackend):  # type: ignore[misc]  # sglang has no types
    """Notes the prompt of every `gen`; each one is answered with the empty text."""

    def __init__(self, template: Template) -> None:
        super().__init__()
        self.chat_template = template.for_frontend()
        self.ledger = Ledger()
        self.prompts: list[str] = []

    def opened(self, _: object = None) -> Self:
        """Return itself: one program runs on it."""
        return self

    def generate(self, s: Any, sampling_params: Any) -> tuple[str, dict[str, Any]]:
        """Note the prompt so far; the names of the parameters are SGLang's."""
        del sampling_params
        self.prompts.append(s.text_)
        return "", {}

    def select(
        self, s: Any, choices: list[str], temperature: float, choices_method: Any
    ) -> ChoicesDecision:
        """Note the prompt of SGLang's `select`, too; the first choice is taken."""
        del temperature, choices_method
        self.generate(s, None)
        return ChoicesDecision(choices[0], {})


def rehearse(program: Any, call: Call, template: Template) -> tuple[Recorder, Outcome]:
    """Run a program once without a model; return what it asked and what it was left with.

    An outcome with an error proves nothing: a program may well fail on empty answers.
    """
    recorder = Recorder(template)
    return recorder, run_once(program, call, recorder, {})


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a program writes up to its first `gen`."""

    text: str
    """Rendered, with the template's placeholder where an image stands."""
    images: tuple[str, ...]
    """The digests of the images, in order."""
    answer_tokens: int | None = None
    """The most that the `gen` may answer; None where it says nothing of it."""

    def prefix(self, placeholder: str) -> tuple[tuple[str, ...], str]:
        """Return what requests must share to share their images' computation.

        That is the images and the text up to and including the last one of them.
        """
        return self.images, self.text[: self.text.rfind(placeholder) + len(placeholder)]


class _FirstGen(Exception):  # noqa: N818  (no error: it ends the program early)
    def __init__(self, prompt: Prompt) -> None:
        super().__init__()
        self.prompt = prompt


class _UpToFirstGen(Executor):
    """Ends the program at its first `gen`; a fork's thread would die unseen, so that goes on."""

    def _execute_gen(self, expression: Any) -> None:
        self._end(expression.sampling_params.max_new_tokens)

    def _execute_select(self, expression: Any) -> None:
        del expression
        self._end(None)

    def _end(self, answer_tokens: int | None) -> NoReturn:
        images = tuple(_digest(source) for source, _ in self.images_)
        raise _FirstGen(Prompt(self.text_, images, answer_tokens))


def first_prompt(program: Any, call: Call, template: Template) -> Prompt | None:
    """Return what a program writes up to its first `gen`; no image is read.

    None where that cannot be known without a model: the program forks or fails before.
    """
    arguments = {name: _digests(value) for name, value in call.arguments.items()}
    try:
        run_inline(program, arguments, Recorder(template), {}, _UpToFirstGen)
    except _FirstGen as reached:
        return reached.prompt
    except Exception:  # noqa: BLE001  (the user's code; the run itself will tell)
        return None
    return None


def _digest(source: bytes | str) -> str:
    """Return the digest that stands for an image of the sample, or that of an image of its own."""
    if isinstance(source, str):
        return file_digest(Path(source))
    if len(source) == DIGEST_LENGTH and source.isalnum():
        return source.decode()
    return hashlib.sha256(source).hexdigest()


def _digests(value: Any) -> Any:
    """Return a value with each image's digest in place of its bytes, which is much quicker."""
    if isinstance(value, Image):
        return value.digest.encode()
    if isinstance(value, (tuple, list)) and any(isinstance(item, Image) for item in value):
        return [_digests(item) for item in value]
    return value
