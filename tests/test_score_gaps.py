"""How far apart groups are, and what one answer to everything is worth."""

import importlib
import json
from unittest import mock

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_score import predictions, samples

from sgleval.answers import Choice, ShortText, YesNo
from sgleval.metrics import METRICS, exact_match, multiple_choice_accuracy, wer
from sgleval.score import score, summarize
from sgleval.score.shortcuts import shortcuts as shortcuts_of
from sgleval.stats import numbered
from sgleval.stats.bootstrap import draws

bootstrapping = importlib.import_module("sgleval.stats.bootstrap")  # its function hides it


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
        "gap_low": pytest.approx(0.0758, abs=1e-4),
        "gap_high": pytest.approx(2 / 3),
        "alike_low": pytest.approx(2 / 55),
        "alike_high": pytest.approx(0.5),
        "method": "cluster bootstrap, 10,000 resamples, percentile",
        "clusters": 30,
        "seed": 0,
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


def rows_of(*drawn, metric=exact_match, perturbation="none", **tags):
    """Score answers to `x`: pairs of an image and an answer."""
    images, said = zip(*drawn, strict=True)
    asked = samples([{"answers": ["x"], "image_ids": [image]} for image in images], tags=tags)
    answered = predictions(list(said), perturbation=[perturbation] * len(said))
    scores = score(asked, answered, [metric], category="kind")
    return summarize(asked, answered, scores, [metric], category="kind")


def ends(row):
    return row["gap_low"], row["gap_high"], row["method"], row["clusters"]


BOTH = [("one", "x"), ("one", "y"), ("two", "x"), ("two", "x")]
BOOTSTRAP = "cluster bootstrap, 10,000 resamples, percentile"


def test_the_gap_s_interval_by_hand():
    """One image alone has A right and B wrong, the other both right: 1, 0, or once in two 0.5."""
    [row] = rows_of(*BOTH, kind=["A", "B", "A", "B"])["gaps"]
    assert (row["gap"], *ends(row)) == (0.5, 0, 1, BOOTSTRAP, 2)
    # B is at 0, 0.5 or 1, so off by one half or nothing; A is always right.
    assert (row["alike_low"], row["alike_high"]) == (0, 0.5)


def test_groups_without_a_difference_rarely_exceed_what_chance_makes():
    rng, above = np.random.default_rng(5), 0
    kinds, images = ["A", "B", "C", "D"] * 50, [f"img{at // 8}" for at in range(200)]
    for _ in range(40):
        said = ["x" if drawn < 0.7 else "y" for drawn in rng.random(200)]
        [row] = rows_of(*zip(images, said, strict=True), kind=kinds)["gaps"]
        assert row["gap_low"] > 0  # though there is no gap
        above += row["gap"] > row["alike_high"]
    assert above <= 5  # 2.5 % are 1


def test_a_gap_that_is_the_same_in_all_resamples_has_no_interval():
    drawn = [("one", "x"), ("one", "x"), ("two", "y"), ("two", "y")]
    [row] = rows_of(*drawn, kind=["A", "B", "A", "B"])["gaps"]
    assert (row["gap"], *ends(row)) == (0, None, None, "none: no image differs", 2)


def test_all_right_is_no_interval_of_no_width():
    [row] = summary({"A": (10, 10), "B": (10, 10)})["gaps"]
    assert (row["gap"], row["gap_low"], row["method"]) == (0, None, "none: no image differs")


def test_where_a_gap_has_no_interval_the_method_says_why():
    [row] = rows_of(("one", "x"), ("one", "y"), kind=["A", "B"])["gaps"]
    assert (row["gap"], *ends(row)) == (1, None, None, "none: one image", 1)
    assert row["seed"] is None
    [row] = rows_of(*BOTH, kind=["A", "A", "A", "B"])["gaps"]
    assert ends(row) == (None, None, "none: a group of one image", 2)
    [row] = rows_of(*BOTH, kind=["A", "B", "A", "B"], perturbation="typos")["gaps"]
    assert ends(row) == (None, None, "none: perturbed copies", None)


