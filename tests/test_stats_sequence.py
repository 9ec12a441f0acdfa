"""Intervals that hold at every look."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgleval.stats import sequence


def images(count=200, questions=5, accuracy=0.9, seed=0):
    """Return right answers and questions per image, more alike on one image than between."""
    rng = np.random.default_rng(seed)
    shares = rng.beta(accuracy * 4, (1 - accuracy) * 4, size=count)
    return rng.binomial(questions, shares).astype(float), np.full(count, float(questions))


def test_it_narrows_and_holds_the_value_of_the_whole():
    right, asked = images()
    whole = right.sum() / asked.sum()
    widths = []
    for seen in (1, 20, 50, 100, 150, 199, 200):
        low, high = sequence(right[:seen], asked[:seen], (0, 1), 5, images=200)
        assert low - 1e-9 <= whole <= high + 1e-9
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == pytest.approx(0)


def test_a_finite_set_is_known_sooner_than_its_population():
    right, asked = images(100)
    low, high = sequence(right, asked, (0, 1), 5)
    finite_low, finite_high = sequence(right, asked, (0, 1), 5, images=150)
    assert low <= finite_low <= finite_high <= high
    assert finite_high - finite_low < 0.75 * (high - low)


def test_images_that_are_left_may_bring_nothing():
    assert sequence([5] * 9, [5] * 9, (0, 1), 5, images=10)[0] >= 0.9
    assert sequence([0] * 9, [5] * 9, (0, 1), 5, images=10)[1] <= 0.1


def test_an_unbounded_rate_is_never_known_before_its_end():
    assert sequence([1, 2], [3, 4], (0, None), 4) is None


def test_a_paired_difference_lies_around_its_value():
    rng = np.random.default_rng(1)
    moved = rng.choice([-1.0, 0, 1], p=[0.05, 0.75, 0.2], size=400)
    low, high = sequence(moved, np.ones(400), (-1, 1), 1)
    assert -1 < low < moved.mean() < high < 1
    assert low > 0
    mirrored = sequence(-moved, np.ones(400), (-1, 1), 1)
    assert mirrored == pytest.approx((-high, -low), abs=1e-5)


def test_images_without_a_question_say_nothing():
    assert sequence([0, 0], [0, 0], (0, 1), 5) == (0, 1)
    assert sequence([], [], (0, 1), 5) == (0, 1)


def test_images_of_different_sizes_are_weighed_by_their_questions():
    rng = np.random.default_rng(2)
    asked = rng.integers(1, 9, 600).astype(float)
    right = np.where(asked > 4, asked, 0.0)  # right on large images only
    low, high = sequence(right, asked, (0, 1), 8)
    assert low < right.sum() / asked.sum() < high
    assert low > (right > 0).mean()  # the mean over images is another number


def test_a_smaller_error_is_wider():
    right, asked = images()
    low, high = sequence(right, asked, (0, 1), 5)
    lower, higher = sequence(right, asked, (0, 1), 5, error=0.01)
    assert lower < low
    assert high < higher


@pytest.mark.parametrize(
    ("numerators", "denominators", "images", "message"),
    [
        ([2], [1], None, "out of"),
        ([-1], [1], None, "out of"),
        ([1], [6], None, "denominator up to 5"),
        ([1, 1], [1, 1], 1, "2 images out of 1"),
    ],
)
def test_sums_out_of_their_range_are_refused(numerators, denominators, images, message):
    with pytest.raises(ValueError, match=message):
        sequence(numerators, denominators, (0, 1), 5, images)


sums = st.lists(st.integers(1, 4).flatmap(lambda d: st.tuples(st.integers(0, d), st.just(d))))


@given(sums, st.integers(0, 30))
def test_the_ratio_so_far_is_inside_and_the_range_is_kept(rows, more):
    top, bottom = [n for n, _ in rows], [d for _, d in rows]
    low, high = sequence(top, bottom, (0, 1), 4, images=len(rows) + more)
    ratio = sum(top) / sum(bottom) if rows else 0.5
    assert -1e-9 <= low <= ratio + 1e-9
    assert ratio - 1e-9 <= high <= 1 + 1e-9


def test_it_is_wrong_in_fewer_than_one_in_twenty_runs():
    """At any look, at a data set whose value is known; benchmarks/statistics.py has more."""
    wrong = 0
    right, asked = images(60, 3, 0.8)
    whole = right.sum() / asked.sum()
    rng = np.random.default_rng(5)
    for _ in range(40):
        order = rng.permutation(60)
        looks = (
            sequence(right[order[:seen]], asked[order[:seen]], (0, 1), 3, images=60)
            for seen in range(5, 60, 5)
        )
        wrong += any(not low - 1e-9 <= whole <= high + 1e-9 for low, high in looks)
    assert wrong <= 4
