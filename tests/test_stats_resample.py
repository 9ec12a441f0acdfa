"""Percentile intervals over resampled images, from sums."""

import numpy as np
import pytest

from sgleval.stats.bootstrap import bootstrap
from sgleval.stats.resample import bin_error, gap, resampled_sums

RIGHT = np.array([[3.0], [1.0], [0.0], [2.0]])
ASKED = np.array([[4.0], [2.0], [3.0], [3.0]])


def share(right, asked):
    return (right / asked)[:, 0]


def test_it_agrees_with_the_bootstrap_of_rows():
    """The four images of metrics.md: all 256 resamples give 1/6 and 5/7."""
    found = resampled_sums((RIGHT, ASKED), share)
    assert found == pytest.approx((1 / 6, 5 / 7), abs=0.03)
    right = np.array([1, 1, 1, 0, 1, 0, 0, 0, 0, 1, 1, 0])
    assert found == pytest.approx(
        bootstrap(list("aaaabbcccddd"), lambda rows: right[rows].mean()), abs=0.03
    )


def test_the_seed_decides():
    assert resampled_sums((RIGHT, ASKED), share, seed=1) == resampled_sums(
        (RIGHT, ASKED), share, seed=1
    )


def test_one_image_has_no_interval():
    assert resampled_sums((RIGHT[:1], ASKED[:1]), share) is None


def test_memory_is_bounded_and_the_pieces_change_nothing(monkeypatch):
    whole = resampled_sums((RIGHT, ASKED), share)
    monkeypatch.setattr("sgleval.stats.resample.AT_ONCE", 4 * 777)
    assert resampled_sums((RIGHT, ASKED), share) == pytest.approx(whole, abs=0.05)


def test_a_resample_without_a_value_is_left_out_and_too_many_are_no_interval():
    never = np.zeros((4, 1))
    assert resampled_sums((RIGHT, never), lambda r, n: (0 * r / n)[:, 0]) is None


def test_a_gap_is_between_the_groups_that_are_there():
    with np.errstate(invalid="ignore"):
        found = gap(np.array([[8.0, 6.0, 0.0]]), np.array([[10.0, 10.0, 0.0]]))
    assert found == pytest.approx([0.2])


def test_the_error_of_bins_is_weighted_by_their_sizes():
    assert bin_error(np.array([[1.0, -2.0]]), np.array([[4.0, 8.0]])) == pytest.approx([0.25])
