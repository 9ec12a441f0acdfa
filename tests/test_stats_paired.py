"""Two runs on the same samples."""

from itertools import product

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgleval.errors import UserError
from sgleval.stats import (
    detectable,
    difference,
    holm,
    mcnemar,
    mean_win_rate,
    permutation,
    sample_size,
    wilson,
    win_rates,
)


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


# The permutation test.


def enumerated(a, b, below_a, below_b):
    """Return the share of all swaps that are as far apart, one by one."""
    observed, hits = None, 0
    for swaps in product([False, True], repeat=len(a)):
        sides = [
            (x[1], x[0], x[3], x[2]) if swap else x
            for swap, x in zip(swaps, zip(a, b, below_a, below_b, strict=True), strict=True)
        ]
        sums = np.sum(sides, axis=0)
        found = abs(sums[1] / sums[3] - sums[0] / sums[2])
        observed = found if observed is None else observed
        hits += found >= observed - 1e-12
    return hits / 2 ** len(a)


counts = st.integers(0, 4)
images = st.lists(st.tuples(counts, counts, st.integers(4, 6), st.integers(4, 6)), min_size=1)


@given(images.filter(lambda rows: len(rows) <= 7))
def test_all_swaps_are_enumerated_for_few_images(rows):
    a, b, below_a, below_b = zip(*rows, strict=True)
    found = permutation((a, b), (below_a, below_b))
    assert found == pytest.approx(enumerated(a, b, below_a, below_b))


def test_images_that_do_not_differ_do_not_count_to_the_sixteen():
    a, b = [1] * 16 + [1] * 100, [0] * 16 + [1] * 100
    assert permutation((a, b), ([1] * 116,) * 2) == 2 / 2**16


def test_draws_are_close_to_the_exact_share_and_the_same_for_a_seed():
    rng = np.random.default_rng(3)
    a, b = rng.random((2, 400))
    denominators = (np.ones(400),) * 2
    found = [permutation((a, b), denominators, seed=seed) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]
    z = abs((b - a).sum()) / np.sqrt(((b - a) ** 2).sum())
    assert found[0] == pytest.approx(2 * (1 - normal(z)), abs=0.02)
    assert found[0] == pytest.approx(found[2], abs=0.01)


def normal(z):
    from scipy.special import ndtr

    return float(ndtr(z))


def test_the_order_of_images_changes_nothing():
    rng = np.random.default_rng(4)
    a, b = rng.random((2, 40))
    order = rng.permutation(40)
    ones = (np.ones(40),) * 2
    assert permutation((a, b), ones) == permutation((a[order], b[order]), ones)


def test_no_p_is_zero_however_far_apart():
    ones = (np.ones(50),) * 2
    assert permutation((np.zeros(50), np.ones(50)), ones, draws=999) == 1 / 1000


def test_a_swap_without_a_value_is_a_hit():
    """F1 of a run whose denominators all go to the other side."""
    assert permutation(([1, 0], [0, 0]), ([1, 0], [0, 1])) == 1


def test_runs_that_are_equal_have_a_p_of_one():
    assert permutation(([1, 2], [1, 2]), ([2, 2], [2, 2])) == 1
    assert permutation(([], []), ([], [])) == 1


# Many tests, many models, and how many samples.


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_keeps_the_order_and_never_lowers(p):
    adjusted = holm(p)
    assert all(one <= other <= 1 for one, other in zip(p, adjusted, strict=True))
    ranked = [adjusted[i] for i in sorted(range(len(p)), key=p.__getitem__)]
    assert ranked == sorted(ranked)


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_does_not_ask_which_run_is_which(b, c):
    assert 0 < mcnemar(b, c) == mcnemar(c, b) <= 1


@given(st.lists(st.sampled_from([None, 0.1, 0.2, 0.3]), max_size=6))
def test_win_rates_average_one_half(values):
    known = [rate for rate in win_rates(values, "higher") if rate is not None]
    assert not known or sum(known) / len(known) == pytest.approx(0.5)


def test_a_model_without_a_value_is_left_out_of_its_column():
    columns = [([0.5, None, 0.9], "higher"), ([0.1, 0.2, None], "lower"), ([1, 2, 3], None)]
    assert mean_win_rate(columns) == [0.5, 0, 1]


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="different lengths"):
        mean_win_rate([([1, 2], "higher"), ([1], "higher")])


@pytest.mark.parametrize(
    ("discordance", "difference"), [(0.1, 0), (0.1, -0.1), (0.1, 0.2), (1.1, 0.2)]
)
def test_a_difference_that_cannot_be_is_refused(discordance, difference):
    with pytest.raises(UserError, match="give 0 < difference <= discordance <= 1"):
        sample_size(discordance, difference)


@given(st.floats(0.02, 0.5), st.floats(0.05, 1), st.floats(1, 5))
def test_what_so_many_samples_detect_needs_so_many(discordance, share, effect):
    wanted = discordance * share
    needed = sample_size(discordance, wanted, effect)
    assert detectable(discordance, needed, effect) == pytest.approx(wanted, rel=0.05)


def test_few_samples_detect_nothing_and_no_discordance_still_asks_for_some():
    assert detectable(0.1, 3) == 1
    assert detectable(0, 3) == 1
    assert detectable(0, 1000) == pytest.approx(7.83 / 1000, rel=0.02)
    assert detectable(0.001, 1000) == detectable(0, 1000)
