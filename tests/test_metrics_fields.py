import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgleval.errors import UserError
from sgleval.metrics import json_fields_f1, json_record_match
from sgleval.metrics.fields import field_shares

GOLD = '{"company": "ACME Corp.", "total": ["12.50", "$12.50"], "tip": ["", "0"]}'


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        ('{"company": "acme corp", "total": 12.50}', (4, 4)),  # as written, and no tip is right
        ('{"company": "acme corp", "total": 12.5}', (2, 4)),
        ('{"company": "acme corp", "total": "12.50", "tip": "0"}', (6, 6)),
        ('{"company": "acme corp", "total": "12.50", "tip": "1"}', (4, 6)),
        ('{"company": "acme corp", "total": ["12.50"]}', (2, 4)),  # a list is another path
        ('{"company": {}, "total": []}', (0, 2)),
        ('  ```json\n{"company": "acme corp"}\n```\n', (2, 3)),
        ('```{"company": "acme corp"}```', (2, 3)),
        ('```json\n{"company": "acme corp"}', (0, 2)),
        ('{"company": "acme corp"} ok', (0, 2)),
        ('{"total": Infinity}', (0, 2)),
        ('{"total": "1\n2"}', (0, 2)),  # a bare line feed in a string is no JSON
        ('{"total": 1e400}', (0, 3)),  # read as written, not as infinity
        ("[" * 100_000, (0, 2)),
        ('{"a":' * 5_000 + "1" + "}" * 5_000, (0, 2)),
        ("null", (0, 2)),
        (None, (0, 2)),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_prediction_gets_its_ratio(prediction, expected):
    assert json_fields_f1(prediction, [GOLD]) == expected


@pytest.mark.parametrize(
    ("prediction", "right"),
    [
        ('{"company": "acme corp", "total": 12.50}', True),
        ('{"company": "acme corp", "total": "12.50", "tip": "0"}', True),
        ('```json\n{"total": "$12.50", "company": "ACME Corp"}\n```', True),
        ('<think>{"a": 1}</think> {"total": "12.50", "company": "ACME Corp"}', True),
        ('{"company": "acme corp", "total": "12.5"}', False),
        ('{"company": "acme corp"}', False),
        ('{"company": "acme corp", "total": "12.50", "tax": "1"}', False),
        ("no JSON", False),
        (None, False),
    ],
    ids=str,
)
def test_a_record_is_right_if_every_field_is(prediction, right):
    assert json_record_match(prediction, [GOLD]) == (right, 1)


def test_a_record_may_equal_any_accepted_one():
    assert json_record_match('{"a": "2"}', ['{"a": "1"}', '{"a": ["2", "3"]}']) == (1, 1)
    assert json_record_match("{}", ["{}"]) == (1, 1)
    assert json_record_match("no JSON", ["{}"]) == (0, 1)


@pytest.mark.parametrize("metric", [json_fields_f1, json_record_match], ids=str)
@pytest.mark.parametrize(
    ("text", "rule"), [("{}", "whole"), ("```{}```", "fence"), ("{} ok", "none"), ("[]", "none")]
)
def test_what_is_no_object_is_unparsed(metric, text, rule):
    assert metric.read(text, ["{}"]).rule == rule


def test_names_with_a_point_are_not_nested_objects():
    assert json_fields_f1('{"a": {"b": "1"}}', ['{"a.b": "1"}']) == (0, 2)


def test_a_list_with_objects_in_the_gold_counts_by_position():
    gold = '{"items": ["tea", {"name": "bun"}]}'
    assert json_fields_f1('{"items": ["tea", {"name": "bun"}]}', [gold]) == (4, 4)
    assert json_fields_f1('{"items": [{"name": "bun"}, "tea"]}', [gold]) == (0, 4)


def test_the_best_of_several_objects_counts_and_the_first_of_equals():
    golds = ['{"a": "1", "b": "2"}', '{"a": "1"}', '{"a": "1", "c": []}']
    assert json_fields_f1('{"a": "1"}', golds) == (2, 2)
    assert json_fields_f1("no JSON", golds) == (0, 2)
    assert json_fields_f1("no JSON", ["{}", golds[0]]) == (0, 1)
    assert json_fields_f1("{}", [golds[0], "{}"]) == (0, 0)


@pytest.mark.parametrize("gold", ["[1]", "ACME", "", '{"a": NaN}', "```{}```"])
def test_an_accepted_answer_that_is_no_object_is_refused(gold):
    with pytest.raises(UserError, match="is no JSON object; give the JSON text of one object"):
        json_fields_f1("{}", [gold])


def test_parts_are_fields_without_positions():
    gold = '{"items": [{"name": "tea", "price": "2"}, {"name": "bun", "price": "1"}], "tax": null}'
    answer = '{"items": [{"name": "tea", "price": "2"}, {"name": "pie"}], "extra": true}'
    assert field_shares(answer, [gold]) == {
        "items[].name": (2, 4),
        "items[].price": (2, 3),
        "tax": (0, 0),
        "extra": (0, 1),
    }


@pytest.mark.parametrize("prediction", [None, "no JSON", ""])
def test_an_unread_answer_misses_each_expected_field(prediction):
    missed = {"company": (0, 1), "total": (0, 1), "tip": (0, 0)}
    assert field_shares(prediction, [GOLD]) == missed


def test_a_name_that_no_table_can_hold_is_replaced():
    assert field_shares(r'{"\ud800": "1"}', ["{}"]) == {"?": (0, 1)}


values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "x", "Y."]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=6,
)
objects = st.dictionaries(st.sampled_from("abc"), values).map(json.dumps)


@given(objects | st.just("no JSON"), st.lists(objects, min_size=1, max_size=3))
def test_the_value_is_within_0_and_1_and_the_parts_sum_to_the_whole(prediction, golds):
    whole = json_fields_f1(prediction, golds)
    assert 0 <= whole.numerator <= whole.denominator
    shares = field_shares(prediction, golds).values()
    assert sum(share.numerator for share in shares) == whole.numerator
    if prediction != "no JSON":
        assert sum(share.denominator for share in shares) == whole.denominator


@given(objects)
def test_the_order_of_names_changes_nothing(gold):
    backwards = json.dumps(dict(reversed(json.loads(gold).items())))
    assert json_fields_f1(backwards, [gold]) == json_fields_f1(gold, [gold])
