"""Whole images, resampled."""

import doctest
import importlib
import sys

import numpy as np
import polars as pl
import pytest

from sgleval.stats import interval
from sgleval.stats.bootstrap import bootstrap, draws, no_bootstrap, numbered, resamples

MODULE = importlib.import_module("sgleval.stats.bootstrap")  # `stats.bootstrap` is the function
RIGHT, ASKED = np.array([3, 1, 0, 2]), np.array([4, 2, 3, 3])


def share(counts):
    return (counts @ RIGHT / (counts @ ASKED))[None]


def test_the_four_images_of_the_page():
    assert bootstrap(["share"], share, images=4, samples=12) == {
        "share_low": pytest.approx(1 / 6),
        "share_high": pytest.approx(5 / 7),
        "method": "cluster bootstrap, 10,000 resamples, percentile",
        "clusters": 4,
        "seed": 0,
    }


def test_the_examples_hold():
    assert doctest.testmod(sys.modules["sgleval.stats.bootstrap"]).failed == 0


@pytest.mark.parametrize("images", [2, 7, 300])
def test_each_resample_draws_as_many_images_as_there_are_each_as_likely(images):
    counts = draws(images, 2000, seed=1)
    assert counts.shape == (2000, images)
    assert (counts.sum(axis=1) == images).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(images), abs=0.15)
    assert counts.var() == pytest.approx(1 - 1 / images, abs=0.05)
    with pytest.raises(ValueError, match="read-only"):  # other figures use the same draws
        counts[0, 0] = 1


def test_the_draws_are_the_same_in_all_versions():
    assert draws(3, 4, seed=0).tolist() == [[0, 2, 1], [3, 0, 0], [3, 0, 0], [0, 1, 2]]


def test_a_seed_gives_the_same_interval_and_another_one_another():
    rng = np.random.default_rng(0)
    values, image = rng.random(300), np.append(np.arange(60), rng.integers(0, 60, 240))
    sums, sizes = np.bincount(image, values), np.bincount(image)

    def mean(counts):
        return (counts @ sums / (counts @ sizes))[None]

    found = [bootstrap(["mean"], mean, 60, 300, seed=seed) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]
    clustered = interval(values.tolist(), [1] * 300, pl.Series(image), (0, 1))
    ends = found[0]["mean_low"], found[0]["mean_high"]
    assert ends == pytest.approx(clustered, abs=0.005)


def test_the_pieces_change_nothing(monkeypatch):
    whole = bootstrap(["share"], share, 4, 12)
    monkeypatch.setattr(MODULE, "AT_ONCE", 12 * 777)
    assert bootstrap(["share"], share, 4, 12) == whole


def test_one_image_and_a_figure_without_values_have_no_interval():
    nothing = {"share_low": None, "share_high": None, "clusters": 1, "seed": None}
    assert bootstrap(["share"], share, 1, 12) == nothing | {"method": "none: one image"}
    assert no_bootstrap(["share"], "none: one image", 1)["method"] == "none: one image"

    def seldom(counts):
        return np.where(counts[:, 0] > 1, share(counts), np.nan)

    found = bootstrap(["share"], seldom, 4, 12)
    assert found == nothing | {"method": "none: no value", "clusters": 4}


def test_resamples_without_a_value_are_left_out():
    def often(counts):
        return np.where(counts[:, 0] > 0, share(counts), np.nan)

    found, whole = bootstrap(["share"], often, 4, 12), bootstrap(["share"], share, 4, 12)
    assert found["share_low"] > whole["share_low"]  # the first image has the most right


def test_many_samples_are_resampled_less_often():
    assert [resamples(n) for n in (1, 2000, 5000, 10**6)] == [10_000, 10_000, 4000, 200]
    found = bootstrap(["share"], share, 4, samples=5000)
    assert found["method"] == "cluster bootstrap, 4,000 resamples, percentile"


def test_images_are_numbered_as_they_first_come():
    numbers, images = numbered(pl.Series(["b", "a", "b", "c"]))
    assert (numbers.tolist(), images) == ([0, 1, 0, 2], 3)
