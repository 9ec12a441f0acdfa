"""Probabilities of options and confidence from the log probabilities of one request."""

import math

import pytest

from sgleval.answers import confidence, option_probabilities

END = "<|im_end|>"
FORBIDDEN = -3.4e38


def meta_of(*steps, reason=None):
    """One dict per step: token text to probability, the taken one first."""
    ids = {}
    tokens, tops = [], []
    for step in steps:
        row = [
            [math.log(p) if p else FORBIDDEN, ids.setdefault(text, len(ids)), text]
            for text, p in step.items()
        ]
        tokens.append(row[0])
        tops.append(sorted(row, reverse=True))
    if reason is None:
        reason = {"type": "stop", "matched": tokens[-1][1]}
    return {"output_token_logprobs": tokens, "output_top_logprobs": tops, "finish_reason": reason}


def test_letters_have_the_probability_of_their_token():
    meta = meta_of({"B": 0.7, "A": 0.2, "C": 0.1, "dog": 0}, {END: 1.0})
    assert option_probabilities(meta, "ABC") == pytest.approx({"A": 0.2, "B": 0.7, "C": 0.1})


def test_all_tokens_an_option_can_begin_with_count_for_it():
    meta = meta_of(
        {"tri": 0.5, "t": 0.1, "triangle": 0.1, "c": 0.1, "ci": 0.2}, {"angle": 1}, {END: 1}
    )
    found = option_probabilities(meta, ["circle", "triangle"])
    assert found == pytest.approx({"circle": 0.3, "triangle": 0.7})


def test_a_shared_prefix_that_was_taken_is_told_apart_behind_it():
    options = ["circle", "triangle", "trapezoid"]
    meta = meta_of({"tr": 0.8, "c": 0.2}, {"iangle": 0.75, "apezoid": 0.2, "a": 0.05}, {"\n": 1})
    found = option_probabilities(meta, options)
    assert found == pytest.approx({"circle": 0.2, "triangle": 0.6, "trapezoid": 0.2})


def test_a_shared_prefix_that_was_not_taken_is_left_over():
    options = ["circle", "triangle", "trapezoid"]
    meta = meta_of({"triangle": 0.8, "t": 0.15, "circle": 0.05}, {END: 1})
    assert option_probabilities(meta, options) is None


def test_up_to_one_in_a_hundred_left_over_is_shared_out():
    options = ["triangle", "trapezoid"]
    little = meta_of({"triangle": 0.592, "trapezoid": 0.4, "t": 0.008}, {END: 1})
    found = option_probabilities(little, options)
    assert found == pytest.approx({"triangle": 0.592 / 0.992, "trapezoid": 0.4 / 0.992})
    much = meta_of({"triangle": 0.588, "trapezoid": 0.4, "t": 0.012}, {END: 1})
    assert option_probabilities(much, options) is None


def test_mass_outside_the_top_list_is_left_over():
    assert option_probabilities(meta_of({"A": 0.9, "B": 0.05}, {END: 1}), "ABC") is None


def test_mass_of_no_option_is_left_over():
    assert option_probabilities(meta_of({"A": 0.6, "B": 0.3, "The": 0.1}, {END: 1}), "AB") is None


def test_the_end_and_the_newline_decide_between_an_option_and_a_longer_one():
    meta = meta_of({"no": 0.9, "yes": 0.1}, {"ne": 0.5, END: 0.3, "\n": 0.2}, {END: 1.0})
    found = option_probabilities(meta, ["yes", "no", "none"])
    assert found == pytest.approx({"yes": 0.1, "no": 0.45, "none": 0.45})
    meta = meta_of({"no": 0.9, "yes\n": 0.1}, {"\n": 0.3, END: 0.2, "ne": 0.5})
    found = option_probabilities(meta, ["yes", "no", "none"])
    assert found == pytest.approx({"yes": 0.1, "no": 0.45, "none": 0.45})


def test_a_hidden_end_token_ends_too():
    meta = meta_of({"no": 1.0}, {"": 0.8, "ne": 0.2})
    assert option_probabilities(meta, ["no", "none"]) == pytest.approx({"no": 0.8, "none": 0.2})


def test_a_token_that_holds_the_newline_is_the_whole_answer():
    meta = meta_of({"yes\n": 0.6, "yes": 0.1, "no": 0.3}, reason={"type": "stop", "matched": "\n"})
    assert option_probabilities(meta, ["yes", "no"]) == pytest.approx({"yes": 0.7, "no": 0.3})


