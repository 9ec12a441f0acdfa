# ruff: noqa: RUF001  (the marks and digits of other scripts are meant)
"""Numbers, amounts of money, and dates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgleval.answers.number import CURRENCIES
from sgleval.metrics import (
    date_match,
    money_match,
    numeric_match,
    relaxed_accuracy,
    relaxed_accuracy_strict_years,
)

MINUS, EN_DASH = "\N{MINUS SIGN}", "\N{EN DASH}"


@pytest.mark.parametrize(
    ("said", "wanted", "same"),
    [
        ("12.5", "12.50", True),
        ("+12", "12", True),
        (f"{MINUS}12", "-12.0", True),
        ("-$5", "-$5.00", True),
        ("$-5", "-$5", False),  # the sign comes first
        ("1,000,000", "1000000", True),
        ("1,0000", "10000", False),
        ("1,000.5", "1000.50", True),
        ("60%", "60.0%", True),
        ("60%", "60", False),
        ("$5", "€5", False),
        (".5", "0.5", True),
        ("1e2", "100", False),
        ("-0", "0", True),
        ("1" * 40, "1" * 39 + "2", False),  # decimals, not floats
        ("-" + "1" * 40, "-" + "1" * 39 + "2", False),
        ("０", "0", False),
        ("'12'", "12.0", True),  # normalised first
        ("n/a", "N/A", True),
    ],
)
def test_numbers_match_as_decimals_of_one_unit(said, wanted, same):
    assert numeric_match(said, [wanted]) == (same, 1)
    assert numeric_match(wanted, [said]) == (same, 1)


@pytest.mark.parametrize(
    ("said", "accepted", "right"),
    [
        ("95", ["100"], True),
        ("94.9", ["100"], False),
        ("-105", ["-100"], True),
        ("50%%", ["0.5"], True),
        (" YES", ["yes "], True),
        ("0", ["0.0"], False),  # zero is text
        ("0.0", ["0"], False),
        ("nan", ["nan"], False),
        ("inf", ["inf"], False),
        ("3", ["Yes", "3.1"], True),
        ("", [""], True),
    ],
)
def test_a_relaxed_answer_is_within_five_percent(said, accepted, right):
    assert relaxed_accuracy(said, accepted) == (right, 1)


@pytest.mark.parametrize(
    ("said", "accepted", "right"),
    [
        ("2009", ["2008"], False),
        ("2008.0", ["2008"], True),
        ("2008", ["2008.0"], True),  # no bare integer: five percent
        ("2009", ["2008.0"], True),
        ("2101", ["2100"], True),
        ("2009", ["2010", "2009"], True),
        ("year", ["2008"], False),
        ("5%", ["0.05"], True),
    ],
)
def test_years_are_met_exactly(said, accepted, right):
    assert relaxed_accuracy_strict_years(said, accepted) == (right, 1)


@pytest.mark.parametrize("metric", [numeric_match, money_match, date_match, relaxed_accuracy])
def test_no_prediction_is_wrong_even_where_an_empty_answer_is_accepted(metric):
    assert metric(None, [""]) == (0, 1)
    assert metric("", [""]) == (1, 1)
    assert metric("", ["1"]) == (0, 1)


SAME_AMOUNTS = [
    ("12.50", "12,5", "$ 12.50", "12.50 USD", "US$12.50", "+12.50", "usd 12.50"),
    ("1234.5", "1,234.50", "1.234,50", "1 234,50", "1'234.50", "1’234.5"),
    ("1234", "1,234", "1 234", "1'234", "1.234,-", "1,234.--", f"1234,{EN_DASH}", "1,234.00"),
    ("1234567", "1.234.567", "1,234,567", "1 234 567", "1,234,567.0", "1.234.567,00"),
    ("-5", "(5.00)", "5.00-", "-$5", "$-5", "$ -5", "(5,00 $)", f"{MINUS}5", "5 -", "5- USD"),
    ("0.125", "0,125", ".125"),
    ("1234.567", "1 234.567", "1,234.567", "1.234,567"),
    ("500 RUB", "500 руб.", "500 руб", "500р", "₽500", "500 р."),
    ("Rs.50", "Rs 50", "INR 50.00", "₹50"),
    ("RM 5", "5 myr", "RM5.00"),
    ("$5 USD", "$5"),
]
DIFFERENT_AMOUNTS = [
    ("12.50", "1250"),
    ("1.234", "1234"),
    ("1.234", "1.2340"),
    ("1.234", "1,234"),
    ("1.234", "-1.234"),
    ("$5", "€5"),
    ("¥5", "元5"),
    ("kr 5", "5 SEK"),
    ("5%", "5"),
    ("5k", "5000"),
    ("$5 EUR", "5"),
    ("(-5)", "5"),
    ("--5", "5"),
    ("-5-", "5"),
    ("1,23,456", "123456"),
    ("12.345.67", "1234567"),
    ("0,123.45", "123.45"),
    ("1 23", "123"),
    ("1,234 567", "1234567"),
    ("12.5,-", "12.5"),
    ("5 dollars", "5"),
    ("total 5", "5"),
    ("１２", "12"),
    ("1'234", "1235"),
]


@pytest.mark.parametrize("amounts", SAME_AMOUNTS, ids=lambda amounts: amounts[0])
def test_amounts_are_the_same_in_any_convention(amounts):
    for said in amounts:
        for wanted in amounts:
            assert money_match(said, [wanted]) == (1, 1), (said, wanted)


@pytest.mark.parametrize("amounts", DIFFERENT_AMOUNTS, ids=" ".join)
def test_amounts_differ(amounts):
    assert money_match(amounts[0], [amounts[1]]) == (0, 1)
    assert money_match(amounts[1], [amounts[0]]) == (0, 1)


def test_an_ambiguous_amount_equals_what_is_written_alike():
    for same in ("€ 1.234", "1.234 EUR", "+1.234"):
        assert money_match("1.234", [same]) == (1, 1)
    assert money_match("(1.234)", ["-1.234"]) == (1, 1)


@pytest.mark.parametrize("currency", CURRENCIES)
def test_each_currency_that_the_answer_type_writes_is_read(currency):
    assert money_match(f"{currency} 12.50", ["12.5"]) == (1, 1)
    assert money_match(f"12.50 {currency}", ["12.5"]) == (1, 1)


SAME_DAYS = [
    (
        *("2024-03-05", "2024/3/5", "2024.3.5", "2024年3月5日", "20240305", "05.03.2024"),
        *("5 March 2024", "5-Mar-24", "March 5, 2024", "2024 Mar 5", "march/5/2024"),
        *("5th of March 2024", "the 5th March 2024", "Mar. 5th, 2024", "5. 3. 2024", "5.3.24"),
        *("Tue, 5 Mar. 2024", "Monday 5 march 2024", "5 марта 2024 г.", "5 марта 2024 года"),
        "2024 年 3 月 5 日",
    ),
    ("25/12/2024", "12/25/2024", "12-25-24", "2024-12-25", "25.12.24", "12.25.2024"),
    ("05/05/2024", "5 May 2024", "5.5.2024", "2024-05-05", "Sun 05/05/24"),
    ("13/02/69", "1969-02-13", "13 Feb 69"),
    ("13/02/68", "2068-02-13"),
    ("29/02/2024", "2024-02-29"),
    ("5 sept 2024", "5 September 2024", "5 sep 2024"),
]
SAME_MONTHS = (
    *("March 2024", "mar 2024", "2024 March", "03/2024", "3.2024", "2024-03", "март 2024 г."),
)
DIFFERENT_DATES = [
    ("05/03/2024", "2024-03-05"),
    ("05/03/2024", "2024-05-03"),
    ("05/03/2024", "03/05/2024"),
    ("31/02/2024", "2024-02-31"),
    ("31/02/2024", "31-02-2024"),
    ("29/02/2023", "2023-02-29"),
    ("24-03-05", "2024-03-05"),
    ("March 2024", "2024-03-01"),
    ("March 24", "March 2024"),
    ("13/2024", "2024-13"),
    ("2024", "2024-01-01"),
    ("5 March", "2024-03-05"),
    ("2024-03-05 14:30", "2024-03-05"),
    ("on 5 March 2024", "2024-03-05"),
    ("5/3-2024", "5/3/2024"),
    ("18240305", "1824-03-05"),
    ("２０２４-03-05", "2024-03-05"),
]


@pytest.mark.parametrize("dates", [*SAME_DAYS, SAME_MONTHS], ids=lambda dates: dates[0])
def test_dates_are_the_same_in_any_form(dates):
    for said in dates:
        for wanted in dates:
            assert date_match(said, [wanted]) == (1, 1), (said, wanted)


@pytest.mark.parametrize("dates", DIFFERENT_DATES, ids=" ".join)
def test_dates_differ(dates):
    assert date_match(dates[0], [dates[1]]) == (0, 1)
    assert date_match(dates[1], [dates[0]]) == (0, 1)


def test_an_ambiguous_date_equals_the_same_numbers_in_the_same_order():
    for same in ("3-4-24", "03.04.2024", "3 / 4 / 2024", "03/04/24"):
        assert date_match("03/04/2024", [same]) == (1, 1)


@given(st.dates())
def test_the_iso_form_of_a_day_is_its_written_form(day):
    written = f"{day.day} {day:%B} {day.year:04}"
    assert date_match(written, [day.isoformat()]) == (1, 1)
    assert date_match(day.isoformat(), [f"{day.day:02}.{day.month:02}.{day.year:04}"]) == (1, 1)


@given(st.decimals(0, 10**9, places=2, allow_nan=False))
def test_both_conventions_of_an_amount_are_the_same(amount):
    english = f"{amount:,}"
    german = english.translate({ord(","): ".", ord("."): ","})
    assert money_match(english, [german, "x"]) == (1, 1)
    assert money_match(f"({german} €)", [f"-{english}"]) == (1, 1)
