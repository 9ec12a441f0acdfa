"""Every case of the reference's statistics.json, beside the numbers of its page."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sgleval import stats
from sgleval.metrics import calibration
from sgleval.stats.interval import UPPER_TAIL

CASES = Path(__file__).parents[1].parent / "shared/reference/cases/statistics.json"


def spread(case):
    """Return value, standard error, images and ends of a clustered interval."""
    numerators, denominators = case["numerator"], case["denominator"]
    bounds = (-1, 1) if min(numerators) < 0 else (0, 1)
    found = stats.described_interval(numerators, denominators, case["images"], bounds)
    free = stats.described_interval(numerators, denominators, case["images"], (-9, None))
    value = sum(numerators) / sum(denominators)
    reach = (free.high - value) / float(stdtrit(found.clusters - 1, UPPER_TAIL))
    return {
        "value": value,
        "standard_error": reach,
        "clusters": found.clusters,
        "low": found.low,
        "high": found.high,
    }


def stdtrit(*given):
    from scipy.special import stdtrit

    return stdtrit(*given)


def permuted(case):
    """Return the test of what one run has more than the other, and McNemar's where it is one."""
    sums = case["difference_per_image"]
    return stats.permutation((sums, [0] * len(sums)), ([1] * len(sums),) * 2)


def permuted_ratio(case):
    a, b, both = case["numerator_a"], case["numerator_b"], case["denominator"]
    difference = (sum(a) - sum(b)) / sum(both)
    return {"difference": difference, "p": stats.permutation((a, b), (both, both))}


def bootstrapped(case):
    image, images = stats.numbered(pl.Series(case["images"]))
    top, bottom = (np.bincount(image, case[name]) for name in ("numerator", "denominator"))
    found = stats.bootstrap(
        [""], lambda counts: (counts @ top / (counts @ bottom))[None], images, len(image)
    )
    return {"low": found["_low"], "high": found["_high"]}


def wilson_of_equal(case):
    count = len(case["images"])
    return stats.interval(case["numerator"], [1] * count, case["images"], (0, 1))


def mean_win_rate(case):
    return stats.mean_win_rate([(c["values"], c["direction"]) for c in case["columns"]])


FUNCTIONS = {
    "ece_equal_mass": lambda c: calibration.ece_equal_mass(
        c["confidence"], c["correct"], c["bins"]
    ),
    "ece_equal_width": lambda c: calibration.ece_equal_width(
        c["confidence"], c["correct"], c["bins"]
    ),
    "brier": lambda c: calibration.brier(c["confidence"], c["correct"]),
    "selective_area": lambda c: calibration.selective_area(c["confidence"], c["correct"]),
    "selective_accuracy": lambda c: calibration.selective_accuracy(
        c["confidence"], c["correct"], c["coverage"]
    ),
    "win_rate": lambda c: stats.win_rates(c["values"], c["direction"]),
    "mean_win_rate": mean_win_rate,
    "pair_accuracy": lambda c: stats.pair_accuracy(c["pairs"]),
    "pair_threshold": lambda c: stats.pair_threshold(c["pairs"], c["threshold"])._asdict(),
    "winoground": lambda c: stats.winoground(c["scores"])._asdict(),
    "macro_mean": lambda c: stats.macro_mean(c["leaves"])._asdict(),
    "representation_bias": lambda c: stats.representation_bias(c["counts"], c.get("list_sizes")),
    "wilson": lambda c: stats.wilson(c["right"], c["n"]),
    "wilson_fallback": wilson_of_equal,
    "interval_clustered": spread,
    "design_effect": lambda c: stats.design_effect(
        c["numerator"], [1] * len(c["images"]), c["images"]
    ),
    "bootstrap_clustered": bootstrapped,
    "mcnemar": lambda c: stats.mcnemar(c["only_a_right"], c["only_b_right"]),
    "permutation_clustered": permuted,
    "permutation_clustered_ratio": permuted_ratio,
    "holm": lambda c: stats.holm(c["p"]),
    "paired_sample_size": lambda c: stats.sample_size(
        c["discordance"], c["difference"], c.get("design_effect", 1), c["level"], c["power"]
    ),
}
ELSEWHERE = {"robustness", "robustness_family", "robustness_family_ratio", "group_gap"}
"""In test_score_robustness.py and test_score_gaps.py."""


def cases():
    return json.loads(CASES.read_text("utf-8"))["cases"] if CASES.exists() else []


def close(expected, tolerance):
    if expected is None or (isinstance(expected, list) and None in expected):
        return expected
    return pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("case", [case for case in cases() if case["name"] not in ELSEWHERE])
