"""Calibration and efficiency of a run, out of its frames."""

import json

import polars as pl
import pytest
from test_score import predictions, samples

from sgleval.metrics import METRICS
from sgleval.metrics import calibration as figures
from sgleval.score import calibration, efficiency, score
from sgleval.score import judged as judge
from sgleval.score.resampled import RESAMPLED


def judged(answers, metrics=("exact_match",), **columns):
    asked = samples(
        [{"answers": ["x"]}] * len(set(columns.get("sample_id", answers and range(len(answers)))))
    )
    answered = predictions(answers, **columns)
    chosen = [METRICS[name] for name in metrics]
    return judge(asked, answered, score(asked, answered, chosen), chosen)


SURE = [0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5]
RIGHT = [*"xxxyxxyxyy"]
ENDS = [f"{name}_{end}" for name in RESAMPLED for end in ("low", "high")]


def test_calibration_has_the_figures_of_the_reference():
    found = calibration(judged(RIGHT, confidence=SURE), constrained=True)
    assert (found["metric"], found["constrained"]) == ("exact_match", True)
    [row] = found["rows"]
    bins, ends = row.pop("bins"), {name: row.pop(name) for name in [*row] if name in ENDS}
    assert all(ends[f"{name}_low"] < row[name] < ends[f"{name}_high"] for name in RESAMPLED)
    assert row == {
        "variant": "default",
        "perturbation": "none",
        "n": 10,
        "without": 0,
        "confidence": pytest.approx(0.725),
        "accuracy": 0.6,
        "ece_equal_mass": pytest.approx(0.375),
        "ece_equal_width": pytest.approx(0.185),
        "brier": pytest.approx(0.19625),
        "selective_area": pytest.approx(0.811428571428571),
        "method": "cluster bootstrap, 10,000 resamples, percentile",
        "clusters": 10,
        "seed": 0,
        "selective_accuracy": {"0.1": 1.0, "0.25": 1.0, "0.5": 0.8, "0.75": pytest.approx(5 / 7)},
    }
    assert [(b["low"], b["high"], b["n"]) for b in bins] == [
        (0.4, 0.5, 1), (0.5, 0.6, 2), (0.6, 0.7, 2), (0.7, 0.8, 2), (0.8, 0.9, 2), (0.9, 1.0, 1)
    ]  # fmt: skip
    json.dumps(found)


def test_samples_without_confidence_are_left_out_and_counted():
    columns = {"confidence": [0.9, None, 0.2], "error": [None, "reset", None]}
    [row] = calibration(judged(["x", None, "y"], **columns), constrained=None)["rows"]
    assert (row["n"], row["without"], row["accuracy"]) == (2, 1, 0.5)


def test_images_are_resampled_whole():
    """Both images give 0.5 right at 0.9 and 0.5: no resample can differ."""
    images = [{"answers": ["x"], "image_ids": [f"img{at // 2}"]} for at in range(4)]
    asked, answered = samples(images), predictions([*"xyxy"], confidence=[0.9, 0.5] * 2)
    chosen = [METRICS["exact_match"]]
    told = judge(asked, answered, score(asked, answered, chosen), chosen)
    [row] = calibration(told, constrained=False)["rows"]
    assert row["clusters"] == 2
    for name in RESAMPLED:
        assert (row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx((row[name],) * 2)


def test_where_there_is_no_interval_the_method_says_why():
    [row] = calibration(judged(["x"], confidence=[0.9]), constrained=None)["rows"]
    assert (row["method"], row["clusters"], row["seed"]) == ("none: one image", 1, None)
    assert {row[end] for end in ENDS} == {None}
    typos = judged(RIGHT, confidence=SURE, perturbation=["typos"] * 10)
    [row] = calibration(typos, constrained=None)["rows"]
    assert (row["method"], row["brier_low"]) == ("none: perturbed copies", None)


def test_the_same_answers_have_the_same_intervals():
    found = [calibration(judged(RIGHT, confidence=SURE), constrained=True) for _ in range(2)]
    assert json.dumps(found[0]) == json.dumps(found[1])


def test_no_confidence_is_no_calibration():
    assert calibration(judged(["x", "y"]), constrained=True) is None
    assert calibration(judged(["x"], ["cer"], confidence=[0.5]), constrained=True) is None
    assert calibration(judged([]), constrained=True) is None


def test_right_is_what_the_first_metric_that_can_tell_gives_at_least_a_half():
    answered = judged(["x", "xy", "xyz"], ["cer", "anls"], confidence=[1.0, 1.0000001, 0.5])
    found = calibration(answered, constrained=False)
    assert found["metric"] == "anls"
    assert found["rows"][0]["accuracy"] == pytest.approx(2 / 3)


def test_variants_are_calibrated_apart():
    columns = {"variant": ["a", "b"], "sample_id": ["s0", "s0"], "confidence": [0.9, None]}
    one, other = calibration(judged(["x", "y"], **columns), constrained=True)["rows"]
    assert (one["variant"], one["brier"]) == ("a", pytest.approx(0.01))
    assert (other["variant"], other["n"], other["brier"], other["bins"]) == ("b", 0, None, [])


def test_efficiency_is_per_sample_and_per_right_answer():
    columns = {
        "prompt_tokens": [100, 100, 100, None],
        "completion_tokens": [2, None, 4, None],
        "seconds": [1.0, 2.0, 3.0, 4.0],
        "error": [None, None, None, "reset"],
    }
    [row] = efficiency(judged(["x", "y", "x", None], **columns))
    assert row == {
        "variant": "default",
        "perturbation": "none",
        "metric": "exact_match",
        "n": 4,
        "right": 2,
        "per_sample": {"prompt_tokens": 75, "completion_tokens": None, "seconds": 2.5},
        "per_right": {"prompt_tokens": 150, "completion_tokens": None, "seconds": 5},
    }


def test_the_tokens_of_a_large_run_are_more_than_32_bits_count():
    tokens = pl.Series([2**31, 2**31, 2**31], dtype=pl.UInt32)
    [row] = efficiency(judged(["x", "x", "x"], prompt_tokens=tokens))
    assert row["per_sample"]["prompt_tokens"] == 2**31


def test_nothing_right_or_nobody_to_say_so_is_null():
    [row] = efficiency(judged(["y"], prompt_tokens=[7]))
    assert (row["right"], row["per_right"]["prompt_tokens"]) == (0, None)
    [row] = efficiency(judged(["x"], ["wer"], prompt_tokens=[7]))
    assert (row["metric"], row["right"], row["per_right"]["seconds"]) == (None, None, None)
    assert row["per_sample"]["prompt_tokens"] == 7
    assert efficiency(judged([])) == []


def test_the_figures_agree_with_the_reference(shared):
    cases = json.loads((shared / "reference/cases/statistics.json").read_text())
    chosen = [c for c in cases["cases"] if c["name"].startswith(("ece", "brier", "selective"))]
    assert len(chosen) == 18
    for case in chosen:
        found = getattr(figures, case["name"])(**case["input"])
        assert found == pytest.approx(case["expected"], abs=cases["tolerance"]), case
