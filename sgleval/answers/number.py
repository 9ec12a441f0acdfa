# ruff: noqa: RUF001  (the marks and letters of other scripts are meant)
"""Answers in digits: `Number` is a bare number, `Money` an amount as it is printed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sgleval.answers.answer import ENDING, UNPARSED, OneLine, Parsed, Regex
from sgleval.answers.prose import after_cue, is_clear, said, without_reasoning
from sgleval.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

DECIMALS = 6
MAX_DIGITS = 30

_NUMBER = re.compile(r"([-+−]?)((?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?)")

CURRENCIES = (
    *(
        "US$",
        "HK$",
        "S$",
        "A$",
        "C$",
        "R$",
        "$",
        "€",
        "£",
        "¥",
        "₽",
        "₹",
        "₩",
        "₺",
        "₴",
        "円",
        "元",
    ),
    *("USD", "EUR", "GBP", "JPY", "CNY", "RMB", "RUB", "INR", "KRW", "MYR", "IDR", "SGD", "AUD"),
    *("CAD", "HKD", "BRL", "CHF", "PLN", "TRY", "UAH", "SEK", "NOK", "DKK", "RM", "Rp.", "Rp"),
    *("Rs.", "Rs", "kr.", "kr", "zł", "руб.", "руб", "р.", "р"),
)
"""Signs, codes and abbreviations of currencies, a longer one before what it begins with."""

_CURRENCY = "|".join(re.sub(r"([$.])", r"\\\1", currency) for currency in CURRENCIES)
_GROUPS = ((",", r"\."), (r"\.", ","), (" ", "[.,]"), ("['’]", "[.,]"))
"""A mark between groups of three digits, and the decimal marks that may follow it."""


def _digits(groups: str, whole: str, decimals: str) -> str:
    """Return the regex of an amount's digits, given how often groups, digits, decimals repeat."""
    grouped = [
        f"[1-9][0-9]{{0,2}}({mark}[0-9]{{3}}){groups}({point}[0-9]{decimals})?"
        for mark, point in _GROUPS
    ]
    return "|".join([*grouped, f"[0-9]{whole}([.,][0-9]{decimals})?"])


_SHORT = _digits("{1,3}", "{1,9}", "{1,3}")
_ANY = rf"(?:{_digits('+', '+', '+')}|[.,][0-9]+)(?:[.,](?:--|[-–—]))?"
_LETTER = r"[^\W\d_]"
_SIGN_OF_MONEY = rf"(?:(?<!{_LETTER})(?:{_CURRENCY})(?!{_LETTER}))"
_SIGN, _GAP = "[-+−]", r"\s{0,3}"  # bounded: a weak model may write blanks without end
_AMOUNT = re.compile(
    rf"{_SIGN}?{_GAP}{_SIGN_OF_MONEY}{_GAP}{_SIGN}?{_GAP}{_ANY}|"
    rf"{_SIGN}?{_GAP}{_ANY}-?{_GAP}{_SIGN_OF_MONEY}|"
    rf"{_SIGN}{_GAP}{_ANY}|{_ANY}-(?![\w.,])|{_ANY}",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(OneLine):
    """A number in digits, such as -12.5; the question must name the unit."""

    digits: int = 12
    """At most this many before the point; up to six follow it."""

    def __post_init__(self) -> None:
        if not 1 <= self.digits <= MAX_DIGITS:
            raise UserError(f"Number: digits is {self.digits}; give 1 to {MAX_DIGITS}")

    @property
    def max_tokens(self) -> int:
        """Room for sign, point and each digit."""
        return self.digits + DECIMALS + 2 + ENDING

    @property
    def constraint(self) -> Regex:
        """One regex for all samples, so it compiles once; the newline lets the model stop."""
        return Regex(rf"-?[0-9]{{1,{self.digits}}}(\.[0-9]{{1,{DECIMALS}}})?\n?")

    def parse(self, text: str, choices: Sequence[str] = ()) -> Parsed:  # noqa: ARG002
        """Return "1250.5" for "1,250.5"; unparsed for "1,25" or "12 or 13": nothing is guessed.

        Rules, in order: `whole`, `cue` ("the answer is 12."), `only_number` (no other digits in the
        text, no percent, no word such as million, or, not). Marks of thousands and `+` go.
        """
        if (number := _plain_number(without_reasoning(text))) is not None:
            return Parsed(number, "whole")
        spoken = said(text)
        found = {"cue": _only_number(after_cue(spoken) or ""), "only_number": _only_number(spoken)}
        rules = (Parsed(answer, rule) for rule, answer in found.items() if answer is not None)
        return next(rules, UNPARSED)


@dataclass(frozen=True, slots=True)
class Money(OneLine):
    """An amount with or without currency, as it is printed: 4.80, RM 1,234.50, 12,90 €."""

    @property
    def max_tokens(self) -> int:
        """Room for sign, currency, blank and each digit and mark."""
        currency = max(len(currency.encode()) for currency in CURRENCIES)
        return 1 + currency + 1 + len("123,123,123,123.123") + ENDING

    @property
    def constraint(self) -> Regex:
        """Digits with at most one minus in front and one currency on either side."""
        currency = f"({_CURRENCY})"
        return Regex(rf"-?(({currency} ?)?({_SHORT})|({_SHORT}) ?{currency})\n?")

    def parse(self, text: str, choices: Sequence[str] = ()) -> Parsed:  # noqa: ARG002
        """Return the amount as it was written, currency and marks included.

        Rules, in order: `whole`, `cue` ("the answer is $5."), `only_amount` (no other digits in the
        text, no percent, no word such as million, or, not). What "1.234" means is for the metric.
        """
        written = without_reasoning(text)
        bare = written[1:-1].strip() if written[:1] + written[-1:] == "()" else written
        if _AMOUNT.fullmatch(bare):
            return Parsed(written, "whole")
        spoken = said(text)
        found = {"cue": _only_amount(after_cue(spoken) or ""), "only_amount": _only_amount(spoken)}
        rules = (Parsed(answer, rule) for rule, answer in found.items() if answer is not None)
        return next(rules, UNPARSED)


def _plain_number(text: str) -> str | None:
    match = _NUMBER.fullmatch(text)
    return match and match[1].replace("−", "-").replace("+", "") + match[2].replace(",", "")


def _only_number(text: str) -> str | None:
    """Return the number if each word of `text` with a digit in it is that one number."""
    if not is_clear(text):
        return None
    words = [word for word in text.split() if re.search(r"\d", word)]
    numbers = {_plain_number(word.strip("\"'“”«»$€£¥₽").rstrip(".,;:!?")) for word in words}
    return numbers.pop() if len(numbers) == 1 else None


def _only_amount(text: str) -> str | None:
    """Return the amount if `text` has no digits but those of that one amount."""
    if not is_clear(text):
        return None
    amounts = {match[0].strip() for match in _AMOUNT.finditer(text)}
    rest = _AMOUNT.sub("\0", text)
    touched = re.search(rf"[\w.,/-]\0|\0(?:\w|[-/.,]\w)|\0\s*{_SIGN_OF_MONEY}", rest, re.IGNORECASE)
    if len(amounts) != 1 or touched or re.search(r"\d", rest):
        return None
    return amounts.pop()
