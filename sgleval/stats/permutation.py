"""The paired permutation test, clustered by image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator

Floats = NDArray[np.float64]

DRAWS = 100_000
MOST_EXACT = 16
"""Images whose 2^16 patterns of swaps are all looked at."""

BLOCK = 12
"""Of more images, those whose patterns are summed in one table; it stays in the fastest cache."""

ROUNDING = 1e-9
"""The relative error up to which two statistics are equal: sums come in another order."""


def permutation(
    numerators: tuple[ArrayLike, ArrayLike],
    denominators: tuple[ArrayLike, ArrayLike],
    *,
    weight: float = 1.0,
    seed: int = 0,
    draws: int = DRAWS,
) -> float:
    """Return the p-value of no difference between runs a and b, Σ numerator / Σ denominator each.

    Both arguments hold a's and b's sums per image, of shape (images,), or (images, categories) for
    a value that is `weight` · Σ of the categories' values. Under no difference an image's two runs
    are exchangeable, with all its questions at once; the statistic is the difference of the values,
    p the share of swaps with at least the observed size. All swaps are enumerated up to 16 images
    whose runs differ; beyond, `draws` are drawn by `seed` and p = (1 + hits) / (1 + draws). A swap
    without a value (denominators sum to 0) counts as a hit. Memory does not grow with the images.

    >>> permutation(([2, 1, 1, 0, 2, 1], [0] * 6), ([2] * 6, [2] * 6))
    0.0625
    """
    a, b = (_columns(numerators[side], denominators[side]) for side in (0, 1))
    moved = _moved(a - b)
    total_a, total_b = a.sum(axis=0), b.sum(axis=0)
    observed = abs(float(_statistic(total_a[None], total_b[None], weight)[0]))
    exact, hits, count = len(moved) <= MOST_EXACT, 0, 0
    for swapped in [_subset_sums(moved)] if exact else _drawn(moved, seed, draws):
        found = np.abs(_statistic(total_a - swapped, total_b + swapped, weight))
        # Not `>=`: a statistic that is not a number is a hit, too.
        hits += int((~(found < observed * (1 - ROUNDING) - ROUNDING**2)).sum())
        count += len(found)
    return hits / count if exact else (1 + hits) / (1 + count)


def _columns(numerators: ArrayLike, denominators: ArrayLike) -> Floats:
    """Return one row per image: the categories' numerators, then their denominators."""
    parts = [np.asarray(part, dtype=np.float64) for part in (numerators, denominators)]
    columns: Floats = np.hstack([part if part.ndim > 1 else part[:, None] for part in parts])
    return columns


def _moved(difference: Floats) -> Floats:
    """Return what a swap moves, of the images where it moves anything, in an order of its own."""
    moved: Floats = difference[(difference != 0).any(axis=1)]
    ordered: Floats = moved[np.lexsort(moved.T)]
    return ordered


def _statistic(a: Floats, b: Floats, weight: float) -> Floats:
    middle = a.shape[1] // 2
    with np.errstate(divide="ignore", invalid="ignore"):
        values = b[:, :middle] / b[:, middle:] - a[:, :middle] / a[:, middle:]
    total: Floats = weight * values.sum(axis=1)
    return total


def _subset_sums(rows: Floats) -> Floats:
    """Return the sums of all 2^k subsets of the k rows."""
    sums = np.zeros((1, rows.shape[1]))
    for row in rows:
        sums = np.concatenate([sums, sums + row])
    return sums


def _drawn(moved: Floats, seed: int, draws: int) -> Iterator[Floats]:
    """Yield chunks of sums over random subsets of the rows: an entry of each block's table."""
    bits = np.random.PCG64(seed)  # its raw stream stays the same in all versions of numpy
    sums = np.zeros((draws, moved.shape[1]))
    for start in range(0, len(moved), BLOCK):
        block = moved[start : start + BLOCK]
        drawn = bits.random_raw((draws + 3) // 4).view(np.uint16)[:draws]
        picked = drawn & np.uint16((1 << len(block)) - 1)
        for column in np.flatnonzero(block.any(axis=0)):  # most denominators never move
            sums[:, column] += _subset_sums(block[:, [column]])[picked, 0]
    yield sums
