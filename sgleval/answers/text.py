"""Open answers in words: `ShortText` is one line, `Text` several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sgleval.answers.answer import ENDING, OneLine, Parsed, Regex, as_compared, generate
from sgleval.answers.prose import without_reasoning
from sgleval.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class ShortText(OneLine):
    """One line of at most `max_chars` characters, such as a name, an address or a printed line."""

    max_chars: int = 96
    max_tokens: int = 0
    """0 stands for two tokens a character: byte tokens of Cyrillic need no more."""

    def __post_init__(self) -> None:
        _positive("ShortText", max_chars=self.max_chars)
        if self.max_tokens == 0:
            object.__setattr__(self, "max_tokens", 2 * self.max_chars + ENDING)
        _positive("ShortText", max_tokens=self.max_tokens)

    @property
    def constraint(self) -> Regex:
        """One regex for all samples, so it compiles once; the newline lets the model stop."""
        return Regex(rf"[^\n]{{1,{self.max_chars}}}\n?")

    def parse(self, text: str, choices: Sequence[str] = ()) -> Parsed:  # noqa: ARG002
        """Return the line (`whole`), the first of several (`first_line`), or "" (`empty`)."""
        line, newline, _ = without_reasoning(text).partition("\n")
        if not line:
            return Parsed("", "empty")
        return Parsed(line.rstrip(), "first_line" if newline else "whole")

    def admits(self, answer: str, choices: Sequence[str] = ()) -> bool:
        """Say whether `answer` fits into the line; "" does, since a blank is read as nothing."""
        return as_compared(answer) == "" or OneLine.admits(self, answer, choices)


@dataclass(frozen=True, slots=True)
class Text:
    """Free text of any number of lines, such as a transcribed page; nothing constrains it."""

    max_tokens: int = 512

    def __post_init__(self) -> None:
        _positive("Text", max_tokens=self.max_tokens)

    @property
    def constraint(self) -> None:
        """Nothing: any text may be written."""
        return

    def gen(
        self,
        name: str,
        choices: Sequence[str] | None = None,  # noqa: ARG002
        **sampling: Any,
    ) -> Any:
        """Return the `sgl.gen` that writes variable `name` until the model ends, temperature 0."""
        return generate(name, None, self.max_tokens, None, **sampling)

    def parse(self, text: str, choices: Sequence[str] = ()) -> Parsed:  # noqa: ARG002
        """Return all of it without a reasoning block (`whole`), or "" (`empty`)."""
        answer = without_reasoning(text)
        return Parsed(answer, "whole" if answer else "empty")

    def admits(self, answer: str, choices: Sequence[str] = ()) -> bool:  # noqa: ARG002
        """Say yes: nothing constrains the text, though `max_tokens` may cut it."""
        return True

    def options(self, choices: Sequence[str] = ()) -> tuple[str, ...]:  # noqa: ARG002
        """Return nothing: the set is open."""
        return ()


def _positive(where: str, **numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise UserError(f"{where}: {name} is {number}; give 1 or more")
