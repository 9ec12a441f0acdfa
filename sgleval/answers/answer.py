"""What every answer type offers: a constraint, a parser, and what they can express."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Parsed:
    """An answer and the rule that found it; `answer=None, rule="none"` is unparsed."""

    answer: str | None
    rule: str


UNPARSED = Parsed(None, "none")


@dataclass(frozen=True, slots=True)
class Regex:
    """A regular expression in xgrammar's dialect (no look-around, no `\\b`, no flags)."""

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
        """Say whether the constraint can produce this accepted answer."""

    def options(self, choices: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the closed set of answers, or nothing where it is open."""


def generate(
    name: str, constraint: Constraint, max_tokens: int, stop: str | None, **sampling: Any
) -> Any:
    """Return `sgl.gen` with the constraint and with log probabilities for the confidence.

    Twenty top log probabilities a step hold every token that a closed set admits.
    """
    import sglang as sgl

    settings: dict[str, Any] = {
        "max_tokens": max_tokens,
        "temperature": 0.0,
        "return_logprob": True,
        "top_logprobs_num": 20,
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
