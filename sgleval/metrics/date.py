# ruff: noqa: RUF001  (the letters of other scripts are meant)
"""Dates as they are printed: is it the same day, or the same month?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING

from sgleval.metrics.metric import Ratio, metric
from sgleval.normalize import normalize_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ENGLISH = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september"),
    *("october", "november", "december"),
)
_RUSSIAN = (
    *("январь января", "февраль февраля", "март марта", "апрель апреля", "май мая", "июнь июня"),
    *("июль июля", "август августа", "сентябрь сентября", "октябрь октября", "ноябрь ноября"),
    "декабрь декабря",
)
_MONTHS = {
    "sept": 9,
    **{name[:3]: number for number, name in enumerate(_ENGLISH, 1)},
    **{name: number for number, name in enumerate(_ENGLISH, 1)},
    **{name: number for number, names in enumerate(_RUSSIAN, 1) for name in names.split()},
}
_LAST_OF_THIS_CENTURY = 68
"""Two-digit years up to 68 are 20xx, the others 19xx (POSIX)."""

_WEEKDAY = re.compile(
    r"(?:mon|tue|wed|thu|fri|sat|sun|(?:mon|tues|wednes|thurs|fri|satur|sun)day)[ .,]+"
)
_MARKED = re.compile(r" *([/.年月-]) *")
_NAME = rf"(?P<name>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})"
_DAY, _YEAR = r"(?:the )?(?P<day>[0-9]{1,2})(?:st|nd|rd|th)?", r"(?P<year>[0-9]{4}|[0-9]{2})"
_LONG_YEAR, _GAP, _END = r"(?P<year>[0-9]{4})", r"[ .,/-]+", r"(?: ?(?:г|года))?"

_YEAR_LAST = re.compile(rf"([0-9]{{1,2}})([/.-])([0-9]{{1,2}})\2{_YEAR}")
_YEAR_FIRST = re.compile(
    r"([0-9]{4})([/.-])([0-9]{1,2})\2([0-9]{1,2})|"
    r"([0-9]{4})年([0-9]{1,2})月([0-9]{1,2}) ?日|"
    r"((?:19|20)[0-9]{2})([0-9]{2})([0-9]{2})"
)
_NAMED = (
    re.compile(rf"{_DAY}{_GAP}(?:of )?{_NAME}{_GAP}{_YEAR}{_END}"),
    re.compile(rf"{_NAME}{_GAP}{_DAY}{_GAP}{_YEAR}{_END}"),
    re.compile(rf"{_LONG_YEAR}{_GAP}{_NAME}{_GAP}{_DAY}"),
)
_NAMED_MONTH = (
    re.compile(rf"{_NAME}{_GAP}{_LONG_YEAR}{_END}"),
    re.compile(rf"{_LONG_YEAR}{_GAP}{_NAME}"),
)
_NUMBERED_MONTH = re.compile(r"([0-9]{1,2})[/.]([0-9]{4})|([0-9]{4})-([0-9]{1,2})")


@dataclass(frozen=True, slots=True)
class _Date:
    when: tuple[int, ...] | None = None
    """Year, month and where it is one the day; None where day or month may be first."""
    written: tuple[int, int, int] | None = None
    """The three numbers of a numeric date with the year last, in their order."""


@metric(better="higher", source="dates as printed, by definition")
def date_match(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """1 if the prediction is an accepted answer as text or the same date, else 0.

    As text: `exact_match`. Days and months of a year, numeric, English, Russian, 年月日.
    03/04/2024 may be March or April: it equals only the same three numbers in that order; a data
    set that knows its order accepts the ISO form too. With full stops the day is first. No
    extraction: a time of day makes it another text.

    >>> date_match("Tue, 5 Mar. 2024", ["2024-03-05"]), date_match("05/03/2024", ["2024-03-05"])
    (Ratio(numerator=1.0, denominator=1.0), Ratio(numerator=0.0, denominator=1.0))
    """
    if prediction is None:
        return Ratio(0)
    said = normalize_text(prediction)
    return Ratio(any(_is_same(said, normalize_text(answer)) for answer in answers))


def _is_same(said: str, answer: str) -> bool:
    if said == answer:
        return True
    given, wanted = _read(said), _read(answer)
    same_numbers = given.written is not None and given.written == wanted.written
    return same_numbers or (given.when is not None and given.when == wanted.when)


@lru_cache(maxsize=4096)
def _read(text: str) -> _Date:
    """Read normalised text; a date of which nothing is known where it is none."""
    text = _WEEKDAY.sub("", text, count=1) if _WEEKDAY.match(text) else text
    tight = _MARKED.sub(r"\1", text)
    if numbers := _YEAR_LAST.fullmatch(tight):
        return _year_last(int(numbers[1]), int(numbers[3]), _full_year(numbers["year"]), numbers[2])
    return _Date(next(_readings(text, tight), None))


def _year_last(first: int, second: int, year: int, mark: str) -> _Date:
    day_first, month_first = _day(year, second, first), _day(year, first, second)
    readings = [day for day in (day_first, month_first) if day]
    if not readings:
        return _Date()
    known = mark == "." or len(set(readings)) == 1
    return _Date(readings[0] if known else None, (first, second, year))


def _readings(text: str, tight: str) -> Iterator[tuple[int, ...]]:
    """Yield what the forms other than the numeric ones with the year last make of it."""
    if match := _YEAR_FIRST.fullmatch(tight):
        year, month, day = (int(part) for part in match.groups() if part and part.isdecimal())
        yield from _known(_day(year, month, day))
    for form in _NAMED:
        if match := form.fullmatch(text):
            month = _MONTHS[match["name"]]
            yield from _known(_day(_full_year(match["year"]), month, int(match["day"])))
    for form in _NAMED_MONTH:
        if match := form.fullmatch(text):
            yield int(match["year"]), _MONTHS[match["name"]]
    if match := _NUMBERED_MONTH.fullmatch(tight):
        year, month = int(match[2] or match[3]), int(match[1] or match[4])
        yield from _known(_day(year, month, 1), length=2)


def _known(day: tuple[int, ...] | None, length: int = 3) -> Iterator[tuple[int, ...]]:
    if day:
        yield day[:length]


def _full_year(year: str) -> int:
    if len(year) > len("24"):
        return int(year)
    return int(year) + (2000 if int(year) <= _LAST_OF_THIS_CENTURY else 1900)


def _day(year: int, month: int, day: int) -> tuple[int, ...] | None:
    """Return the day if the calendar has it."""
    try:
        date(year, month, day)
    except ValueError:
        return None
    return year, month, day
