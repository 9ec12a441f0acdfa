"""Calibration over resampled images is that of the resampled rows."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgleval.metrics import calibration
from sgleval.score.resampled import RESAMPLED, Ranked
from sgleval.stats.bootstrap import bootstrap, draws

RESAMPLES = 40
SAMPLES = st.tuples(
    st.one_of(st.sampled_from([0, 0.1, 0.5, 0.9, 1]), st.floats(0, 1, width=16)),
    st.booleans(),
    st.integers(0, 4),
)


def columns(drawn):
    sure, right, image = zip(*drawn, strict=True)
    _, image = np.unique(image, return_inverse=True)
    return np.array(sure, float), np.array(right, float), image


def one_by_one(sure, right, image, counts):
    """Write each resample's rows out and take the figures of these."""
    rows = (np.repeat(np.arange(len(sure)), drawn[image]) for drawn in counts)
    return np.array(
        [[getattr(calibration, name)(sure[r], right[r]) for name in RESAMPLED] for r in rows]
    ).T


@settings(max_examples=150)
@given(st.lists(SAMPLES, min_size=1, max_size=60), st.integers(0, 5))
def test_the_figures_are_those_of_each_resample_s_rows(drawn, seed):
    sure, right, image = columns(drawn)
    counts = draws(int(image.max()) + 1, RESAMPLES, seed)
    found = Ranked.of(pl.Series(sure), pl.Series(right), image).figures(counts)
    assert found == pytest.approx(one_by_one(sure, right, image, counts), abs=1e-9)


def test_the_interval_is_that_of_the_slow_way():
    rng = np.random.default_rng(3)
    sure, image = rng.random(50), np.append(np.arange(12), rng.integers(0, 12, 38))
    right = (rng.random(50) < sure).astype(float)
    ranked = Ranked.of(pl.Series(sure), pl.Series(right), image)
    found = bootstrap(RESAMPLED, ranked.figures, 12, samples=100_000)  # so many: 200 resamples
    slow = np.quantile(
        one_by_one(sure, right, image, draws(12, 200, 0)),
        [0.025, 0.975],
        axis=1,
        method="inverted_cdf",
    )
    for name, low, high in zip(RESAMPLED, *slow, strict=True):
        assert (found[f"{name}_low"], found[f"{name}_high"]) == pytest.approx((low, high), abs=1e-9)


def test_a_confidence_between_neighbours_ends_no_bin_twice():
    """All equally sure: one bin, and the accuracy of the whole at each coverage."""
    sure, right, image = np.full(8, 0.7), np.array([1.0, 0] * 4), np.arange(8) // 2
    counts = draws(4, RESAMPLES, 0)
    found = Ranked.of(pl.Series(sure), pl.Series(right), image).figures(counts)
    assert found == pytest.approx(np.array([[0.2], [0.2], [0.29], [0.5]]) * np.ones(RESAMPLES))
