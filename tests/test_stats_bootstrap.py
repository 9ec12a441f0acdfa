"""Whole images, resampled."""

import numpy as np
import polars as pl
import pytest

from sgleval.stats import bootstrap, interval

RIGHT = np.array([1, 1, 1, 0, 1, 0, 0, 0, 0, 1, 1, 0])
IMAGES = list("aaaabbcccddd")


def test_a_resample_takes_images_whole():
    images, seen = np.array(IMAGES), []

    def count(rows):
        seen.append(rows)
        return 0.0

    bootstrap(images, count, resamples=50)
    for rows in seen:
        counts = {image: int((images[rows] == image).sum()) for image in "abcd"}
        assert all(counts[image] % IMAGES.count(image) == 0 for image in "abcd")
        assert sum(counts[image] // IMAGES.count(image) for image in "abcd") == 4


def test_a_seed_gives_the_same_interval_and_another_one_another():
    rng = np.random.default_rng(0)
    values, images = rng.random(300), rng.integers(0, 60, 300)
    ends = [
        bootstrap(pl.Series(images), lambda rows: values[rows].mean(), seed=seed, resamples=500)
        for seed in (1, 1, 2)
    ]
    assert ends[0] == ends[1] != ends[2]
    clustered = interval(values.tolist(), [1] * 300, pl.Series(images), (0, 1))
    assert ends[0] == pytest.approx(clustered, abs=0.02)


def test_one_image_and_a_statistic_without_values_have_no_interval():
    assert bootstrap(["a", "a"], lambda rows: 1.0) is None
    assert bootstrap(IMAGES, lambda rows: None, resamples=20) is None