def test_without_an_end_the_only_option_it_can_become_was_written():
    meta = meta_of({"tri": 1.0}, reason={"type": "length", "length": 1})
    assert option_probabilities(meta, ["circle", "triangle"]) == {"circle": 0.0, "triangle": 1.0}
    meta = meta_of({"tr": 1.0}, reason={"type": "length", "length": 1})
    assert option_probabilities(meta, ["trapezoid", "triangle"]) is None


def test_case_counts_only_where_an_option_fits_with_it():
    meta = meta_of({"Yes": 0.5, "Y": 0.1, "yes": 0.1, "N": 0.2, "no": 0.1}, {END: 1})
    assert option_probabilities(meta, ["yes", "no"]) == pytest.approx({"yes": 0.7, "no": 0.3})
    meta = meta_of({"mW": 0.6, "MW": 0.3, "m": 0.1}, {END: 1})
    assert option_probabilities(meta, ["mW", "MW"]) == pytest.approx({"mW": 0.7, "MW": 0.3})


def test_free_text_behind_an_option_is_not_the_option():
    assert (
        option_probabilities(meta_of({"yes": 1.0}, {" and no": 1.0}, {END: 1}), ["yes", "no"])
        is None
    )
    assert option_probabilities(meta_of({"yes": 1.0}, {END: 0.6, ",": 0.4}), ["yes", "no"]) is None


def test_parts_of_a_character_belong_to_no_option():
    meta = meta_of({"\ufffd": 1.0}, {"\ufffd": 1.0}, {END: 1})
    assert option_probabilities(meta, ["да", "нет"]) is None


@pytest.mark.parametrize(
    "meta",
    [
        {},
        {"output_token_logprobs": [], "output_top_logprobs": []},
        {"output_token_logprobs": [[-0.1, 5, "A"]]},
        {"output_token_logprobs": [[-0.1, 5, None]], "output_top_logprobs": [[[-0.1, 5, None]]]},
        {"output_token_logprobs": [[None, 5, "A"]], "output_top_logprobs": [None]},
    ],
)
def test_without_log_probabilities_there_are_no_probabilities(meta):
    assert option_probabilities(meta, "AB") is None


def test_entries_without_ids_are_told_apart_by_their_text():
    top = [[math.log(0.75), None, "A"], [math.log(0.25), None, "B"]]
    meta = {
        "output_token_logprobs": [top[0]],
        "output_top_logprobs": [top],
        "finish_reason": "stop",
    }
    assert option_probabilities(meta, "AB") == pytest.approx({"A": 0.75, "B": 0.25})


def test_probabilities_sum_to_one_and_keep_the_order_of_the_options():
    found = option_probabilities(meta_of({"B": 0.5, "A": 0.495}, {END: 1}), "AB")
    assert list(found) == ["A", "B"]
    assert sum(found.values()) == pytest.approx(1.0)


def test_confidence_of_a_closed_set_is_the_probability_of_its_option():
    meta = meta_of({"tri": 0.5, "ci": 0.5}, {"angle": 1}, {END: 1})
    assert (
        confidence(meta, ("triangle", "circle"), {"triangle": 0.6, "circle": 0.4}, "circle") == 0.4
    )


def test_confidence_of_a_closed_set_without_probabilities_is_the_product_of_its_tokens():
    meta = meta_of({"tri": 0.5}, {"angle": 0.5}, {END: 0.1})
    assert confidence(meta, ("triangle", "trapezoid"), None, "triangle") == pytest.approx(0.25)
    assert confidence(meta, ("triangle", "trapezoid"), None, None) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (END, None),
        ("\n", {"type": "stop", "matched": "\n"}),
        ("\n\n", {"type": "stop", "matched": "\n"}),
        ("", "stop"),
        ("</s>", {"type": "stop"}),
        (END, {"type": "stop", "matched": END}),
    ],
)
def test_confidence_of_an_open_answer_is_the_mean_without_the_end(last, reason):
    meta = meta_of({"4": 0.9}, {".8": 0.4}, {last: 0.01}, reason=reason)
    assert confidence(meta, (), None, None) == pytest.approx(math.sqrt(0.9 * 0.4))


def test_a_tag_at_the_end_of_a_cut_answer_is_part_of_it():
    meta = meta_of({"a": 0.9}, {"<b>": 0.4}, reason={"type": "length", "length": 2})
    assert confidence(meta, (), None, None) == pytest.approx(math.sqrt(0.9 * 0.4))


def test_confidence_is_null_where_nothing_is_known_or_nothing_was_written():
    assert confidence({}, (), None, None) is None
    assert confidence({"output_token_logprobs": [[-0.1, 5, None]]}, ("A",), None, "A") is None
    assert confidence(meta_of({END: 0.5}), (), None, None) is None
