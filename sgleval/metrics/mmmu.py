"""MMMU's parser and judge, except that an unparsed choice is wrong and no random option."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sgleval.answers.answer import UNPARSED, Parsed
from sgleval.metrics.metric import Ratio, metric

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MANY_WORDS = 5
"""Only longer answers are searched for the options' texts."""
DECIMALS = 2

_CUES = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
_TRIVIAL = frozenset(":,.!?;'")
_NUMBERS = (
    re.compile(r"-?\b\d{1,3}(?:,\d{3})+\b"),
    re.compile(r"-?\d+(?:\.\d+)?[eE][+-]?\d+"),
    re.compile(r"-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d])"),
)


def read_mmmu(text: str, choices: Mapping[str, str] | None) -> Parsed:
    """Return the label that MMMU's parser reads, or without options the text as it is.

    Rules with options, in order: `bracket` ("(B)"), `label` (" B " between blanks), `inside` (more
    than five words, an option's text); of several the one whose last occurrence is last. Empty
    text is unparsed, and so is one in which none fires.
    """
    if not text.strip():
        return UNPARSED
    return _read_label(text, choices) if choices else Parsed(text, "open")


@metric(
    better="higher",
    source="MMMU (Yue et al. 2024), official parser and judge without the random option",
    parser=read_mmmu,
)
def mmmu_accuracy(
    prediction: str | None, answers: Sequence[str], choices: Mapping[str, str] | None = None
) -> Ratio:
    """1 if MMMU's parser reads an accepted label, or without options its judge agrees, else 0.

    Open questions: in the tails behind "is", "answer", ... an accepted text occurs, or a number in
    them equals an accepted one rounded to two decimals. "not red" is right for red, "B. dog" is
    unparsed: for comparison with published numbers.

    >>> mmmu_accuracy("A dog is shown, so B", ["B"], {"A": "cat", "B": "dog"})
    Ratio(numerator=1.0, denominator=1.0)
    >>> mmmu_accuracy("The answer is 3.14159.", ["3.14"])
    Ratio(numerator=1.0, denominator=1.0)
    """
    if prediction is None:
        return Ratio(0)
    said = read_mmmu(prediction, choices).answer
    if choices or said is None:
        return Ratio(said in answers)
    accepted = [form for answer in answers for form in _forms(answer)]
    return Ratio(any(_agrees(form, accepted) for form in _said_forms(said)))


def _read_label(text: str, choices: Mapping[str, str]) -> Parsed:
    for mark in ",.!?;:'":
        text = text.strip(mark)
    text = f" {text} "
    searched = [
        ("bracket", text, {label: f"({label})" for label in choices}),
        ("label", text, {label: f" {label} " for label in choices}),
    ]
    if len(text.split()) > MANY_WORDS:
        options = {label: option.lower() for label, option in choices.items()}
        searched.append(("inside", text.lower(), options))
    for rule, where, wanted in searched:
        found = {label: where.rfind(part) for label, part in wanted.items() if part in where}
        if found:
            return Parsed(max(found, key=found.__getitem__), rule)
    return UNPARSED


def _said_forms(text: str) -> Iterator[str | float]:
    """Yield the tails behind the cues (the whole text without any) and the numbers in them."""
    text = text.strip().strip(".").lower()
    # The script also means to split at sentence ends, but looks for capitals after lower-casing.
    *lines, last = text.split("\n")
    tails = [_shortest_tail(line, _CUES) for line in lines]
    tails.append(_shortest_tail(last, (*_CUES, "=")))
    for tail in [tail for tail in tails if tail and tail not in _TRIVIAL] or [text]:
        yield from _forms(tail)
        for pattern in _NUMBERS:
            for number in pattern.findall(tail):
                yield from _forms(number)


def _shortest_tail(line: str, cues: Sequence[str]) -> str:
    shortest = ""
    for cue in cues:
        if cue in line:
            tail = line.rsplit(cue, maxsplit=1)[-1].strip()
            # An empty tail is replaced by any other, as in the script.
            shortest = tail if not shortest or len(tail) < len(shortest) else shortest
    return shortest


def _forms(text: str) -> list[str] | list[float]:
    """Return a number rounded, a text in lower case, one character with a blank on either side."""
    text = text.strip()
    try:
        return [round(float(text.replace(",", "")), DECIMALS)]
    except ValueError:
        text = text.lower()
        return [f" {text}", f"{text} "] if len(text) == 1 else [text]


def _agrees(said: str | float, accepted: Sequence[str | float]) -> bool:
    if isinstance(said, float):
        return said in accepted
    return any(isinstance(answer, str) and answer in said for answer in accepted)
