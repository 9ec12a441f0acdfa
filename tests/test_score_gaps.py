"""How far apart groups are, and what one answer to everything is worth."""

import json

import polars as pl
import pytest
from test_score import predictions, samples

from sgleval.answers import Choice, ShortText, YesNo
from sgleval.metrics import METRICS, exact_match, multiple_choice_accuracy, wer
from sgleval.score import score, summarize
from sgleval.score.shortcuts import shortcuts as shortcuts_of


def shortcuts(asked, metrics, options):
    """Read in parts of two samples."""

    def read(*, whole=False):
        return [asked] if whole else asked.iter_slices(2)

    return shortcuts_of(read, metrics, options)


def summary(right_and_n, metrics=(exact_match,)):
    kinds = [kind for kind, (_, n) in right_and_n.items() for _ in range(n)]
    said = ["x" if at < right else "y" for right, n in right_and_n.values() for at in range(n)]
    asked = samples([{"answers": ["x"]}] * len(kinds), tags={"kind": kinds})
    answered = predictions(said)
    return summarize(asked, answered, score(asked, answered, list(metrics)), list(metrics))


def test_the_gap_of_the_page():
    [row] = summary({"A": (8, 10), "B": (6, 10), "C": (9, 10)})["gaps"]
    assert row == {
        "tag": "kind",
        "variant": "default",
        "perturbation": "none",
        "metric": "exact_match",
        "gap": pytest.approx(0.3),
        "ratio": pytest.approx(2 / 3),
        "groups": 3,
        "small": [],
    }


def test_the_reference_cases_of_gaps_hold(shared):
    all_cases = json.loads((shared / "reference/cases/statistics.json").read_text())["cases"]
    for case in [case for case in all_cases if case["name"] == "group_gap"]:
        found = summary(case["input"]["right_and_n"])
        values = {row["group"]: row["value"] for row in found["groups"]}
        [row] = found["gaps"]
        assert values == pytest.approx(case["expected"]["accuracy"])
        assert row["gap"] == pytest.approx(case["expected"]["gap"])
        assert row["ratio"] == pytest.approx(case["expected"]["ratio"])


def test_groups_under_ten_samples_are_named():
    [row] = summary({"A": (8, 10), "B": (1, 9), "C": (1, 1)})["gaps"]
    assert row["small"] == ["B", "C"]


def test_a_tag_of_one_group_has_no_gap():
    assert summary({"A": (8, 10)})["gaps"] == []


def test_nothing_right_anywhere_has_no_ratio():
    [row] = summary({"A": (0, 2), "B": (0, 2)})["gaps"]
    assert (row["gap"], row["ratio"]) == (0, None)


def test_a_group_without_a_value_does_not_count():
    asked = samples(
        [{"answers": ["x"]}, {"answers": [" "]}], tags={"kind": ["words", "none"]}
    )  # no words: nothing to divide by
    answered = predictions(["x", ""])
    [row] = summarize(asked, answered, score(asked, answered, [wer]), [wer])["gaps"]
    assert (row["gap"], row["ratio"], row["groups"]) == (None, None, 1)


def test_a_summary_says_why_there_is_no_interval():
    asked = samples([{"answers": ["x"], "image_ids": ["one"]}] * 2)
    answered = predictions(["x", "y"])
    [row] = summarize(asked, answered, score(asked, answered, [exact_match]), [exact_match])[
        "results"
    ]
    assert (row["low"], row["method"], row["clusters"]) == (None, "none: one image", 1)


# Shortcuts.


def test_the_majority_answer_is_worth_its_share_and_chance_its_part_of_the_options():
    asked = samples([{"answers": ["yes"]}, {"answers": ["No"]}, {"answers": ["no"]}])
    [row] = shortcuts(asked, [exact_match], YesNo().options)
    assert row == {
        "metric": "exact_match",
        "majority": pytest.approx(2 / 3),
        "majority_answer": "No",
        "chance": 0.5,
    }


def test_chance_is_the_mean_over_samples_with_more_and_fewer_options():
    asked = samples(
        [
            {"answers": ["A"], "choices": ["cat", "dog"]},
            {"answers": ["D"], "choices": ["cat", "dog", "cow", "hen"]},
            {"answers": ["D"], "choices": ["cat", "dog", "cow", "hen"]},
        ]
    )
    [row] = shortcuts(asked, [multiple_choice_accuracy], Choice().options)
    assert (row["majority"], row["majority_answer"]) == (pytest.approx(2 / 3), "D")
    assert row["chance"] == pytest.approx((1 / 2 + 1 / 4 + 1 / 4) / 3)


def test_of_answers_as_frequent_the_first_one_is_given():
    asked = samples([{"answers": ["no", "yes"]}, {"answers": ["yes", "yes", "no"]}])
    [row] = shortcuts(asked, [exact_match], YesNo().options)
    assert (row["majority_answer"], row["majority"]) == ("no", 1)


def test_an_open_set_has_no_chance_level():
    asked = samples([{"answers": ["x"]}])
    assert shortcuts(asked, [exact_match], ShortText().options) == []
    assert shortcuts(asked.clear(), [exact_match], YesNo().options) == []


def test_a_metric_that_counts_samples_together_has_a_majority_but_no_chance():
    asked = samples([{"answers": ["yes"]}, {"answers": ["yes"]}, {"answers": ["no"]}])
    [row] = shortcuts(asked, [METRICS["pope_f1"]], YesNo().options)
    assert (row["majority"], row["chance"]) == (pytest.approx(4 / 5), None)
    asked = asked.with_columns(
        pl.DataFrame({"group": ["a", "b", "b"]}).to_struct("tags"),
        choices=pl.lit(["cat", "dog"]),
        answers=pl.Series([["A"], ["A"], ["B"]]),
    )
    [row] = shortcuts(asked, [METRICS["multiple_choice_circular"]], Choice().options)
    assert (row["majority"], row["majority_answer"], row["chance"]) == (0.5, "A", None)
