"""Closed sets: `OneOf` a few fixed texts, `YesNo`, and `Choice` among a sample's own options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from sgleval.answers.answer import ENDING, UNPARSED, OneLine, Parsed, Regex, as_compared, generate
from sgleval.answers.labels import parse_label
from sgleval.answers.prose import after_cue, option_inside, said, whole_option, without_reasoning
from sgleval.errors import UserError

MAX_TOP = 128
"""The most top log probabilities a step to ask for, however many options there are."""


@dataclass(frozen=True, slots=True, init=False)
class OneOf(OneLine):
    """One of a few fixed texts, the same for all samples: `OneOf("circle", "rectangle")`."""

    texts: tuple[str, ...]

    def __init__(self, *options: str | Iterable[str]) -> None:
        """Take the options one by one or as one list; at least two, each one line, all different.

        Raises:
            UserError: an option is empty, has blanks at its ends or a line break, or comes twice.
        """
        texts: list[str] = []
        for option in options:
            texts.extend([option] if isinstance(option, str) else option)
        object.__setattr__(self, "texts", tuple(texts))
        for text in self.texts:
            if not text or as_compared(text) != text or "\n" in text:
                raise UserError(
                    f"OneOf: {text!r} is no option; give one line in NFC, ends stripped"
                )
        if len(set(texts)) < max(2, len(texts)):
            raise UserError(f"OneOf: got {', '.join(texts)!r}; give two or more different options")

    @property
    def max_tokens(self) -> int:
        """The bytes of the longest option, for a tokenizer that knows none of its words."""
        return max(len(text.encode()) for text in self.texts) + ENDING

    @property
    def constraint(self) -> Regex:
        """The alternatives; the newline lets the model stop."""
        return Regex(f"({'|'.join(map(_escape, self.texts))})\\n?")

    def gen(self, name: str, choices: Sequence[str] | None = None, **sampling: Any) -> Any:
        """Return the `sgl.gen` of one option, with room for every first token in the top list."""
        return OneLine.gen(self, name, choices, **(_top(self.texts) | sampling))

    def parse(self, text: str, choices: Sequence[str] = ()) -> Parsed:  # noqa: ARG002
        """Return the option as it was given, or unparsed.

        Rules, in order: `whole` (letter for letter), `option` (but for case, blanks, quotation
        marks and full stops), `cue` ("the answer is red"), `inside` (as whole words, no other
        option, nothing negated).
        """
        if (written := without_reasoning(text)) in self.texts:
            return Parsed(written, "whole")
        spoken, texts = said(text), {option: option for option in self.texts}
        found = {
            "option": whole_option(spoken, texts),
            "cue": option_inside(after_cue(spoken) or "", texts),
            "inside": option_inside(spoken, texts),
        }
        rules = (Parsed(answer, rule) for rule, answer in found.items() if answer is not None)
        return next(rules, UNPARSED)

    def options(self, choices: Sequence[str] = ()) -> tuple[str, ...]:  # noqa: ARG002
        """Return the options as they were given."""
        return self.texts


@dataclass(frozen=True, slots=True)
class YesNo(OneLine):
    """Yes or no. A model may capitalise it; the answer is "yes" or "no" in lower case."""

    @property
    def max_tokens(self) -> int:
        """Room for the word letter by letter."""
        return len("yes") + ENDING

    @property
    def constraint(self) -> Regex:
        """The two words; the newline lets the model stop."""
        return Regex(r"([Yy]es|[Nn]o)\n?")

    def gen(self, name: str, choices: Sequence[str] | None = None, **sampling: Any) -> Any:
        """Return the `sgl.gen` of the word, with the top list that holds every beginning of it."""
        return OneLine.gen(self, name, choices, **(_top(("yes", "no", "Yes", "No")) | sampling))

    def parse(self, text: str, choices: Sequence[str] = ()) -> Parsed:  # noqa: ARG002
        """Return "yes" or "no", or unparsed.

        Rules, in order: `whole`, `first_word` (followed by punctuation), `only_word` (exactly
        one of the two occurs). "not sure" and "notice" are no no.
        """
        spoken = said(text).lower()
        if spoken in self.options():
            return Parsed(spoken, "whole")
        if first := re.match(r"\W*(yes|no)\s*(?:\Z|[^\w\s/'’-])", spoken):  # noqa: RUF001  (the apostrophe)
            return Parsed(first[1], "first_word")
        words = set(re.findall(r"\w+", spoken)) & {"yes", "no"}
        return Parsed(words.pop(), "only_word") if len(words) == 1 else UNPARSED

    def admits(self, answer: str, choices: Sequence[str] = ()) -> bool:  # noqa: ARG002
        """Say whether `answer` is yes or no, in any case: metrics of yes and no fold it."""
        return as_compared(answer).lower() in self.options()

    def options(self, choices: Sequence[str] = ()) -> tuple[str, ...]:  # noqa: ARG002
        """Return the two answers."""
        return ("yes", "no")


@dataclass(frozen=True, slots=True)
class Choice(OneLine):
    """The letter of one of the sample's options, at most 26 of them: A, B, C ... in their order."""

    @property
    def max_tokens(self) -> int:
        """Room for the letter."""
        return 1 + ENDING

    @property
    def constraint(self) -> Regex:
        """The widest set of letters; `gen` narrows it to the sample's options."""
        return _letters_regex(ascii_uppercase)

    def gen(self, name: str, choices: Sequence[str] | None = None, **sampling: Any) -> Any:
        """Return the `sgl.gen` of one letter, as many as `choices` has options.

        Without choices, or for the placeholder with which SGLang traces a program, all 26.

        Raises:
            UserError: no options, or more than 26.
        """
        letters = _letters(choices) if _is_known(choices) else ascii_uppercase
        constraint = _letters_regex(letters)
        return generate(name, constraint, self.max_tokens, "\n", **(_top(letters) | sampling))

    @staticmethod
    def lines(choices: Any) -> Any:
        r"""Return the options one a line, lettered; a placeholder of SGLang's tracer as it is.

        >>> Choice.lines(["cat", "dog"])
        'A. cat\nB. dog'

        Raises:
            UserError: no options, or more than 26.
        """
        if not _is_known(choices):
            return choices
        rows = zip(_letters(choices), choices, strict=True)
        return "\n".join(f"{letter}. {text}" for letter, text in rows)

    def parse(self, text: str, choices: Sequence[str] = ()) -> Parsed:
        """Return the letter of an option (any of 26 without `choices`) by `labels.parse_label`."""
        texts = choices or [""] * len(ascii_uppercase)
        return parse_label(text, dict(zip(ascii_uppercase, texts, strict=False)))

    def admits(self, answer: str, choices: Sequence[str] = ()) -> bool:
        """Say whether `answer` is the letter of one of the options (any of 26 without them)."""
        return as_compared(answer) in (self.options(choices) or tuple(ascii_uppercase))

    def options(self, choices: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the letters of the options; none without `choices`."""
        return tuple(ascii_uppercase[: len(choices)])


def _is_known(choices: Any) -> bool:
    """Tell a sample's options from None and from SGLang's `SglArgument`, which has no length."""
    return isinstance(choices, Sequence) and not isinstance(choices, str)


def _letters(choices: Any) -> str:
    if not 1 <= len(choices) <= len(ascii_uppercase):
        raise UserError(f"Choice: the sample has {len(choices)} choices; give 1 to 26")
    return ascii_uppercase[: len(choices)]


def _letters_regex(letters: str) -> Regex:
    """One regex for all samples with as many options, so that few are compiled."""
    return Regex(f"[{letters[0]}-{letters[-1]}]\\n?")


def _escape(text: str) -> str:
    """Escape for both dialects: `re.escape` also escapes blanks, which xgrammar warns about."""
    return re.sub(r"([\\^$.|?*+()\[\]{}])", r"\\\1", text)


def _top(texts: Iterable[str]) -> dict[str, int]:
    """Ask for as many top log probabilities as a first token may have texts: every prefix."""
    prefixes = {text[:end] for text in texts for end in range(1, len(text) + 1)}
    return {"top_logprobs_num": min(MAX_TOP, max(20, len(prefixes)))}