def test_the_same_samples_have_the_same_interval_each_variant_by_its_own_answers():
    kinds, images = ["A", "B"] * 20, [f"img{at // 4}" for at in range(40)]
    asked = samples(
        [{"answers": ["x"], "image_ids": [image]} for image in images], tags={"kind": kinds}
    )
    said = ["x" if at % 3 else "y" for at in range(40)]
    names = [name for name in ("one", "same", "other") for _ in range(40)]
    answered = predictions(
        said + said + ["x"] * 40, variant=names, sample_id=asked["sample_id"].to_list() * 3
    )
    scores = score(asked, answered, [exact_match])
    found = [summarize(asked, answered, scores, [exact_match]) for _ in range(2)]
    assert json.dumps(found[0]) == json.dumps(found[1])
    one, same, other = found[0]["gaps"]
    assert (one["gap_low"], one["gap_high"]) == (same["gap_low"], same["gap_high"])
    assert one["gap_low"] < one["gap_high"]
    assert (other["gap"], other["gap_low"]) == (0, None)


def test_a_composite_s_groups_are_means_over_their_categories():
    """POPE read as yes or no: the gap between its categories, and between halves of each."""
    pope = METRICS["pope_f1"]
    asked = samples(
        [{"answers": ["yes"], "image_ids": [f"img{at // 4}"]} for at in range(16)],
        tags={"category": ["easy", "hard"] * 8, "half": [*"aabb"] * 4},
    )
    answered = predictions(["yes", "yes", "yes", "no"] * 3 + ["yes"] * 4)
    found = summarize(asked, answered, score(asked, answered, [pope]), [pope])
    values = {row["group"]: row["value"] for row in found["groups"]}
    category, half = found["gaps"]
    # Of "hard" 5 of 8 are found (F1 10 / 13); of its half b 1 of 4 (2 / 5).
    assert values == pytest.approx({"easy": 1, "hard": 10 / 13, "a": 1, "b": 0.7})
    assert (category["gap"], half["gap"]) == (pytest.approx(3 / 13), pytest.approx(0.3))
    assert category["gap_high"] == pytest.approx(1 / 3)  # the last image is not drawn
    assert half["gap_high"] == pytest.approx(0.5)
    assert (category["method"], half["method"]) == (BOOTSTRAP, BOOTSTRAP)


NONE = {"none: one image", "none: a group of one image", "none: no image differs"}
GROUPED = st.tuples(st.integers(0, 4), st.sampled_from("ABC"), st.sampled_from([0, 1, 1]))


@settings(max_examples=40, deadline=None)
@given(st.lists(GROUPED, min_size=2, max_size=25))
def test_the_interval_is_that_of_the_gaps_of_each_resample_s_rows(drawn):
    images, kinds, right = zip(*drawn, strict=True)
    given = [(f"img{image}", "x" if hit else "y") for image, hit in zip(images, right, strict=True)]
    with mock.patch.object(bootstrapping, "RESAMPLES", 200):
        found = rows_of(*given, kind=list(kinds))["gaps"]
    for row in found:
        if row["gap_low"] is None:
            assert row["method"] in NONE
            continue
        number, count = numbered(pl.Series(images))
        slow = [gap_of(drawn, times[number]) for times in draws(count, 200, 0)]
        known = [gap for gap in slow if gap is not None]
        ends = np.quantile(known, [0.025, 0.975], method="inverted_cdf")
        assert (row["gap_low"], row["gap_high"]) == pytest.approx(ends, abs=1e-12)
        assert 0 <= row["gap_low"] <= row["gap_high"] <= 1


def gap_of(drawn, times):
    sums = {}
    for (_, kind, right), n in zip(drawn, times.tolist(), strict=True):
        hits, asked = sums.get(kind, (0, 0))
        sums[kind] = hits + n * right, asked + n
    values = [hits / asked for hits, asked in sums.values() if asked]
    return max(values) - min(values) if len(values) > 1 else None


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
