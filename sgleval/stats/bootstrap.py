"""The bootstrap that resamples whole images, for figures that are no sum over a sum."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sgleval.stats.interval import FEWEST, NO_VALUE, ONE_IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Counts = NDArray[np.uint8]
"""How often each image is drawn: a row per resample, a column per image."""

RESAMPLES, LEAST = 10_000, 200
CELLS = 20_000_000
"""Samples drawn in all resamples together: two tenths of a second's work."""
AT_ONCE = 50_000
"""Samples drawn at a time: what stays in the processor's cache."""
TAIL = 0.025
SEED = 0
METHOD = "cluster bootstrap, {:,} resamples, percentile"

Row = dict[str, Any]


def bootstrap(
    names: Sequence[str],
    figures: Callable[[Counts], Floats],
    images: int,
    samples: int,
    seed: int = SEED,
) -> Row:
    """Return `NAME_low` and `NAME_high` of each figure: the 95 % percentiles over resampled images.

    `figures` is given some resamples as `Counts` and returns a row per name and a column per
    resample, NaN where one has no value. Beside the ends stand `method`, `clusters` (the images)
    and `seed`; None below two images, and for a figure that fewer than half of the resamples have.

    There are 10,000 resamples of up to 2,000 `samples`, of more in proportion fewer, and never
    fewer than 200, whose ends are a tenth of the interval's half width off by chance; `method` says
    how many. A figure that chance can only raise, such as a gap or a calibration error, is higher
    in resamples than it was, so its lower end says little about whether it is 0.

    >>> right, asked = np.array([[3, 4], [1, 2], [0, 3], [2, 3]]).T
    >>> bootstrap(["share"], lambda counts: (counts @ right / (counts @ asked))[None], 4, 12)
    ... # doctest: +NORMALIZE_WHITESPACE
    {'share_low': 0.16666666666666666, 'share_high': 0.7142857142857143,
     'method': 'cluster bootstrap, 10,000 resamples, percentile', 'clusters': 4, 'seed': 0}
    """
    if images < FEWEST:
        return no_bootstrap(names, ONE_IMAGE, images)
    number, step = resamples(samples), max(1, AT_ONCE // samples)
    counts = draws(images, number, seed)
    parts = [figures(counts[begin : begin + step]) for begin in range(0, number, step)]
    ends = [_percentiles(values) for values in np.concatenate(parts, axis=1)]
    if not any(ends):
        return no_bootstrap(names, NO_VALUE, images)
    found = {"method": METHOD.format(number), "clusters": images, "seed": seed}
    return _named(names, ends) | found


def no_bootstrap(names: Sequence[str], method: str, images: int | None) -> Row:
    """Return the keys of `bootstrap` where there is no interval; `method` says why."""
    found = {"method": method, "clusters": images, "seed": None}
    return _named(names, [None] * len(names)) | found


def numbered(clusters: pl.Series) -> tuple[Integers, int]:
    """Number the images as they first come: return each sample's, and how many there are."""
    named = clusters.to_frame("image")
    images = named.unique(maintain_order=True).with_row_index("number")
    found = named.join(images, on="image", how="left", maintain_order="left")
    return found["number"].cast(pl.Int64).to_numpy(), images.height


def resamples(samples: int) -> int:
    """Return how many resamples of so many samples are drawn."""
    return min(RESAMPLES, max(LEAST, CELLS // samples))


@lru_cache(maxsize=1)  # a run's figures are nearly all of the same images
def draws(images: int, number: int, seed: int) -> Counts:
    """Draw `number` times as many images as there are; 20 MB, or 200 bytes per image if more."""
    bits = np.random.PCG64(seed)  # its raw stream stays the same in all versions of numpy
    # No image is drawn 256 times: fewer cannot be, and of more it is too improbable.
    counts = np.empty((number, images), np.uint8)
    step = max(1, AT_ONCE // images)
    for begin in range(0, number, step):
        part = counts[begin : begin + step]
        raw = bits.random_raw((part.size + 1) // 2).view(np.uint32)[: part.size]
        # One of 2^32 parts of the range is `images` / 2^32 of an image: too little to favour any.
        drawn = (raw.astype(np.uint64) * np.uint64(images) >> np.uint64(32)).astype(np.int64)
        cells = drawn.reshape(part.shape) + images * np.arange(len(part))[:, None]
        part[:] = np.bincount(cells.ravel(), minlength=part.size).reshape(part.shape)
    counts.flags.writeable = False
    return counts


def _percentiles(values: Floats) -> tuple[float, float] | None:
    known = values[~np.isnan(values)]
    if 2 * len(known) < len(values):
        return None
    low, high = np.quantile(known, [TAIL, 1 - TAIL], method="inverted_cdf")
    return float(low), float(high)


def _named(names: Sequence[str], ends: Sequence[tuple[float, float] | None]) -> Row:
    found: Row = {}
    for name, (low, high) in zip(names, (each or (None, None) for each in ends), strict=True):
        found |= {f"{name}_low": low, f"{name}_high": high}
    return found
