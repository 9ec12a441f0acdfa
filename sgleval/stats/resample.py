"""Percentile intervals over resampled images for figures made of sums: gaps and bin errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sgleval.stats.bootstrap import RESAMPLES, TAIL

if TYPE_CHECKING:
    from collections.abc import Callable

Floats = NDArray[np.float64]

AT_ONCE = 4_000_000
"""Cells of the table of draws that are in memory at once."""


def resampled_sums(
    tables: tuple[Floats, ...],
    figure: Callable[..., Floats],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[float, float] | None:
    """Return the 95 % percentile interval of a figure over resampled images.

    `tables` have a row per image and columns of sums, such as a group's right answers and its
    answers; `figure` is given the same tables summed over each resample, a row per resample, and
    returns a value for each, NaN where it has none. None below two images and where fewer than half
    of the resamples have a value.

    >>> right, asked = np.array([[3, 4], [1, 2], [0, 3], [2, 3]]).T[:, :, None]
    >>> low, high = resampled_sums((right, asked), lambda r, n: (r / n)[:, 0])
    >>> round(low, 2), round(high, 2)
    (0.17, 0.71)
    """
    images = len(tables[0])
    if images < 2:  # noqa: PLR2004  (one image shows no spread)
        return None
    generator, step = np.random.default_rng(seed), max(1, AT_ONCE // images)
    values = []
    for begin in range(0, resamples, step):
        number = min(step, resamples - begin)
        drawn = generator.integers(images, size=(number, images))
        cells = drawn + images * np.arange(number)[:, None]
        counts = np.bincount(cells.ravel(), minlength=number * images).reshape(number, images)
        weights = counts.astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            values.append(figure(*(weights @ table for table in tables)))
    known = np.concatenate(values)
    known = known[~np.isnan(known)]
    if 2 * len(known) < resamples:
        return None
    low, high = np.quantile(known, [TAIL, 1 - TAIL], method="inverted_cdf")
    return float(low), float(high)


def gap(numerators: Floats, denominators: Floats) -> Floats:
    """Return of each row the greatest minus the least value of its groups, those with any."""
    values = numerators / denominators
    return np.asarray(np.fmax.reduce(values, axis=1) - np.fmin.reduce(values, axis=1))


def bin_error(differences: Floats, sizes: Floats) -> Floats:
    """Return of each row the expected calibration error: Σ |confidence - right| over Σ sizes."""
    return np.asarray(np.abs(differences).sum(axis=1) / sizes.sum(axis=1))
