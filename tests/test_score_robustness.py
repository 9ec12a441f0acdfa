"""Perturbed samples against their originals: what the reference's page says, and the edges."""

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_score import predictions, samples

from sgleval.metrics import METRICS, Ratio, cer, exact_match, metric
from sgleval.score import score
from sgleval.score.robustness import robustness

NAMES = {"typos": "typos@1(prob=0.1)", "mild_mix": "mild_mix@1", "gender": "gender@1"}
FAMILIES = {NAMES["typos"]: "robustness", NAMES["mild_mix"]: "robustness"}
ALL = FAMILIES | {NAMES["gender"]: "fairness"}


@metric(better="higher", source="here")
def right(prediction, answers):
    return Ratio(float(prediction or 0))


@metric(better="lower", bounds=(0, None), source="here")
def wrong(prediction, answers):
    numerator, denominator = (prediction or "0/1").split("/")
    return Ratio(float(numerator), float(denominator))


@metric(better=None, source="here")
def share(prediction, answers):
    return Ratio(float(prediction or 0))


def run(families=ALL, metrics=(right,), tags=None, **answers):
    """Return the lists for answers by perturbation's short name; "-" is a copy not sent."""
    count = len(answers["original"])
    asked = samples([{"answers": ["x"]}] * count, tags=tags)
    frames = []
    for name, said in answers.items():
        made = predictions(
            [None if answer is None else str(answer) for answer in said],
            perturbation=[NAMES.get(name, "none")] * count,
        )
        frames.append(made.filter(pl.Series([answer != "-" for answer in said])))
    answered = pl.concat(frames)
    scores = score(asked, answered, list(metrics))
    return robustness(asked, answered, scores, list(metrics), families)


def of(found, name):
    [row] = [row for row in found["perturbations"] if row["perturbation"] == NAMES[name]]
    return row


def worst(found, family):
    [row] = [row for row in found["families"] if row["family"] == family]
    return row["worst"]


PAGE = {
    "original": [1, 1, 0, 1],
    "typos": [1, 0, 1, 1],
    "mild_mix": [0, 1, 1, 1],
    "gender": [1, 1, 1, 1],
}


def test_the_table_of_the_page():
    found = run(**PAGE)
    typos = of(found, "typos")
    assert (typos["original"], typos["mean"], typos["worst"]) == (0.75, 0.75, 0.5)
    assert (typos["drop"], typos["flip_rate"], typos["changed"], typos["n"]) == (0, 0.5, 1, 4)
    assert of(found, "mild_mix")["worst"] == 0.5
    assert of(found, "gender")["worst"] == 0.75
    assert (of(found, "gender")["flip_rate"], of(found, "gender")["drop"]) == (0.25, -0.25)
    assert worst(found, "robustness") == 0.25
    assert worst(found, "fairness") == 0.75


def test_lower_is_better_takes_the_greatest_error_and_counts_more_of_it_as_damage():
    found = run(metrics=[wrong], original=["2/10", "0/10"], typos=["6/10", "5/10"])
    assert worst(found, "robustness") == pytest.approx(0.55)
    assert of(found, "typos")["drop"] == pytest.approx(0.45)
    assert of(found, "typos")["flip_rate"] is None  # an error rate does not say what is right


def test_a_ratio_takes_the_worse_pair_of_a_sample():
    found = run(metrics=[wrong], original=["1/10", "0/2"], typos=["3/10", "2/2"])
    assert worst(found, "robustness") == pytest.approx(5 / 12)


def test_nothing_wrong_of_nothing_is_better_than_any_error():
    found = run(metrics=[wrong], original=["0/0", "0/1"], typos=["1/0", "0/1"])
    assert of(found, "typos")["worst"] == 1


def test_a_sample_without_a_copy_leaves_both_sides():
    row = of(run(original=[1, 1, 0, 1], typos=[1, 0, 1, "-"]), "typos")
    assert (row["original"], row["mean"], row["worst"]) == pytest.approx((2 / 3, 2 / 3, 1 / 3))
    assert (row["flip_rate"], row["changed"], row["n"]) == (pytest.approx(2 / 3), 0.75, 3)


def test_what_was_not_run_is_null_and_not_the_plain_value():
    found = run(original=[1, 0])
    assert worst(found, "robustness") is None
    row = of(found, "typos")
    figures = ("original", "mean", "worst", "drop", "flip_rate", "consistency")
    assert [row[name] for name in figures] == [None] * 6
    assert (row["changed"], row["n"]) == (0, 0)


def test_without_perturbations_there_are_no_rows():
    assert run(families={}, original=[1, 0]) == {"perturbations": [], "families": []}


def test_a_failed_copy_counts_with_its_worst_value():
    row = of(run(original=[1, 1], typos=[None, 1]), "typos")
    assert (row["mean"], row["worst"], row["n"], row["drop"]) == (0.5, 0.5, 2, 0.5)
    assert row["consistency"] == 0.5


