"""The bootstrap that resamples whole images, for figures that are no sum over a sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl
    from numpy.typing import NDArray

RESAMPLES = 10_000
TAIL = 0.025


def bootstrap(
    clusters: pl.Series | Sequence[str],
    statistic: Callable[[NDArray[np.int64]], float | None],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[float, float] | None:
    """Return the 95 % percentile interval of a statistic over resampled images.

    `clusters` names each sample's image; `statistic` is given the row numbers of a resample, those
    of an image always together, and may return None where the resample has no value. None below
    two images and where fewer than half of the resamples have a value.

    >>> right = np.array([1, 1, 1, 0, 1, 0, 0, 0, 0, 1, 1, 0])
    >>> low, high = bootstrap(list("aaaabbcccddd"), lambda rows: right[rows].mean())
    >>> round(low, 2), round(high, 2)
    (0.17, 0.71)
    """
    _, image = np.unique(np.asarray(clusters), return_inverse=True)
    sizes, order = np.bincount(image), np.argsort(image, kind="stable")
    if len(sizes) < 2:  # noqa: PLR2004  (one image shows no spread)
        return None
    starts, generator = np.cumsum(sizes) - sizes, np.random.default_rng(seed)
    values = []
    for _ in range(resamples):
        drawn = generator.integers(len(sizes), size=len(sizes))
        size = sizes[drawn]
        first = np.repeat(starts[drawn] - (np.cumsum(size) - size), size)
        value = statistic(order[first + np.arange(len(first))])
        if value is not None:
            values.append(value)
    if 2 * len(values) < resamples:
        return None
    low, high = np.quantile(values, [TAIL, 1 - TAIL], method="inverted_cdf")
    return float(low), float(high)
