# ruff: noqa: RUF001  (Cyrillic is meant)
"""What the constraints allow, according to xgrammar itself, byte by byte as a server would."""

import json
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sgleval.answers import (
    Choice,
    Date,
    Json,
    JsonSchema,
    Money,
    Number,
    OneOf,
    Regex,
    ShortText,
    YesNo,
)
from sgleval.answers.answer import as_compared

PUNCTUATION = OneOf(*"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "a b", "3.5 (a|b)*", r"\d", "да", "日本")
RECEIPT = Json.strings(company=96, date=24, address=160, total=24)
ONE_LINE = [
    ShortText(),
    ShortText(max_chars=3),
    PUNCTUATION,
    OneOf("no", "none", "not given"),
    YesNo(),
    Choice(),
    Number(),
    Number(digits=3),
    Money(),
    Date(),
]
FEW = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="session")
def accepts():
    """Say whether the server could write a text under a constraint and end right after it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import xgrammar  # brings torch
    end = 256
    vocabulary = [bytes([byte]) for byte in range(end)] + [b"</s>"]
    compiler = xgrammar.GrammarCompiler(
        xgrammar.TokenizerInfo(vocabulary, stop_token_ids=[end]), max_threads=1
    )

    def check(constraint, text):
        match constraint:
            case Regex(pattern):
                grammar = compiler.compile_regex(pattern)
            case JsonSchema(schema):
                grammar = compiler.compile_json_schema(schema, any_whitespace=False)
        matcher = xgrammar.GrammarMatcher(grammar)
        tokens = [*text.encode(), end]
        return all(matcher.accept_token(token) for token in tokens) and matcher.is_terminated()

    return check


@pytest.mark.parametrize(
    ("answer", "allowed", "refused"),
    [
        (
            ShortText(),
            ["a", " ", "душа живая, [дал]", '"', "\\", "日" * 96],
            ["", "a\nb", "a" * 97],
        ),
        (ShortText(max_chars=3), ["пуд", "😀😀😀"], ["пуды", "😀😀😀😀"]),
        (PUNCTUATION, [*PUNCTUATION.texts], ["", "ab", "3x5 (a|b)*", "3.5 a", "7", "да нет", "QQ"]),
        (OneOf("no", "none"), ["no", "none"], ["non", "No", "no ", "nonone"]),
        (YesNo(), ["yes", "no", "Yes", "No"], ["YES", "ye", "yesno", ""]),
        (Choice(), ["A", "Z"], ["a", "AB", "", "A."]),
        (
            Number(),
            ["0", "-12.5", "007", "1" * 12, "0.123456"],
            ["1" * 13, "1.", ".5", "1,000", "-"],
        ),
        (
            Money(),
            [
                "4.80",
                "$8.20",
                "RM 1,234.50",
                "1.234,50 €",
                "12,90 руб.",
                "-5",
                "-$5",
                "1 234 567,8",
            ],
            ["", "$", "$5 EUR", "1,23,456", "5%", "--5", "1234567890", "Q5"],
        ),
        (
            Date(),
            ["14-03-2018", "02-05-18", "26/02/18", "19 MAR 2018", "5-Mar-24", "March 5, 2024"],
            ["14-03-2018 ", "32/03/2018", "14/03-2018", "5 March", "2018", "99 MAR 2018"],
        ),
        (
            Date(),
            [
                "2024-03-05",
                "20240305",
                "5 марта 2024",
                "2024年3月5日",
                "03/2024",
                "2024 May",
                "5. sept 24",
            ],
            ["2024-13-05", "20241305", "5 mars 2024"],
        ),
    ],
)
def test_a_grammar_allows_the_end_right_after_an_answer(accepts, answer, allowed, refused):
    for text in allowed:
        assert accepts(answer.constraint, text), text
        assert accepts(answer.constraint, text + "\n"), text
        assert not accepts(answer.constraint, text + "\n\n"), text
    for text in refused:
        assert not accepts(answer.constraint, text), text


@pytest.mark.parametrize("answer", ONE_LINE, ids=repr)
@given(data=st.data())
@FEW
def test_an_answer_type_parses_all_that_its_own_constraint_allows(accepts, answer, data):
    written = data.draw(st.from_regex(answer.constraint.pattern, fullmatch=True))
    if "</think>" in written:
        return
    assert accepts(answer.constraint, written)
    parsed = answer.parse(written)
    assert parsed.answer is not None
    assert parsed.rule in ("whole", "label", "empty")
    assert answer.admits(parsed.answer)
    assert answer.parse(parsed.answer).answer == parsed.answer
    closed = answer.options() or (parsed.answer,)
    assert parsed.answer in closed


@pytest.mark.parametrize("answer", ONE_LINE, ids=repr)
@given(data=st.data())
@FEW
def test_admits_agrees_with_the_grammar(accepts, answer, data):
    near = st.from_regex(answer.constraint.pattern, fullmatch=True)
    gold = data.draw(st.one_of(near, near.map(lambda text: text[:-1]), st.text(max_size=5)))
    written = as_compared(gold)
    if isinstance(answer, YesNo):  # its metrics fold case, so YES is as good as yes
        written = written.lower()
    if written or not isinstance(answer, ShortText):  # which writes a blank for an empty answer
        one_line = "\n" not in written
        assert answer.admits(gold) == (one_line and accepts(answer.constraint, written))


@pytest.mark.parametrize("most", [1, 128, 129, 160, 400])
def test_a_long_bounded_string_compiles_and_keeps_its_bound(accepts, most):
    form = Json.strings(address=most, total=most)
    for length in {0, 127, 128, 129, most - 1, most, most + 1, most + 128}:
        text = json.dumps({"address": "a" * length, "total": ""})
        assert accepts(form.constraint, text) == form.admits(text) == (length <= most), length


def test_a_form_of_strings_is_written_in_order_and_within_its_bounds(accepts):
    form = Json.strings(name=3, total=4)
    for text in ('{"name": "abc", "total": "4.80"}', '{"name": "", "total": "пять"}'):
        assert accepts(form.constraint, text)
        assert form.parse(text).rule == "whole"
    for text in (
        '{"total": "4.80", "name": "abc"}',
        '{"name": "abcd", "total": "4.80"}',
        '{"name": "abc"}',
        '{"name": "a\tc", "total": "4.80"}',  # what `maxLength` would let through; no JSON
        '{"name": "abc", "total": 4.80}',
        '{"name": "abc", "total": "4.80", "x": ""}',
        '{"name":"abc","total":"4.80"}',
        '{"name": "abc", "total": "4.80"}\n',
    ):
        assert not accepts(form.constraint, text), text


@given(st.lists(st.text(max_size=4), min_size=2, max_size=2))
@FEW
def test_json_admits_agrees_with_the_grammar(accepts, values):
    form = Json.strings(name=3, total=3)
    values = [as_compared(value) for value in values]
    gold = json.dumps(dict(zip(("name", "total"), values, strict=True)), ensure_ascii=False)
    assert form.admits(gold) == accepts(form.constraint, gold)


def test_every_answer_fits_into_its_tokens_even_byte_by_byte():
    longest = {
        ShortText(): "Щ" * 96,
        OneOf("да", "прямоугольник"): "прямоугольник",
        YesNo(): "Yes",
        Choice(): "Z",
        Number(): "-" + "1" * 12 + ".123456",
        Money(): "-руб. 123,123,123,123.123",
        Date(): "30, сентября, 2024",
        RECEIPT: json.dumps(
            {"company": "Щ" * 96, "date": "Щ" * 24, "address": "Щ" * 160, "total": "Щ" * 24},
            ensure_ascii=False,
        ),
    }
    for answer, text in longest.items():
        assert answer.admits(text), text
        assert len(f"{text}\n".encode()) < answer.max_tokens, text  # and the end
