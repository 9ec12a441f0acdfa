"""Two runs on the same samples."""

import numpy as np
import polars as pl
import pytest

from sgleval.stats import difference, wilson


def frame(images, a, b, denominators=None, **columns):
    """Pair a's and b's numerators; the denominators are 1 unless both have others."""
    ones = [1.0] * len(a)
    below_a, below_b = denominators or (ones, ones)
    sums = {"numerator_a": a, "numerator_b": b, "denominator_a": below_a, "denominator_b": below_b}
    floats = dict.fromkeys(sums, pl.Float64)
    return pl.DataFrame({"cluster": list(images)} | sums | columns, schema_overrides=floats)


def test_b_is_compared_to_a_so_more_is_above_zero():
    found = difference(frame("aabbcc", [1, 0, 0, 0, 0, 1], [1, 1, 1, 0, 0, 0]), (0, 1), "higher")
    assert found.value == pytest.approx(1 / 6)
    assert (found.won, found.lost, found.tied, found.n, found.clusters) == (2, 1, 3, 6, 3)
    assert found.method == "clustered t"
    assert found.low < found.value < found.high


def test_where_lower_is_better_the_fewer_errors_win():
    found = difference(frame("abcd", [3, 1, 0, 2], [1, 1, 1, 0]), (0, None), "lower")
    assert found.value == pytest.approx(-0.75)
    assert (found.won, found.lost, found.tied) == (2, 1, 1)
    assert found.mcnemar is None


def test_with_one_question_an_image_mcnemar_and_the_permutation_test_agree():
    a, b = [1] * 2 + [0] * 10 + [1] * 5, [0] * 2 + [1] * 10 + [1] * 5
    found = difference(frame("abcdefghijklmnopq", a, b), (0, 1), "higher")
    assert found.mcnemar == pytest.approx(0.03857421875, abs=1e-12)
    assert found.p == pytest.approx(found.mcnemar)


def test_several_questions_an_image_have_no_mcnemar_as_have_shares():
    assert difference(frame("aab", [1, 0, 1], [0, 0, 1]), (0, 1), "higher").mcnemar is None
    assert difference(frame("abc", [1, 0, 0.5], [0, 0, 1]), (0, 1), "higher").mcnemar is None
    assert difference(frame("abc", [1, 0, 1], [0, 0, 1]), (0, 200), "higher").mcnemar is None


def test_equal_denominators_give_the_ordinary_t_interval_of_the_differences():
    a, b = [0.2, 0.5, 0.9, 0.4], [0.4, 0.4, 1.0, 0.8]
    found = difference(frame("abcd", a, b), (0, 1), "higher")
    moved = np.subtract(b, a)
    reach = 3.182446305284263 * moved.std(ddof=1) / 2  # t(3, 0.975)
    assert (found.low, found.high) == pytest.approx((moved.mean() - reach, moved.mean() + reach))


def test_ratios_of_unequal_denominators_are_those_of_sums():
    found = difference(frame("abc", [1, 0, 2], [2, 0, 2], ([2, 2, 2], [4, 1, 2])), (0, 1), "higher")
    assert found.value == pytest.approx(4 / 7 - 3 / 6)


def test_runs_that_answer_alike_are_not_known_to_be_equal():
    found = difference(frame("aabb", [1, 0, 1, 1], [1, 0, 1, 1]), (0, 1), "higher")
    share = wilson(0, 2)[1]
    assert (found.value, found.low, found.high) == (0, -share, share)
    assert found.method == "wilson: no image differs"
    assert (found.p, found.tied, found.design_effect) == (1, 4, None)
    everything = difference(frame("aabb", [0] * 4, [1] * 4), (0, 1), "higher")
    assert (everything.low, everything.high) == (pytest.approx(1 - 2 * share), 1)


def test_an_unbounded_difference_that_never_varies_has_no_interval():
    found = difference(frame("ab", [1, 1], [1, 1]), (0, None), "lower")
    assert (found.low, found.high, found.method) == (None, None, "none: no image differs")


def test_one_image_shows_no_spread():
    found = difference(frame("aa", [0, 0], [1, 1]), (0, 1), "higher")
    assert (found.low, found.high, found.method) == (None, None, "none: one image")
    assert (found.p, found.detectable) == (1, None)


def test_a_run_without_a_value_is_not_compared():
    assert difference(frame("", [], []), (0, 1), "higher") is None
    assert difference(frame("ab", [1, 1], [0, 0], ([1, 1], [0, 0])), (0, 1), "higher") is None
    only = frame("ab", [1, 1], [0, 0], ([1, 0], [1, 1]), composed=["x", "y"])
    assert difference(only, (0, 1), "higher", composite="mean") is None


def test_a_composite_weighs_its_categories_alike():
    rows = frame("abcdef", [1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 0], composed=list("xxxxyy"))
    mean = difference(rows, (0, 1), "higher", composite="mean")
    assert mean.value == pytest.approx(0.25)
    assert mean.mcnemar is None
    total = difference(rows, (0, 1), "higher", composite="sum")
    assert (total.value, total.low) == (pytest.approx(0.5), pytest.approx(2 * mean.low))
    assert total.p == mean.p == 1


def test_a_sum_of_categories_may_differ_by_more_than_one():
    rows = frame("abcd", [0] * 4, [1, 1, 1, 0], composed=list("xxyy"))
    found = difference(rows, (0, 1), "higher", composite="sum")
    assert (found.value, found.high) == (1.5, 2)


def test_questions_on_one_image_need_more_samples():
    one = difference(frame("abcdefgh", [1, 0] * 4, [0, 1, 1, 0] * 2), (0, 1), "higher")
    same = difference(frame("aabbccdd", [1, 1, 0, 0] * 2, [0, 0, 1, 1] * 2), (0, 1), "higher")
    assert one.design_effect == pytest.approx(1)
    assert same.design_effect > 1.9
    assert same.detectable > one.detectable
