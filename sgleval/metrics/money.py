# ruff: noqa: RUF001  (the marks and letters of other scripts are meant)
"""Amounts of money as they are printed: is it the same amount, whatever the convention?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from sgleval.metrics.metric import Ratio, metric
from sgleval.normalize import normalize_text

if TYPE_CHECKING:
    from collections.abc import Sequence

_CURRENCIES = (
    *(
        "$ us$ usd",
        "€ eur",
        "£ gbp",
        "¥ jpy 円",
        "cny rmb 元",
        "₽ rub руб. руб р. р",
        "₹ inr rs. rs",
    ),
    *("₩ krw", "rm myr", "rp. rp idr", "s$ sgd", "a$ aud", "c$ cad", "hk$ hkd", "r$ brl", "chf"),
    *("zł pln", "₺ try", "₴ uah", "kr. kr", "sek", "nok", "dkk"),
)
"""What means one currency, after case folding."""

_CURRENCY_OF = {name: group for group in _CURRENCIES for name in group.split()}
_ANY_CURRENCY = "|".join(map(re.escape, sorted(_CURRENCY_OF, key=len, reverse=True)))
_AMOUNT = re.compile(
    rf"(?P<before>[-+]?) ?(?P<front>{_ANY_CURRENCY})? ?(?P<between>[-+]?) ?"
    r"(?P<digits>[0-9.,][0-9.,'’ ]*?)(?P<whole>[.,](?:--|[-–—]))? ?(?P<after>-?) ?"
    rf"(?P<behind>{_ANY_CURRENCY})?"
)
_FIRST = "[1-9][0-9]{0,2}"  # the digits before the first mark of thousands
_THOUSANDS = re.compile(
    rf"{_FIRST}(?:(?:,[0-9]{{3}})+|(?:\.[0-9]{{3}})+|(?: [0-9]{{3}})+|(?:['’][0-9]{{3}})+)"
)
_DECIMAL = re.compile(r"(?P<whole>.*)[.,](?P<rest>[0-9]+)")
_AMBIGUOUS = re.compile(rf"{_FIRST}\.[0-9]{{3}}")


@dataclass(frozen=True, slots=True)
class _Amount:
    value: Decimal | str
    """The text where it could be thousands or a decimal: 1.234."""
    currency: str | None


@metric(better="higher", source="amounts as printed in either convention, by definition")
def money_match(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """1 if the prediction is an accepted answer as text or the same amount of money, else 0.

    As text: `exact_match`. 1,234.50 is 1.234,50 is 1 234,50; (5.00) is -5; 12,- is 12. A currency
    on one side only is no contradiction, two currencies are. 1.234 could be 1234 or a decimal and
    equals only 1.234. Percent signs and words make it no amount; nothing is extracted.

    >>> money_match("$1,234.50", ["1.234,50"]), money_match("$5", ["€5"])
    (Ratio(numerator=1.0, denominator=1.0), Ratio(numerator=0.0, denominator=1.0))
    """
    if prediction is None:
        return Ratio(0)
    said = normalize_text(prediction)
    return Ratio(any(_is_same(said, normalize_text(answer)) for answer in answers))


def _is_same(said: str, answer: str) -> bool:
    if said == answer:
        return True
    given, wanted = _amount(said), _amount(answer)
    if given is None or wanted is None or given.value != wanted.value:
        return False
    return given.currency == wanted.currency or None in (given.currency, wanted.currency)


@lru_cache(maxsize=4096)
def _amount(text: str) -> _Amount | None:
    """Read normalised text, or return None where it is no amount."""
    text = text.replace("−", "-")
    in_parentheses = text[:1] == "(" and text[-1:] == ")"
    match = _AMOUNT.fullmatch(text[1:-1].strip() if in_parentheses else text)
    if match is None:
        return None
    signs = match["before"] + match["between"] + match["after"] + "-" * in_parentheses
    currencies = {_CURRENCY_OF[match[side]] for side in ("front", "behind") if match[side]}
    digits = match["digits"].strip()
    value = _whole(digits) if match["whole"] else _value(digits)
    if value is None or len(signs) > 1 or len(currencies) > 1:
        return None
    return _Amount(_signed(value, signs), next(iter(currencies), None))


def _signed(value: Decimal | str, sign: str) -> Decimal | str:
    if sign != "-":
        return value
    return f"-{value}" if isinstance(value, str) else value.copy_negate()


def _value(digits: str) -> Decimal | str | None:
    if _AMBIGUOUS.fullmatch(digits):
        return digits
    if (whole := _whole(digits)) is not None:
        return whole
    match = _DECIMAL.fullmatch(digits)
    if match is None:
        return None
    before, mark = match["whole"], digits[match.end("whole")]
    # "1,234,567,8" has one kind of mark, and that is the one of thousands
    whole = Decimal(0) if before == "" else None if mark in before else _whole(before)
    return None if whole is None else Decimal(f"{whole}.{match['rest']}")


def _whole(digits: str) -> Decimal | None:
    """Read an amount without decimals: bare, or in groups of three with one kind of mark."""
    if digits.isascii() and digits.isdecimal():
        return Decimal(digits)
    if _THOUSANDS.fullmatch(digits):
        return Decimal("".join(re.findall("[0-9]", digits)))
    return None