def test_consistency_compares_normalised_answers_and_no_answer_agrees_with_none():
    asked = samples([{"answers": ["x"]}] * 4)
    answered = pl.concat(
        [
            predictions(["ACME Corp.", "b", None, "d"]),
            predictions([" acme  corp", "c", None, None], perturbation=[NAMES["typos"]] * 4),
        ]
    )
    scores = score(asked, answered, [exact_match])
    found = robustness(asked, answered, scores, [exact_match], FAMILIES)
    assert of(found, "typos")["consistency"] == 0.25


def test_a_metric_without_a_direction_has_no_worst_case():
    row = of(run(metrics=[share], original=[1, 0], typos=[1, 1]), "typos")
    assert (row["mean"], row["worst"], row["drop"], row["flip_rate"]) == (1, None, None, None)


def test_a_right_no_that_becomes_a_false_yes_is_a_flip():
    pope = METRICS["pope_f1"]
    asked = samples([{"answers": ["no"]}, {"answers": ["yes"]}])
    answered = pl.concat(
        [
            predictions(["no", "yes"], text=["No", "Yes"]),
            predictions(["yes", "yes"], text=["Yes", "Yes"], perturbation=[NAMES["typos"]] * 2),
        ]
    )
    scores = score(asked, answered, [pope])
    row = of(robustness(asked, answered, scores, [pope], FAMILIES), "typos")
    assert (row["original"], row["mean"], row["worst"]) == pytest.approx((1, 2 / 3, 2 / 3))
    assert row["flip_rate"] == 0.5


@metric(better="higher", source="here", composite="mean")
def by_kind(prediction, answers):
    return Ratio(float(prediction or 0))


def test_a_composite_is_the_mean_over_its_categories():
    tags = {"category": ["a", "a", "a", "b"]}
    row = of(run(metrics=[by_kind], tags=tags, original=[1, 1, 1, 1], typos=[1, 1, 1, 0]), "typos")
    assert (row["original"], row["mean"], row["worst"]) == (1, 0.5, 0.5)


def test_variants_are_told_apart_and_rows_come_in_the_order_of_asking():
    asked = samples([{"answers": ["x"]}])
    frames = [
        predictions([answer], variant=[variant], perturbation=[name])
        for variant, answer in (("one", "x"), ("two", "y"))
        for name in ("none", NAMES["gender"], NAMES["typos"])
    ]
    answered = pl.concat(frames)
    scores = score(asked, answered, [exact_match])
    found = robustness(asked, answered, scores, [exact_match], ALL)
    assert [(row["variant"], row["perturbation"]) for row in found["perturbations"]] == [
        (variant, name) for variant in ("one", "two") for name in ALL
    ]
    assert [row["mean"] for row in found["perturbations"]] == [1, None, 1, 0, None, 0]


outcomes = st.lists(st.tuples(*[st.integers(0, 1)] * 3), min_size=1, max_size=8)


@given(outcomes)
def test_the_worst_case_is_at_most_each_side_and_falls_with_more_copies(outcomes):
    original, typos, mix = zip(*outcomes, strict=True)
    found = run(original=original, typos=typos, mild_mix=mix)
    one, both = of(found, "typos"), worst(found, "robustness")
    assert both <= one["worst"] <= min(one["original"], one["mean"])
    assert one["flip_rate"] >= abs(one["drop"]) - 1e-9


# The reference's own cases.


def cases(shared, name):
    all_cases = json.loads((shared / "reference/cases/statistics.json").read_text())["cases"]
    return [case for case in all_cases if case["name"] == name]


def as_answers(values, direction):
    """Write what the metrics above read: the value, or an error rate's two numbers."""
    if direction == "higher":
        return ["-" if value is None else value for value in values]
    return [f"{v[0]}/{v[1]}" if isinstance(v, list) else f"{v}/1" for v in values]


def test_the_reference_cases_of_single_perturbations_hold(shared):
    for case in cases(shared, "robustness"):
        given = {
            name: as_answers(case["input"][name], "higher") for name in ("original", "variant")
        }
        row = of(run(original=given["original"], typos=given["variant"]), "typos")
        for name, expected in case["expected"].items():
            assert row[name] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", ["robustness_family", "robustness_family_ratio"])
def test_the_reference_cases_of_families_hold(shared, name):
    for case in cases(shared, name):
        direction = case["input"]["direction"]
        variants = case["input"]["variants"]
        answers = {
            key: as_answers(values, direction)
            for key, values in {"original": case["input"]["original"], **variants}.items()
        }
        families = {NAMES[key]: "asked" for key in variants or {"typos": ()}}
        found = run(families, [right if direction == "higher" else wrong], **answers)
        expected = case["expected"]
        assert worst(found, "asked") == (
            None if expected is None else pytest.approx(expected, abs=1e-9)
        )


def test_a_rate_over_all_words_is_taken_of_the_worse_copies():
    asked = samples([{"answers": ["abcd"]}, {"answers": ["ab"]}])
    answered = pl.concat(
        [
            predictions(["abcd", "ax"]),
            predictions(["abcx", "ab"], perturbation=[NAMES["typos"]] * 2),
        ]
    )
    scores = score(asked, answered, [cer])
    row = of(robustness(asked, answered, scores, [cer], FAMILIES), "typos")
    assert (row["original"], row["mean"], row["worst"]) == pytest.approx((1 / 6, 1 / 6, 2 / 6))
