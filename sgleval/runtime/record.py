"""A backend that answers nothing and notes what a program asks."""

from typing import Any, Self

from sgleval.runtime.frontend import BaseBackend
from sgleval.runtime.ledger import Ledger
from sgleval.runtime.run_batch import Call, Outcome, run_once
from sgleval.runtime.template import Template


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


def rehearse(program: Any, call: Call, template: Template) -> tuple[Recorder, Outcome]:
    """Run a program once without a model; return what it asked and what it was left with.

    An outcome with an error proves nothing: a program may well fail on empty answers.
    """
    recorder = Recorder(template)
    return recorder, run_once(program, call, recorder, {})
