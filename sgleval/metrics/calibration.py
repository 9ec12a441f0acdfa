"""Calibration: is a model as often right as it is confident, and can it tell when it is not?

`confidence` holds numbers from 0 to 1 and `correct` 0 or 1 (or true, false) for each, one a sample.
Without samples there is no value: None.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Column = Sequence[float] | pl.Series | NDArray[Any]

BINS = 10


class Bin(NamedTuple):
    """Samples whose confidence lies above `low` and not above `high`."""

    low: float
    high: float
    n: int
    confidence: float | None
    """The mean, and that of `correct`; None in an empty bin."""
    correct: float | None


def ece_equal_width(confidence: Column, correct: Column, bins: int = BINS) -> float | None:
    """Σ n_b / n · |mean confidence - mean correct| over `bins` bins ((i-1)/bins, i/bins].

    Guo et al. 2017. A confidence of 0 is in the first bin.

    >>> ece_equal_width([0.9, 0.9, 0.6, 0.6], [1, 0, 1, 0], bins=10)
    0.25

    Raises:
        ValueError: the two have different lengths, `bins` is below 1, or a confidence is outside
            [0, 1].
    """
    sure, right = _columns(confidence, correct)
    return _ece(_width_edges(bins), sure, right)


def ece_equal_mass(confidence: Column, correct: Column, bins: int = BINS) -> float | None:
    """The same sum over bins of as equal size as ties allow (Kumar et al. 2019).

    The sorted confidences are cut into `bins` groups whose sizes differ by at most one, larger
    first; an edge lies midway between two groups, the last one at 1, equal edges are one. Equal
    confidences share a bin.

    >>> ece_equal_mass([0.9, 0.9, 0.6, 0.6], [1, 0, 1, 0], bins=3)
    0.25

    Raises:
        ValueError: as `ece_equal_width`.
    """
    sure, right = _columns(confidence, correct)
    return _ece(_mass_edges(sure, bins), sure, right)


def brier(confidence: Column, correct: Column) -> float | None:
    """The mean of (confidence - correct)² (Brier 1950).

    Raises:
        ValueError: as `ece_equal_width`.
    """
    sure, right = _columns(confidence, correct)
    return float(np.mean((sure - right) ** 2)) if sure.size else None


def selective_accuracy(confidence: Column, correct: Column, coverage: float) -> float | None:
    """The accuracy of the most confident share `coverage` of samples, at least one of them.

    Of samples with equal confidence each counts with their mean, so that the order of rows does not
    matter.

    >>> selective_accuracy([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 1], coverage=0.75)
    0.6666666666666666

    Raises:
        ValueError: as `ece_equal_width`, or the coverage is not above 0 and at most 1.
    """
    if not 0 < coverage <= 1:
        raise ValueError(f"coverage is {coverage}; give a share above 0 and at most 1")
    accuracies = _accuracies(*_columns(confidence, correct))
    # 0.3 * 10 is 2.999...96 in binary
    most = max(1, int(coverage * accuracies.size + 1e-9))
    return float(accuracies[most - 1]) if accuracies.size else None


def selective_area(confidence: Column, correct: Column) -> float | None:
    """The mean over k of the accuracy of the k most confident samples, ties by their mean.

    Raises:
        ValueError: as `ece_equal_width`.
    """
    accuracies = _accuracies(*_columns(confidence, correct))
    return float(accuracies.mean()) if accuracies.size else None


def reliability_bins(
    confidence: Column, correct: Column, bins: int = BINS, *, equal_mass: bool = False
) -> list[Bin]:
    """Return the bins of `ece_equal_width` or `ece_equal_mass`, empty ones too, in order.

    >>> reliability_bins([0.9, 0.8, 0.2], [1, 0, 0], bins=2)[1]
    Bin(low=0.5, high=1.0, n=2, confidence=0.8500000000000001, correct=0.5)

    Raises:
        ValueError: as `ece_equal_width`.
    """
    sure, right = _columns(confidence, correct)
    edges = _mass_edges(sure, bins) if equal_mass else _width_edges(bins)
    counts, confidences, corrects = _sums(edges, sure, right)
    lows = [0.0, *edges[:-1].tolist()]
    return [
        Bin(low, high, int(n), *((total / n, hits / n) if n else (None, None)))
        for low, high, n, total, hits in zip(
            lows, *(a.tolist() for a in (edges, counts, confidences, corrects)), strict=True
        )
    ]


def _columns(confidence: Column, correct: Column) -> tuple[Floats, Floats]:
    sure, right = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    if sure.shape != right.shape:
        raise ValueError(f"{sure.size} confidences for {right.size} samples; give one for each")
    if not ((sure >= 0) & (sure <= 1)).all():
        raise ValueError("a confidence is outside 0 to 1; leave out samples that have none")
    return sure, right


def _width_edges(bins: int) -> Floats:
    _check(bins)
    return np.arange(1, bins + 1) / bins


def _mass_edges(sure: Floats, bins: int) -> Floats:
    _check(bins)
    if not sure.size:
        return np.ones(1)
    groups = np.array_split(np.sort(sure), min(bins, sure.size))
    return np.unique([*((low[-1] + high[0]) / 2 for low, high in pairwise(groups)), 1.0])


def _check(bins: int) -> None:
    if bins < 1:
        raise ValueError(f"bins is {bins}; give 1 or more")


def _sums(edges: Floats, sure: Floats, right: Floats) -> tuple[Floats, Floats, Floats]:
    """Return each bin's number of samples, sum of confidences, and sum of correct."""
    where = np.searchsorted(edges, sure, side="left")  # the first edge that is not below
    counts, confidences, corrects = (
        np.bincount(where, weights, edges.size).astype(np.float64)
        for weights in (np.ones_like(sure), sure, right)
    )
    return counts, confidences, corrects


def _ece(edges: Floats, sure: Floats, right: Floats) -> float | None:
    if not sure.size:
        return None
    _, confidences, corrects = _sums(edges, sure, right)
    return float(np.abs(confidences - corrects).sum() / sure.size)


def _accuracies(sure: Floats, right: Floats) -> Floats:
    """Return the accuracy of the k most confident samples for k = 1 to n."""
    _, block, sizes = np.unique(-sure, return_inverse=True, return_counts=True)
    means = np.bincount(block, right, sizes.size) / sizes if sure.size else right
    return np.cumsum(np.repeat(means, sizes)) / np.arange(1, sure.size + 1)
