"""The rules of TabMWP (word problems on tables) and MathVista (mathematics in pictures).

Their own extraction guesses and is left out: the answer is the extracted or the constrained one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rapidfuzz.distance import Levenshtein

from sgleval.answers.answer import UNPARSED, Parsed
from sgleval.metrics.metric import Ratio, metric

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Choices = Mapping[str, str] | None

PLACES = 3
"""To so many decimals TabMWP's numbers are rounded."""

_TABMWP_NUMBER = re.compile(r"[-+]?[\d,./]+")
_LABEL = re.compile(r"\(([A-Za-z])\)|([A-Za-z])")
_BRACKET = re.compile(r"\(([A-Za-z])\)")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_DECIMAL = re.compile(r"[-+]?[0-9]*\.([0-9]+)")


def read_tabmwp(text: str, choices: Choices) -> Parsed:
    """Return the text, or of a label that stands alone its option; a label of none is unparsed.

    Rules: `label` ("B", "b", "(B)"), `text`.
    """
    label = _LABEL.fullmatch(text) if choices else None
    if choices is None or label is None:
        return Parsed(text, "text")
    letter = (label[1] or label[2]).upper()
    if letter in choices:
        return Parsed(choices[letter], "label")
    is_option = text.lower() in (option.lower() for option in choices.values())
    return Parsed(text, "text") if is_option else UNPARSED


def read_mathvista(text: str, choices: Choices, answers: Sequence[str] = ()) -> Parsed:
    """Return the option's text, or the text as the kind of number that the accepted answer is.

    Rules with options, in order: `label` (the first "(x)", else the text, is a letter of one),
    `option` (the text is one's), `nearest` (the one at the smallest edit distance, the first of
    equals: a guess that the published numbers contain). Without: `integer`, `decimal`, rounded to
    the accepted answer's places, or `text`; what is no such number is unparsed.
    """
    if choices:
        return _read_option(text, choices)
    return _read_as(answers[0] if answers else "", text, int)


@metric(better="higher", source="TabMWP (Lu et al. 2023), PromptPG script", parser=read_tabmwp)
def tabmwp_accuracy(
    prediction: str | None, answers: Sequence[str], choices: Choices = None
) -> Ratio:
    """1 if the prediction equals an accepted answer after TabMWP's normalisation, else 0.

    `normalize_tabmwp` on both, then lower case. With options a label alone stands for its option,
    in the accepted answers too; one beyond them is unparsed.

    >>> tabmwp_accuracy("$4,656.00", ["4656"]), tabmwp_accuracy("2/3", ["0.667"])
    (Ratio(numerator=1.0, denominator=1.0), Ratio(numerator=1.0, denominator=1.0))
    """
    said = None if prediction is None else read_tabmwp(prediction, choices).answer
    if said is None:
        return Ratio(0)
    wanted = [_option_text(answer, choices) for answer in answers]
    return Ratio(normalize_tabmwp(said).lower() in [normalize_tabmwp(a).lower() for a in wanted])


@metric(
    better="higher",
    source="MathVista (Lu et al. 2024), the rule behind its published results",
    parser=read_mathvista,
)
def mathvista_accuracy(
    prediction: str | None, answers: Sequence[str], choices: Choices = None
) -> Ratio:
    """1 if the prediction, normalised by the kind of the accepted answer, is exactly that, else 0.

    With options the label's option or else the nearest text; an accepted integer by `int`, a
    decimal by `float` and `round`; other answers as text. No number where one is due is unparsed.

    >>> mathvista_accuracy("0.665", ["0.67"]), mathvista_accuracy("4.0", ["4"])
    (Ratio(numerator=1.0, denominator=1.0), Ratio(numerator=0.0, denominator=1.0))
    """
    return _mathvista(prediction, answers, choices, int)


def read_mathvista_script(text: str, choices: Choices, answers: Sequence[str] = ()) -> Parsed:
    """Read as `read_mathvista`, but for an accepted integer truncate what `float` reads."""
    if choices:
        return _read_option(text, choices)
    return _read_as(answers[0] if answers else "", text, _truncated)


@metric(
    better="higher",
    source="MathVista (Lu et al. 2024), its script of today",
    parser=read_mathvista_script,
)
def mathvista_accuracy_script(
    prediction: str | None, answers: Sequence[str], choices: Choices = None
) -> Ratio:
    """`mathvista_accuracy`, but where an integer is accepted 99.99 is cut to 99.

    >>> mathvista_accuracy_script("99.99", ["99"])
    Ratio(numerator=1.0, denominator=1.0)
    """
    return _mathvista(prediction, answers, choices, _truncated)


def normalize_tabmwp(text: str, unit: str = "") -> str:
    """Return `text` as TabMWP's script compares it; `unit` is cut out of what is no number.

    A leading $ and one final `,`, `.` or `/` go. Numbers lose commas and leading zeros, a/b is
    divided, fractions are rounded to three places; what does not compute stays.

    >>> [normalize_tabmwp(text) for text in ("$1,000.", "3/4", "1.2.3", "7:25 P.M.")]
    ['1000', '0.75', '1.2.3', '7:25 P.M']
    """
    text = re.sub(r"[,./]$", "", text.removeprefix("$"))
    if _TABMWP_NUMBER.fullmatch(text) is None:
        return text.replace(unit, "").strip() if unit else text
    text = text.replace(",", "")
    try:
        return re.sub(r"\.0+$", "", str(_computed(text)))
    except (ArithmeticError, ValueError):
        return text


def _computed(text: str) -> float:
    if re.fullmatch(r"[-+]?\d+", text):
        return int(text)
    above, *below = text.split("/")
    return round(float(above) / float(below[0]) if below else float(above), PLACES)


def _option_text(answer: str, choices: Choices) -> str:
    """Return the option that an accepted label stands for, unless it is an option's text itself."""
    if not choices or answer in choices.values():
        return answer
    return choices.get(answer, answer)


def _mathvista(
    prediction: str | None, answers: Sequence[str], choices: Choices, to_int: Callable[[str], int]
) -> Ratio:
    if prediction is None:
        return Ratio(0)
    if choices:
        said = _read_option(prediction, choices).answer
        return Ratio(said in [_option_text(answer, choices) for answer in answers])
    return Ratio(any(_read_as(answer, prediction, to_int).answer == answer for answer in answers))


def _read_option(text: str, choices: Mapping[str, str]) -> Parsed:
    bracket = _BRACKET.search(text)
    said = bracket[1].upper() if bracket else text.strip()
    if said in choices:
        return Parsed(choices[said], "label")
    options = list(choices.values())
    nearest = min(options, key=lambda option: Levenshtein.distance(said, option))
    return Parsed(nearest, "option" if nearest == said else "nearest")


def _read_as(answer: str, text: str, to_int: Callable[[str], int]) -> Parsed:
    try:
        if _INTEGER.fullmatch(answer):
            return Parsed(str(to_int(text)), "integer")
        if decimal := _DECIMAL.fullmatch(answer):
            return Parsed(str(round(float(text), len(decimal[1]))), "decimal")
    except (ValueError, OverflowError):
        return UNPARSED
    return Parsed(text, "text")


def _truncated(text: str) -> int:
    return int(float(text))
