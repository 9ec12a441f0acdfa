"""Multiple choice: which option's letter did the model mean, and is it the right one?"""

from __future__ import annotations

import re
from string import ascii_uppercase
from typing import TYPE_CHECKING

from sgleval.answers.answer import UNPARSED, Parsed
from sgleval.answers.labels import parse_label
from sgleval.metrics.metric import Ratio, metric
from sgleval.normalize import normalize_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Choices = Mapping[str, str] | None

_SCIENCEQA = "ABCDE"
_SCIENCEQA_CUE = re.compile(r"The answer is ([A-Z]).")


def read_label(text: str, choices: Choices) -> Parsed:
    """Return the label that `parse_label` reads; without options any letter may be one."""
    return parse_label(text, choices or dict.fromkeys(ascii_uppercase, ""))


def read_first_letter(text: str, choices: Choices) -> Parsed:
    """Return the first character, if it is a label of the options (without options: A to Z)."""
    first = text.strip()[:1]
    labels = choices or ascii_uppercase
    return Parsed(first, "first_letter") if first and first in labels else UNPARSED


def read_scienceqa(text: str, choices: Choices) -> Parsed:
    """Return the label that LLaVA's rule reads, on the text as it is.

    Rules, in order: `label` (the whole text), `prefix` (a label, a full stop, a blank), `cue`
    ("The answer is X", a capital letter and one more character, exactly once). Labels are A to E;
    one beyond the options is unparsed.
    """
    cues = _SCIENCEQA_CUE.findall(text)
    if text in tuple(_SCIENCEQA):
        found = Parsed(text, "label")
    elif text[:1] in tuple(_SCIENCEQA) and text[1:3] == ". ":
        found = Parsed(text[0], "prefix")
    elif len(cues) == 1:
        found = Parsed(cues[0], "cue")
    else:
        return UNPARSED
    return found if found.answer in (choices or tuple(_SCIENCEQA)) else UNPARSED


@metric(better="higher", source="label parser of sgleval.answers.labels", parser=read_label)
def multiple_choice_accuracy(
    prediction: str | None, answers: Sequence[str], choices: Choices = None
) -> Ratio:
    """1 if the label that the text names is an accepted one, else 0; unparsed is wrong.

    An accepted answer is a label, or the text of exactly one option. What names a label is the
    text's own: "B", "(B)", "B. dog", "the answer is B", "so B", an option's text; "A dog" is no A.

    >>> multiple_choice_accuracy("A dog", ["B"], {"A": "cat", "B": "dog"})
    Ratio(numerator=1.0, denominator=1.0)
    """
    if prediction is None:
        return Ratio(0)
    return _is_accepted(read_label(prediction, choices), answers, choices)


@metric(
    better="higher",
    source="MMBench CircularEval (Liu et al. 2023), label parser of sgleval.answers.labels",
    parser=read_label,
    group="all",
)
def multiple_choice_circular(
    prediction: str | None, answers: Sequence[str], choices: Choices = None
) -> Ratio:
    """Questions that are right in every rotation of their options, over questions.

    The rows of one question are a group. Each row is read as in `multiple_choice_accuracy`; a
    failed or unparsed one makes its question wrong.

    >>> multiple_choice_circular("dog", ["B"], {"A": "cat", "B": "dog"})
    Ratio(numerator=1.0, denominator=1.0)
    """
    if prediction is None:
        return Ratio(0)
    return _is_accepted(read_label(prediction, choices), answers, choices)


@metric(better="higher", source="lmms-eval's SEED-Bench", parser=read_first_letter)
def first_letter_accuracy(
    prediction: str | None, answers: Sequence[str], choices: Choices = None
) -> Ratio:
    """1 if the first character is an accepted label, else 0; one that is no label is unparsed.

    "Bird" is read as B and "(B)" not at all: for other people's files only.

    >>> first_letter_accuracy("Because it barks, C", ["B"], {"A": "cat", "B": "dog", "C": "bird"})
    Ratio(numerator=1.0, denominator=1.0)
    """
    if prediction is None:
        return Ratio(0)
    return _is_accepted(read_first_letter(prediction, choices), answers, choices)


@metric(better="higher", source="LLaVA's ScienceQA evaluation", parser=read_scienceqa)
def scienceqa_accuracy(
    prediction: str | None, answers: Sequence[str], choices: Choices = None
) -> Ratio:
    """1 if LLaVA's rule reads an accepted label, A to E, else 0; unparsed is wrong.

    "B", "B. dog" and "The answer is B." are read, "B.", "(B)" and "the answer is B" are not.

    >>> scienceqa_accuracy("The answer is B.", ["B"])
    Ratio(numerator=1.0, denominator=1.0)
    """
    if prediction is None:
        return Ratio(0)
    return _is_accepted(read_scienceqa(prediction, choices), answers, choices)


def _is_accepted(said: Parsed, answers: Sequence[str], choices: Choices) -> Ratio:
    return Ratio(said.answer in [_label(answer, choices or {}) for answer in answers])


def _label(answer: str, choices: Mapping[str, str]) -> str:
    """Return the label of the one option that the accepted answer is the text of, or the answer."""
    if answer in choices:
        return answer
    wanted = normalize_text(answer)
    same = [label for label, text in choices.items() if normalize_text(text) == wanted]
    return same[0] if len(same) == 1 else answer
