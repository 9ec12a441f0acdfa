"""Calibration over resampled images: the figures of `metrics.calibration`, of many at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from sgleval.metrics.calibration import BINS

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from sgleval.stats.bootstrap import Counts, Floats, Integers

RESAMPLED = ("ece_equal_mass", "ece_equal_width", "brier", "selective_area")


@dataclass(frozen=True)
class Ranked:
    """Samples from the most to the least confident.

    Each resample has its samples in this order, too, each as often as its image was drawn. So the
    sums over all that are surer than something give the sums of any bin.
    """

    confidence: Floats
    correct: Floats
    image: NDArray[np.int32]
    """The column of `Counts` that a sample goes by."""
    last: Integers
    """The last sample of each confidence."""

    @classmethod
    def of(cls, confidence: pl.Series, correct: pl.Series, image: Integers) -> Self:
        """Rank the samples; there is at least one."""
        order = np.argsort(-confidence.to_numpy(), kind="stable")
        sure = confidence.to_numpy()[order]
        last = np.flatnonzero(np.append(sure[1:] != sure[:-1], True))
        return cls(sure, correct.to_numpy()[order], image[order].astype(np.int32), last)

    def figures(self, counts: Counts) -> Floats:
        """Return the figures `RESAMPLED` of each resample: one row of them per figure."""
        times = counts.take(self.image, axis=1)
        above = self.confidence - self.correct
        asked = self._surer(times, np.int32)
        moved = times * above
        excess = self._surer(moved, np.float64)
        size = asked[:, -1]
        edges = np.searchsorted(-self.confidence[self.last], -np.arange(1, BINS) / BINS)
        fixed = np.broadcast_to(edges, (len(size), BINS - 1))
        errors = _error(excess, _equal_mass(asked)), _error(excess, np.sort(fixed))
        squared = _dot(moved, above)
        del above, moved, excess  # of a million samples 8 MB each
        return np.asarray(np.array([*errors, squared, self._area(times, asked)]) / size)

    def _surer(self, taken: NDArray[Any], kind: type) -> NDArray[Any]:
        """Return the sums over the samples surer than each confidence, and over all."""
        sums: NDArray[Any] = np.zeros((len(taken), self.last.size + 1), kind)
        if self.last.size == self.confidence.size:
            np.cumsum(taken, axis=1, out=sums[:, 1:])
        else:
            sums[:, 1:] = np.cumsum(taken, axis=1, dtype=kind)[:, self.last]
        return sums

    def _area(self, times: Counts, asked: Integers) -> Floats:
        """Return Σ over k of the accuracy of the k most confident, ties by their mean.

        In the accuracies of k = j … N the j-th sample has the part 1/j + … + 1/N = H(N) - H(j - 1),
        with the harmonic numbers H; of the first x samples these are x·H(N) + x·(1 - H(x)).
        """
        harmonic, parts = _harmonic(1 << int(asked[:, -1].max()).bit_length())
        steps = np.diff(parts[asked], axis=1)
        whole: Floats = harmonic[asked[:, -1]] * _dot(times, self.correct)
        if self.last.size == self.confidence.size:
            return whole + _dot(steps, self.correct)
        right = np.diff(self._surer(times * self.correct, np.float64), axis=1)
        equal = np.diff(asked, axis=1)
        share = np.divide(right, equal, out=np.zeros_like(right), where=equal > 0)
        return np.asarray(whole + np.einsum("ij,ij->i", share, steps))


def _dot(rows: Floats | Counts, column: Floats) -> Floats:
    """Multiply without the threads of `@`, which cost more than they save where rows are few."""
    return np.asarray(np.einsum("ij,j->i", rows, column))


class _Harmonic(NamedTuple):
    numbers: Floats
    parts: Floats
    """x·(1 - H(x)) of each x."""


@lru_cache(maxsize=1)
def _harmonic(most: int) -> _Harmonic:
    """Return the harmonic numbers H(0) … H(most)."""
    numbers = np.arange(most + 1, dtype=np.float64)
    np.reciprocal(numbers[1:], out=numbers[1:])
    np.cumsum(numbers, out=numbers)
    parts = 1 - numbers
    parts *= np.arange(most + 1)
    return _Harmonic(numbers, parts)


def _error(excess: Floats, edges: Integers) -> Floats:
    """Return Σ |Σ confidence - correct| over the bins between the confidences `edges`."""
    ends = np.take_along_axis(excess, edges, axis=1)
    bins = np.diff(ends, axis=1, prepend=0, append=excess[:, -1:])
    return np.asarray(np.abs(bins).sum(axis=1))


def _equal_mass(asked: Integers) -> Integers:
    """Return the number of the confidence below which each bin of equal mass but the first begins.

    A bin takes its share of samples, counted from the least confident one, and all that are as sure
    as its last one.
    """
    size, bins, row = asked[:, -1:], np.arange(BINS - 1, 0, -1), np.arange(len(asked))[:, None]
    surer = size - (size // BINS * bins + np.minimum(size % BINS, bins))
    if len(asked) == 1:
        lift, lifted = 0, asked
    else:  # so that one search does for all resamples
        lift = row * (size.max() + 1)
        lifted = asked + lift
    found = np.searchsorted(lifted.ravel(), (surer + lift).ravel(), "right") - 1
    edges: Integers = found.reshape(surer.shape) - row * asked.shape[1]
    return edges
