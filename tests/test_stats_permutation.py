"""The paired permutation test, which swaps the runs of whole images."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgleval.stats import permutation


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
