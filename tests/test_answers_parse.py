# ruff: noqa: RUF001  (Cyrillic is meant)
"""What the parsers read out of constrained and of free text, and what they leave unparsed."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgleval.answers import (
    Choice,
    Date,
    Json,
    Money,
    Number,
    OneOf,
    Parsed,
    ShortText,
    Text,
    YesNo,
)
from sgleval.answers.labels import parse_label

SHAPE = OneOf("circle", "rectangle", "triangle")
FORM = Json.strings(company=9, total=9)
TYPES = [ShortText(), Text(), SHAPE, YesNo(), Choice(), Number(), Money(), Date(), FORM]
PIECES = [
    "<think>",
    "</think>",
    "A",
    "B.",
    "(C)",
    "12",
    "1,250",
    "$",
    "%",
    "-5",
    "5",
    "March",
    "2024",
    "yes",
    "no",
    "not",
    "is",
    "so",
    "answer:",
    "circle",
    "```",
    "{",
    "}",
    '"',
    "\\",
    "?",
    "...",
    "\\boxed{",
    "ответ",
    "答案是",
    "или",
    "\n",
]
CASES = Path(__file__).parents[1].parent / "shared" / "reference" / "cases"


def cases(metric):
    path = CASES / f"{metric}.json"
    if not path.exists():
        return [pytest.param({"prediction": ""}, marks=pytest.mark.skip(reason=f"no {path}"))]
    stored = json.loads(path.read_text(encoding="utf-8"))["cases"]
    return [case for case in stored if case["prediction"] is not None]


@pytest.mark.parametrize(
    ("answer", "text", "parsed", "rule"),
    [
        (ShortText(), " RESTORAN  WAN SHENG \n", "RESTORAN  WAN SHENG", "whole"),
        (ShortText(), "ACME\r\nThe name is on top.", "ACME", "first_line"),
        (ShortText(), "The answer is 5.", "The answer is 5.", "whole"),
        (ShortText(), " \n", "", "empty"),
        (ShortText(), "<think>Maybe\nA? No.</think>\n\nB", "B", "whole"),
        (ShortText(), "so it is A.</think>B", "B", "whole"),
        (Text(), "<think>1</think>\na\n\nb\n<think>2</think>", "a\n\nb", "whole"),
        (Text(), "", "", "empty"),
        (SHAPE, "circle\n", "circle", "whole"),
        (SHAPE, "“Circle.”", "circle", "option"),
        (SHAPE, "**Answer:** a circle. A rectangle has corners.", "circle", "cue"),
        (SHAPE, "It shows a\ncircle", "circle", "inside"),
        (SHAPE, "It is a semicircle", None, "none"),
        (SHAPE, "Not a circle", None, "none"),
        (SHAPE, "It isn't a circle", None, "none"),
        (SHAPE, "a circle or a triangle", None, "none"),
        (SHAPE, "<think>It is a circle", None, "none"),
        (SHAPE, "circ", None, "none"),
        (SHAPE, "", None, "none"),
        (OneOf("red", "dark red"), "It is dark red here", "dark red", "inside"),
        (OneOf("mW", "MW"), "MW", "MW", "whole"),
        (OneOf("mW", "MW"), "mw", None, "none"),
        (OneOf("да", "нет"), "Ответ: да", "да", "cue"),
        (OneOf("yes", "no", "not given"), "not given", "not given", "whole"),
        (YesNo(), "Yes", "yes", "whole"),
        (YesNo(), "No, there is none", "no", "first_word"),
        (YesNo(), "There is no dog", "no", "only_word"),
        (YesNo(), "yes/no", None, "none"),
        (YesNo(), "notice", None, "none"),
        (YesNo(), "<think>yes", None, "none"),
        (Choice(), "B\n", "B", "label"),
        (Choice(), "E. cat\nB. dog", None, "none"),
        (Choice(), "A. cat\nB. dog", None, "none"),
        (Choice(), "I cannot choose B", None, "none"),
        (Choice(), "The answer is A or B", None, "none"),
        (Choice(), "The answer is a dog", None, "none"),
        (Choice(), "Answer: I think so", None, "none"),
        (Number(), "-12.5\n", "-12.5", "whole"),
        (Number(), "+1,250.5", "1250.5", "whole"),
        (Number(), "−5", "-5", "whole"),
        (Number(), "The answer is 12.50.", "12.50", "cue"),
        (Number(), "**Answer:** 12 apples", "12", "cue"),
        (Number(), "There are 12, yes 12 apples!", "12", "only_number"),
        (Number(), "\\boxed{12}", "12", "only_number"),
        (Number(), "$12.50", "12.50", "only_number"),
        *[
            (Number(), text, None, "none")
            for text in [
                "1,25",
                "12 or 13",
                "12-13",
                "50%",
                "12k",
                "12 million",
                "not 12",
                "3/4",
                "Q4 12",
                "1.2.3",
                "",
                "five",
            ]
        ],
        (Money(), "RM 1,234.50", "RM 1,234.50", "whole"),
        (Money(), "1.234", "1.234", "whole"),
        (Money(), "(5.00)", "(5.00)", "whole"),
        (Money(), "12,-", "12,-", "whole"),
        (Money(), "Total: $12.50.", "$12.50", "only_amount"),
        (Money(), "The answer is 4.80 MYR.", "4.80 MYR", "cue"),
        *[
            (Money(), text, None, "none")
            for text in [
                "$5 EUR",
                "5 or 6",
                "5-6",
                "12.50%",
                "1.5 million",
                "1,23,456",
                "x5",
                "5 USD of 7",
                "",
                "n/a",
            ]
        ],
        (Date(), "19 MAR 2018", "19 MAR 2018", "whole"),
        (Date(), "Tue, 5th of March 2024", "Tue, 5th of March 2024", "whole"),
        (Date(), "12/ 14/ 89", "12/ 14/ 89", "whole"),
        (Date(), "5 марта 2024 г.", "5 марта 2024 г.", "whole"),
        (Date(), "The date is 5 March 2024.", "5 March 2024", "only_date"),
        (Date(), "Answer: 2024-03-05, not later", None, "none"),
        (Date(), "Answer: 2024-03-05.", "2024-03-05", "cue"),
        (Date(), "2024-03-05 14:30", "2024-03-05", "only_date"),
        *[
            (Date(), text, None, "none")
            for text in [
                "5/3/2024 or 6/3/2024",
                "1/2/3/2024",
                "2024",
                "5 March",
                "not 2024-03-05",
                "",
            ]
        ],
        (FORM, ' {"total": 12.50}\n', '{"total": 12.50}', "whole"),
        (FORM, '```json\n{"a": [1]}\n```', '{"a": [1]}', "fence"),
        *[
            (FORM, text, None, "none")
            for text in (
                '{"a": "b',
                "[1]",
                "{'a': 1}",
                '{"a": NaN}',
                "",
                'Here: {"a": 1}',
                "[" * 9999,
            )
        ],
    ],
)
def test_a_parser_names_its_rule_or_says_unparsed(answer, text, parsed, rule):
    assert answer.parse(text) == Parsed(parsed, rule)


@pytest.mark.parametrize(
    "case", cases("multiple_choice_accuracy"), ids=lambda case: case["prediction"]
)
def test_labels_are_read_as_the_reference_says(case):
    rule = case["rule"] if case["parsed"] else "none"
    assert parse_label(case["prediction"], case["choices"]) == Parsed(case["parsed"], rule)
    choices = list(case["choices"].values())
    assert Choice().parse(case["prediction"], choices).answer == case["parsed"]


@pytest.mark.parametrize("case", cases("yes_no"), ids=lambda case: case["prediction"])
def test_yes_and_no_are_read_as_the_reference_says(case):
    assert YesNo().parse(case["prediction"]).answer == case["parsed"]


@given(
    st.lists(
        st.one_of(
            st.sampled_from(PIECES),
            st.text(max_size=8),
        ),
        max_size=12,
    )
)
@settings(max_examples=200, deadline=None)
def test_parse_never_raises_and_is_unparsed_or_has_a_rule(pieces):
    for text in ("".join(pieces), " ".join(pieces)):
        for answer in TYPES:
            parsed = answer.parse(text, ["cat", "", "a dog", "cat"])
            assert (parsed.answer is None) == (parsed.rule == "none")
            assert parsed.answer != "" or parsed.rule == "empty"


@pytest.mark.parametrize("piece", [" ", "\n", "5", "5 ", "$ ", "(", "[", "a.", "-", "<think>", "'"])
@pytest.mark.timeout(20)
def test_ten_thousand_times_the_same_is_read_in_no_time(piece):
    for answer in TYPES:
        answer.parse("x" + piece * 10_000 + "x", ["cat", "dog"])
