# ruff: noqa: RUF001  (the marks and letters of other scripts are meant)
"""Dates as they are printed; what 03/04/2024 means is for the metric `date_match`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sgleval.answers.answer import ENDING, UNPARSED, OneLine, Parsed, Regex
from sgleval.answers.prose import after_cue, is_negated, said, without_reasoning

if TYPE_CHECKING:
    from collections.abc import Sequence

_ENGLISH = (
    *("jan|uary", "feb|ruary", "mar|ch", "apr|il", "may|", "jun|e", "jul|y", "aug|ust"),
    *("sept|ember", "sep|", "oct|ober", "nov|ember", "dec|ember"),
)
"""Short form and the rest of the full one."""

_RUSSIAN = (
    *("январ[ья]", "феврал[ья]", "марта?", "апрел[ья]", "ма[йя]", "июн[ья]", "июл[ья]", "августа?"),
    *("сентябр[ья]", "октябр[ья]", "ноябр[ья]", "декабр[ья]"),
)


def _cased(month: str) -> str:
    """Return a month's regex in the three ways it is printed: March, MARCH, march."""
    short, rest = month.split("|")
    lower = f"({rest})?" if rest else ""
    first = f"[{short[0].upper()}{short[0]}]{short[1:]}{lower}"
    return f"{first}|{short.upper()}{lower.upper()}"


def _forms(month: str, blanks: str) -> tuple[str, ...]:
    """Return the regexes of a whole date, given those of a month's name and of optional blanks."""
    day, number, year = "(0?[1-9]|[12][0-9]|3[01])", "(0?[1-9]|1[0-2])", "[12][0-9]{3}"
    marks = [f"{blanks}{mark}{blanks}" for mark in ("/", "-", r"\.")]
    between = r"(\. |, |[ \-/.,])"
    return (
        *(f"{day}{mark}{day}{mark}({year}|[0-9]{{2}})" for mark in marks),
        *(f"{year}{mark}{number}{mark}{day}" for mark in marks),
        f"{year}年{number}月{day}日",
        "(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])",
        f"{day}{between}({month}){between}({year}|[0-9]{{2}})",
        f"({month}){between}{day}{between}({year}|[0-9]{{2}})",
        f"{year}{between}({month}){between}{day}",
    )


def _months(month: str) -> tuple[str, ...]:
    """Return the regexes of a month of a year."""
    number, year = "(0?[1-9]|1[0-2])", "[12][0-9]{3}"
    names = (f"({month})[ \\-.,]{year}", f"{year} ({month})")
    return (*names, f"{number}[/.]{year}", f"{year}-{number}")


_PRINTED = "|".join((*map(_cased, _ENGLISH), *_RUSSIAN))
_SHORT = (*_forms(_PRINTED, ""), *_months(_PRINTED))

_NAMES = "|".join((*(month.replace("|", "(?:") + ")?" for month in _ENGLISH), *_RUSSIAN))
_WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s+)?"
_WORDY = (
    rf"{_WEEKDAY}(?:the\s+)?[0-9]{{1,2}}(?:st|nd|rd|th)?[\s.,/-]+(?:of\s+)?(?:{_NAMES})[\s.,/-]+"
    r"(?:[12][0-9]{3}|[0-9]{2})(?:\s*(?:г\.|года))?",
    rf"{_WEEKDAY}(?:{_NAMES})[\s.,/-]+(?:the\s+)?[0-9]{{1,2}}(?:st|nd|rd|th)?[\s.,/-]+"
    r"(?:[12][0-9]{3}|[0-9]{2})",
)
_ALL_OF_IT = re.compile("|".join((*_WORDY, *_SHORT, *_forms(_NAMES, r"\s*"))), re.IGNORECASE)
_ANYWHERE = re.compile(
    # a month alone last: "5 March 2024" holds "March 2024"
    rf"(?<![\w/.-])(?:{'|'.join((*_WORDY, *_forms(_NAMES, ''), *_months(_NAMES)))})(?![\w/-]|\.\d)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Date(OneLine):
    """A day, or a month of a year, as it is printed: 05/03/18, 2024-03-05, 19 MAR 2018."""

    @property
    def max_tokens(self) -> int:
        """Room for the longest form, its month in Cyrillic bytes."""
        return len("30, ") + 2 * len("сентября") + len(", 2024") + ENDING

    @property
    def constraint(self) -> Regex:
        """The forms with real day and month numbers; the newline lets the model stop."""
        return Regex(f"({'|'.join(_SHORT)})\\n?")

    def parse(self, text: str, choices: Sequence[str] = ()) -> Parsed:  # noqa: ARG002
        """Return the date as it was written.

        Rules, in order: `whole` (also "Tue, 5th of March 2024"), `cue` ("the answer is ..."),
        `only_date` (no other date in the text, nothing negated).
        """
        written = without_reasoning(text)
        if _ALL_OF_IT.fullmatch(written):
            return Parsed(written, "whole")
        spoken = said(text)
        found = {"cue": _only_date(after_cue(spoken) or ""), "only_date": _only_date(spoken)}
        rules = (Parsed(answer, rule) for rule, answer in found.items() if answer is not None)
        return next(rules, UNPARSED)


def _only_date(text: str) -> str | None:
    dates = {match[0] for match in _ANYWHERE.finditer(text)}
    return dates.pop() if len(dates) == 1 and not is_negated(text) else None