def test_the_reference_case_holds(case):
    found = FUNCTIONS[case["name"]](case["input"])
    assert found == close(case["expected"], case.get("tolerance", 1e-9))


def test_every_kind_of_case_is_looked_at():
    if not CASES.exists():
        pytest.skip(f"no {CASES.name} of the reference cases beside the repository")
    assert {case["name"] for case in cases()} == {*FUNCTIONS, *ELSEWHERE}


# The page's own numbers, for where the cases are not.


def test_wilson_of_the_page():
    assert stats.wilson(75, 100) == pytest.approx((0.65696, 0.82455), abs=1e-5)
    assert stats.wilson(0, 10) == pytest.approx((0, 0.27753), abs=1e-5)
    assert stats.wilson(10, 10) == pytest.approx((0.72247, 1), abs=1e-5)


FOUR = {
    "images": list("aaaabbcccddd"),
    "numerator": [1, 1, 1, 0, 1, 0, 0, 0, 0, 1, 1, 0],
    "denominator": [1] * 12,
}


def test_the_four_images_of_the_page():
    assert spread(FOUR) == pytest.approx(
        {"value": 0.5, "standard_error": 0.1800206, "clusters": 4, "low": 0, "high": 1}, abs=1e-7
    )
    assert bootstrapped(FOUR) == pytest.approx({"low": 1 / 6, "high": 5 / 7})
    assert wilson_of_equal(FOUR | {"numerator": [0] * 12}) == pytest.approx((0, 0.48989), abs=1e-5)


def test_mcnemar_of_the_page():
    assert stats.mcnemar(2, 10) == pytest.approx(0.03857421875, abs=1e-12)
    assert stats.mcnemar(41, 17) == pytest.approx(0.0022326, abs=1e-7)
    assert stats.mcnemar(0, 0) == 1


def test_images_that_differ_are_fewer_than_questions_that_do():
    assert permuted({"difference_per_image": [2, 1, 1, 0, 2, 1]}) == 0.0625
    assert stats.mcnemar(7, 0) == pytest.approx(0.015625)


def test_holm_of_the_page():
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_the_sample_size_of_the_page():
    assert stats.sample_size(discordance=0.1, difference=0.02) == 1960


def test_win_rates_of_the_page():
    assert stats.win_rates([0.5, 0.6, 0.6, 0.9], "higher") == [0, 0.5, 0.5, 1]
    assert stats.win_rates([0.5, 0.6, 0.6, 0.9], "lower") == [1, 0.5, 0.5, 0]


def test_pairs_of_the_page():
    pairs = [(0.9, 0.7), (0.8, 0.6), (0.4, 0.3), (0.6, 0.6)]
    assert stats.pair_accuracy(pairs) == 0.75
    assert stats.pair_threshold(pairs) == pytest.approx((0.5, 0.5, 0.75, 0.6))
    assert stats.winoground([[0.9, 0.2], [0.3, 0.8]]) == (True, True, True)
    assert stats.winoground([[0.9, 0.2], [0.95, 0.8]]) == (False, False, False)


def test_macro_means_and_representation_of_the_page():
    assert stats.macro_mean({"a": [0.8, 0.4], "b": [0.5], "c": [0.9]}) == pytest.approx(
        (2 / 3, 0.65)
    )
    assert stats.representation_bias([3, 1]) == 0.25
    assert stats.representation_bias([4, 0, 0]) == pytest.approx(2 / 3)
    assert stats.representation_bias([1, 1, 1], [20, 16, 20]) == pytest.approx(2 / 39)
    assert stats.representation_bias([0, 0]) is None


def test_what_is_empty_has_no_value():
    assert stats.pair_accuracy([]) is None
    assert stats.pair_threshold([]) == (None, None, None, None)
    assert stats.macro_mean({"a": []}) is None
    assert stats.mean_win_rate([]) == []
    assert stats.holm([]) == []


def test_a_paired_difference_of_the_cases_is_the_interval_of_the_differences():
    """The last clustered interval: right in one run minus right in the other."""
    images = ["p1"] * 3 + ["p2"] * 2 + ["p3"] * 3 + ["p4"] + ["p5"] * 2
    moved = [1, 0, 1, 0, 0, -1, 1, 1, 0, 1, 0]
    frame = pl.DataFrame(
        {"cluster": images, "numerator_b": [max(m, 0) for m in moved]}
        | {"numerator_a": [max(-m, 0) for m in moved]}
    ).with_columns(denominator_a=pl.lit(1), denominator_b=pl.lit(1))
    found = stats.difference(frame, (0, 1), "higher")
    assert (found.value, found.low, found.high) == pytest.approx(
        (0.363636363636364, 0.0100174156000837, 0.717255311672644), abs=1e-9
    )
