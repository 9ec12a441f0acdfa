"""Intervals: samples that share an image are not independent, so the image is the unit."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import polars as pl

Column = pl.Series | Sequence[float]

UPPER_TAIL = 0.975
"""Two-sided intervals at the level 0.95."""

ROUNDING = 1e-12
"""What sums that are 0 may be off by."""


def wilson(right: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a proportion, `right` of `n` independent trials (Wilson 1927).

    >>> [round(end, 5) for end in wilson(75, 100)]
    [0.65696, 0.82455]
    """
    from scipy.special import ndtri

    z = float(ndtri(UPPER_TAIL))
    share, shrink = right / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / shrink
    reach = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / shrink
    # The ends are exact at 0 and n, where rounding would leave 1e-17.
    return (centre - reach if right else 0.0, centre + reach if right != n else 1.0)


def interval(
    numerators: Column,
    denominators: Column,
    clusters: pl.Series | Sequence[str],
    bounds: tuple[float, float | None],
) -> tuple[float, float] | None:
    """Return the 95 % interval of Σ numerators / Σ denominators, clustered by image.

    The three columns have one entry per sample; `clusters` names the sample's image. Wilson where a
    metric is 0 or 1 on each sample and each image has one; else the value ± t(G-1) standard errors
    of a ratio of sums over the G images, clipped to `bounds` (None: no upper end). Where all
    samples agree at 0 or 1 the standard error is 0 and says too much: then Wilson with n = G.
    None below two images and where the denominators sum to 0.

    >>> interval([1, 1, 0, 0, 0], [5, 8, 10, 7, 6], ["a", "a", "b", "c", "c"], (0, None))
    (0.0, 0.28528061078225386)
    """
    images = (
        pl.DataFrame(
            {"image": clusters, "numerator": numerators, "denominator": denominators},
            schema_overrides={"numerator": pl.Float64, "denominator": pl.Float64},
        )
        .group_by("image", maintain_order=True)  # else the last digit changes from run to run
        .agg(
            pl.col("numerator", "denominator").sum(),
            zero=(pl.col("numerator") == 0).all(),
            one=(pl.col("numerator") == pl.col("denominator")).all(),
            single=(pl.len() == 1) & (pl.col("denominator").first() == 1),
        )
    )
    total = float(images["denominator"].sum())
    if images.height < 2 or not total:  # noqa: PLR2004  (one image shows no spread)
        return None
    value = float(images["numerator"].sum()) / total
    if _is_proportion(images, bounds):
        n = images.filter(pl.col("denominator") > 0).height  # an image of 0/0 says nothing
        return wilson(value * n, n)
    return _clustered_t(images, value, bounds)


def _is_proportion(images: pl.DataFrame, bounds: tuple[float, float | None]) -> bool:
    """Say whether the samples are trials with two outcomes, one an image or all alike."""
    lower, upper = bounds
    if lower != 0 or upper not in {1, None}:  # of a difference, 0 is the middle and not an end
        return False
    zero, one, single = images["zero"], images["one"], images["single"]
    return bool(zero.all() or one.all() or (upper == 1 and single.all() and (zero | one).all()))


def _clustered_t(
    images: pl.DataFrame, value: float, bounds: tuple[float, float | None]
) -> tuple[float, float]:
    residuals = images["numerator"] - value * images["denominator"]
    return _student(value, residuals / float(images["denominator"].sum()), bounds)


def composite_interval(
    rows: pl.DataFrame, value: float, weight: float, bounds: tuple[float, float | None]
) -> tuple[float, float] | None:
    """Return the 95 % interval of `value`, which is `weight` · Σ of the categories' values.

    `rows` has one row per sample: `composed` (its category), `cluster`, `numerator`, `denominator`;
    no category's denominators sum to 0. It is the clustered t interval of the linearised statistic:
    a cluster adds weight · Σ (numerator - R·denominator) / Σ denominator of the category whose
    value is R, so that an image in several categories counts as one. `bounds` are those of `value`.
    None below two clusters and where no cluster differs from its category.
    """
    numerator, denominator = pl.col("numerator"), pl.col("denominator")
    ratio = (numerator.sum() / denominator.sum()).over("composed")
    share = (numerator - ratio * denominator) / denominator.sum().over("composed")
    shares = rows.select("cluster", share=weight * share)
    influences = shares.group_by("cluster", maintain_order=True).agg(pl.col("share").sum())["share"]
    if len(influences) < 2 or (influences.abs() < ROUNDING).all():  # noqa: PLR2004  (one shows no spread)
        return None
    return _student(value, influences, bounds)


def _student(
    value: float, influences: pl.Series, bounds: tuple[float, float | None]
) -> tuple[float, float]:
    """Return value ± t(G-1) standard errors, from what each of the G clusters moved it by."""
    from scipy.special import stdtrit  # Student's t; scipy.stats takes five times as long to load

    count = len(influences)
    error = sqrt(count / (count - 1) * float((influences * influences).sum()))
    reach = float(stdtrit(count - 1, UPPER_TAIL)) * error
    lower, upper = bounds
    high = value + reach
    return (max(float(lower), value - reach), high if upper is None else min(float(upper), high))
