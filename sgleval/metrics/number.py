"""Metrics of numbers: the same decimal, or within five percent."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from sgleval.metrics.metric import Ratio, metric
from sgleval.normalize import normalize_text

if TYPE_CHECKING:
    from collections.abc import Sequence

TOLERANCE = 0.05

_NUMBER = re.compile(
    r"(?P<sign>[-+−]?)(?P<unit>[$€£¥₽]?)"  # noqa: RUF001  (U+2212)
    r"(?P<digits>(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)(?P<percent>%?)"
)
_YEAR = re.compile(r"(?:18|19|20)[0-9]{2}")


@metric(better="higher", source="exact_match or equal decimals, by definition")
def numeric_match(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """1 if the prediction is an accepted answer as text or as a number of one unit, else 0.

    As text: `exact_match`. Numbers: sign, one of `$€£¥₽`, ASCII digits with or without commas
    between groups of three, decimals after a full stop, `%`; currency sign and percent sign are
    units, so $12.50 is not 12.50. 007 is 7: not for codes.

    >>> numeric_match("1,000.0", ["1000"]), numeric_match("60%", ["60"])
    (Ratio(numerator=1.0, denominator=1.0), Ratio(numerator=0.0, denominator=1.0))
    """
    if prediction is None:
        return Ratio(0)
    said = _comparable(prediction)
    return Ratio(any(said == _comparable(answer) for answer in answers))


@metric(better="higher", source="Masry et al. 2022 (ChartQA) as coded in pix2struct")
def relaxed_accuracy(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """1 if the prediction is within 5 % of an accepted number, or the same text in any case.

    Numbers are what Python's `float` takes, n% is n/100; an accepted 0 is compared as text.
    Both sides are stripped. 50% is 0.5 and not 50; 1,000 is not 1000; 2010 passes for 2008.

    >>> relaxed_accuracy("105", ["100"]), relaxed_accuracy("105.1", ["100"])
    (Ratio(numerator=1.0, denominator=1.0), Ratio(numerator=0.0, denominator=1.0))
    """
    if prediction is None:
        return Ratio(0)
    return Ratio(any(_is_close(prediction.strip(), answer.strip()) for answer in answers))


@metric(better="higher", source="relaxed_accuracy, but years exactly, by definition")
def relaxed_accuracy_strict_years(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """1 as in `relaxed_accuracy`, but an accepted 1800 to 2099 must be met exactly.

    Such an answer is a bare integer; an equal number (2008.0) meets it.

    >>> relaxed_accuracy_strict_years("2010", ["2008"])
    Ratio(numerator=0.0, denominator=1.0)
    """
    if prediction is None:
        return Ratio(0)
    said = prediction.strip()
    return Ratio(any(_meets(said, answer.strip()) for answer in answers))


def _comparable(text: str) -> str | tuple[Decimal, str, str]:
    """Return the number with its units, or the normalised text where it is none."""
    normal = normalize_text(text)
    number = _NUMBER.fullmatch(normal)
    if number is None:
        return normal
    value = Decimal(number["digits"].replace(",", ""))
    negative = number["sign"] not in ("", "+")
    return (value.copy_negate() if negative else value), number["unit"], number["percent"]


def _meets(said: str, answer: str) -> bool:
    if _YEAR.fullmatch(answer):
        return _number(said) == float(answer)
    return _is_close(said, answer)


def _is_close(said: str, answer: str) -> bool:
    given, wanted = _number(said), _number(answer)
    if given is not None and wanted:  # 0 is compared as text, as in the original
        return abs(given - wanted) / abs(wanted) <= TOLERANCE
    return said.lower() == answer.lower()


def _number(text: str) -> float | None:
    try:
        return float(text.rstrip("%")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None
