"""What every answer type offers: a constraint, a parser, and what they can express."""

from __future__ import annotations

import re
import unicodedata
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

ENDING = 2
"""Tokens beside the answer's own: a newline and the end."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """An answer and the rule that found it; `answer=None, rule="none"` is unparsed."""

    answer: str | None
    rule: str


UNPARSED = Parsed(None, "none")


@dataclass(frozen=True, slots=True)
class Regex:
    r"""A regular expression in xgrammar's dialect (no look-around, no `\b`, no flags)."""

    pattern: str


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """A JSON schema as JSON text, which is how SGLang wants it."""

    schema: str


Constraint = Regex | JsonSchema | None


class Answer(Protocol):
    """What a right answer looks like: a small frozen value."""

    @property
    def max_tokens(self) -> int:
        """The most tokens an answer may take before it counts as truncated."""

    @property
    def constraint(self) -> Constraint:
        """What decoding may write; None where anything goes."""

    def gen(self, name: str, choices: Sequence[str] | None = None, **sampling: Any) -> Any:
        """Return the `sgl.gen` that writes variable `name` under the constraint, temperature 0.

        `sampling` overrides any of `sgl.gen`'s keywords.
        """

    def parse(self, text: str, choices: Sequence[str] = ()) -> Parsed:
        """Read the answer out of what a model wrote, constrained or not; never a guess."""

    def admits(self, answer: str, choices: Sequence[str] = ()) -> bool:
        """Say whether the constraint can produce this accepted answer.

        Both are taken as strict metrics compare them, in NFC and without blanks at the ends: the
        constraint of `Number` cannot write "1,250", though a lenient metric takes 1250 for it.
        """

    def options(self, choices: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the closed set of answers, or nothing where it is open."""


class OneLine(ABC):
    """What the answer types of one line share: a regex that ends in an optional newline.

    The newline is where many models want to stop; a grammar that forbids it makes them ramble on.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def max_tokens(self) -> int:
        """The most tokens an answer may take before it counts as truncated."""

    @property
    @abstractmethod
    def constraint(self) -> Regex:
        """The line that decoding may write."""

    @abstractmethod
    def parse(self, text: str, choices: Sequence[str] = ()) -> Parsed:
        """Read the answer out of what a model wrote, constrained or not; never a guess."""

    def gen(
        self,
        name: str,
        choices: Sequence[str] | None = None,  # noqa: ARG002  (for `Choice`)
        **sampling: Any,
    ) -> Any:
        """Return the `sgl.gen` that writes variable `name` under the constraint, temperature 0.

        `sampling` overrides any of `sgl.gen`'s keywords.
        """
        return generate(name, self.constraint, self.max_tokens, "\n", **sampling)

    def admits(self, answer: str, choices: Sequence[str] = ()) -> bool:  # noqa: ARG002
        """Say whether the constraint can write `answer`, in NFC and without blanks at the ends."""
        written = as_compared(answer)
        return "\n" not in written and bool(re.fullmatch(self.constraint.pattern, written))

    def options(self, choices: Sequence[str] = ()) -> tuple[str, ...]:  # noqa: ARG002
        """Return nothing: the set is open."""
        return ()


def as_compared(text: str) -> str:
    """Return `text` in NFC without white space at its ends, as strict metrics compare it."""
    return unicodedata.normalize("NFC", text).strip()


def generate(
    name: str, constraint: Constraint, max_tokens: int, stop: str | None, /, **sampling: Any
) -> Any:
    """Return `sgl.gen` with the constraint and with log probabilities for the confidence.

    A closed set also asks for the top list, which says how likely each of its options was.
    """
    import sglang as sgl

    settings: dict[str, Any] = {
        "max_tokens": max_tokens,
        "temperature": 0.0,
        "return_logprob": True,
        "return_text_in_logprobs": True,
    }
    if stop is not None:
        settings["stop"] = stop
    match constraint:
        case Regex(pattern):
            settings["regex"] = pattern
        case JsonSchema(schema):
            settings["json_schema"] = schema
    return sgl.gen(name, **(settings | sampling))
