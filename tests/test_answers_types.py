"""What answer types can express, refuse and send, and that they are plain values."""

import subprocess
import sys
import warnings

import pytest

from sgleval.answers import (
    UNPARSED,
    Choice,
    Date,
    Json,
    Money,
    Number,
    OneOf,
    ShortText,
    Text,
    YesNo,
)
from sgleval.errors import UserError

SHAPE = OneOf("circle", "rectangle", "triangle")
FORM = Json.strings(company=9, total=9)
TYPES = [ShortText(), Text(), SHAPE, YesNo(), Choice(), Number(), Money(), Date(), FORM]


@pytest.mark.parametrize(
    ("answer", "gold", "admitted"),
    [
        (ShortText(max_chars=3), " abc ", True),
        (ShortText(max_chars=1), "e\u0301", True),
        (ShortText(max_chars=3), "abcd", False),
        (ShortText(), "a\nb", False),
        (ShortText(), "", True),
        (Text(), "a\nb", True),
        (SHAPE, "circle", True),
        (SHAPE, "Circle", False),
        (YesNo(), "Yes", True),
        (YesNo(), "true", False),
        (Number(), "1250.5", True),
        (Number(), "1,250.5", False),
        (Number(digits=3), "1250", False),
        (Money(), "RM51.30", True),
        (Money(), "N/A", False),
        (Date(), "20/03/2018", True),
        (Date(), "5 March", False),
        (FORM, '{"company": "ACME", "total": 4.80}', True),
        (FORM, '{"company": ["ACME Corp. Ltd", "ACME"], "total": null}', True),
        (FORM, '{"total": "4.80"}', True),
        (FORM, '{"company": "ACME Corp. Ltd"}', False),
        (FORM, '{"company": "5\\" pipe"}', False),
        (FORM, '{"date": "1/2/2024"}', False),
        (FORM, '{"date": ""}', True),
        (FORM, '{"company": [["a"], ["b"]]}', False),
        (FORM, "ACME", False),
    ],
)
def test_admits_says_what_the_constraint_can_write(answer, gold, admitted):
    assert answer.admits(gold) is admitted


def test_admits_of_a_schema_looks_into_lists_objects_and_alternatives():
    item = {
        "type": "object",
        "properties": {"name": {"enum": ["tea", "bun"]}},
        "required": ["name"],
    }
    schema = {
        "type": "object",
        "properties": {
            "paid": {"type": "boolean"},
            "count": {"type": "integer", "minimum": 0, "maximum": 99},
            "note": {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}]},
            "items": {"type": "array", "items": item, "maxItems": 2},
        },
        "required": ["note"],
    }
    answer = Json(schema)
    assert answer.admits('{"paid": true, "count": 3, "items": [{"name": "tea"}, {"name": "bun"}]}')
    assert answer.admits('{"note": null, "paid": "false", "other": "x"}')
    assert not answer.admits('{"paid": "maybe"}')
    assert not answer.admits('{"count": "three"}')
    assert not answer.admits('{"note": "long"}')
    assert not answer.admits('{"items": [{"name": "pie"}]}')
    assert not answer.admits('{"items": [{"name": "tea"}, {"name": "tea"}, {"name": "tea"}]}')
    assert not answer.admits('{"items": [{}]}')


def test_choices_are_lettered_and_bounded():
    assert Choice.lines(["a cat", "a dog"]) == "A. a cat\nB. a dog"
    assert Choice().options(["x"] * 3) == ("A", "B", "C")
    assert Choice().admits("C", ["x"] * 3)
    assert not Choice().admits("D", ["x"] * 3)
    assert Choice().admits("Z")
    assert not Choice().admits("c")
    for wrong in ([], ["x"] * 27):
        with pytest.raises(UserError, match=f"has {len(wrong)} choices; give 1 to 26"):
            Choice.lines(wrong)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OneOf("red"), "two or more different"),
        (lambda: OneOf("red", "red"), "two or more different"),
        (lambda: OneOf("red", ""), "'' is no option"),
        (lambda: OneOf("red", " blue"), "' blue' is no option"),
        (lambda: OneOf("red", "a\nb"), "is no option"),
        (lambda: ShortText(max_chars=0), "max_chars is 0; give 1 or more"),
        (lambda: Text(max_tokens=-1), "max_tokens is -1"),
        (lambda: Number(digits=0), "digits is 0; give 1 to 30"),
        (lambda: Json({"type": "string"}), "is no schema of an object"),
        (lambda: Json("{"), "is no schema of an object"),
        (Json.strings, "give fields"),
        (lambda: Json.strings(total=0), "give fields"),
    ],
)
def test_a_wrong_answer_type_is_refused_in_one_line(make, message):
    with pytest.raises(UserError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_an_answer_type_is_a_value_with_a_stable_repr():
    assert OneOf(["a", "b"]) == OneOf("a", "b")
    assert repr(OneOf("a", "b")) == "OneOf(texts=('a', 'b'))"
    assert repr(ShortText(max_chars=9)) == "ShortText(max_chars=9, max_tokens=20)"
    assert len({*TYPES, *TYPES}) == len(TYPES)
    assert Json({"type": "object"}) == Json('{"type": "object"}')
    assert YesNo().parse("?") is UNPARSED


@pytest.fixture(scope="module")
def placeholder():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sglang.lang.ir import SglArgument
    return SglArgument("choices", None)


def test_gen_carries_constraint_stop_tokens_and_logprobs(placeholder):
    sampling = ShortText(max_chars=5).gen("answer", temperature=0.5).sampling_params
    assert (sampling.regex, sampling.stop, sampling.max_new_tokens) == ("[^\\n]{1,5}\\n?", "\n", 12)
    assert (sampling.temperature, sampling.return_logprob) == (0.5, True)
    assert FORM.gen("answer").sampling_params.json_schema == FORM.schema
    assert Text().gen("answer").sampling_params.stop is None
    assert Text(max_tokens=9).gen("answer", max_tokens=7).sampling_params.max_new_tokens == 7


def test_choice_admits_as_many_letters_as_options_and_all_for_a_placeholder(placeholder):
    def pattern(choices):
        return Choice().gen("answer", choices).sampling_params.regex

    assert pattern(["cat", "dog"]) == "[A-B]\\n?"
    assert pattern(("cat",)) == "[A-A]\\n?"
    assert pattern(None) == pattern(placeholder) == Choice().constraint.pattern == "[A-Z]\\n?"
    assert Choice.lines(placeholder) is placeholder  # where SGLang's prefix trace has to stop
    with pytest.raises(UserError, match="0 choices"):
        pattern([])


def test_an_open_answer_asks_for_no_top_list_which_only_options_need():
    assert not ShortText().gen("a").sampling_params.top_logprobs_num


def test_a_large_closed_set_asks_for_a_top_list_that_holds_it(placeholder):
    assert YesNo().gen("a").sampling_params.top_logprobs_num == 20
    assert Choice().gen("a").sampling_params.top_logprobs_num == 26
    many = OneOf(*[f"{number:04}" for number in range(999)])
    assert many.gen("a").sampling_params.top_logprobs_num == 128


def test_answer_types_load_neither_sglang_nor_torch():
    code = (
        "import sys, sgleval.answers as a; a.Choice().parse('B'); "
        "print([m for m in ('sglang', 'torch', 'xgrammar', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
