"""Intervals: samples that share an image are not independent, so the image is the unit."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import polars as pl

Column = pl.Series | Sequence[float]
Clusters = pl.Series | Sequence[str]
Bounds = tuple[float, float | None]

UPPER_TAIL = 0.975
"""Two-sided intervals at the level 0.95."""

ROUNDING = 1e-12
"""What sums that are 0 may be off by."""

FEWEST = 2
"""One image shows no spread."""

WILSON, CLUSTERED_T = "wilson", "clustered t"
ONE_IMAGE, NO_VALUE, NO_SPREAD = "none: one image", "none: no value", "none: no image differs"


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


class Interval(NamedTuple):
    """A 95 % interval and how it was made, or in words why there is none."""

    low: float | None
    high: float | None
    method: str
    clusters: int
    """Images: what was counted as independent."""


def interval(
    numerators: Column, denominators: Column, clusters: Clusters, bounds: Bounds
) -> tuple[float, float] | None:
    """Return the ends of `described_interval`, or None where there are none.

    >>> interval([1, 1, 0, 0, 0], [5, 8, 10, 7, 6], ["a", "a", "b", "c", "c"], (0, None))
    (0.0, 0.28528061078225386)
    """
    return _ends(described_interval(numerators, denominators, clusters, bounds))


def described_interval(
    numerators: Column, denominators: Column, clusters: Clusters, bounds: Bounds
) -> Interval:
    """Return the 95 % interval of Σ numerators / Σ denominators, clustered by image.

    The three columns have one entry per sample; `clusters` names the sample's image. Wilson where a
    metric is 0 or 1 on each sample and each image has one; else the value ± t(G-1) standard errors
    of a ratio of sums over the G images, clipped to `bounds` (None: no upper end). Where all
    samples agree at 0 or 1 the standard error is 0 and says too much: then Wilson with n = G.
    None below two images and where the denominators sum to 0.
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
    total, count = float(images["denominator"].sum()), images.height
    if not total:
        return Interval(None, None, NO_VALUE, count)
    if count < FEWEST:
        return Interval(None, None, ONE_IMAGE, count)
    value = float(images["numerator"].sum()) / total
    if not _is_proportion(images, bounds):
        residuals = images["numerator"] - value * images["denominator"]
        return Interval(*student(value, residuals / total, bounds), CLUSTERED_T, count)
    n = images.filter(pl.col("denominator") > 0).height  # an image of 0/0 says nothing
    return Interval(*wilson(value * n, n), WILSON, count)


def _ends(found: Interval) -> tuple[float, float] | None:
    return None if found.low is None or found.high is None else (found.low, found.high)


def _is_proportion(images: pl.DataFrame, bounds: Bounds) -> bool:
    """Say whether the samples are trials with two outcomes, one an image or all alike."""
    lower, upper = bounds
    if lower != 0 or upper not in {1, None}:  # of a difference, 0 is the middle and not an end
        return False
    zero, one, single = images["zero"], images["one"], images["single"]
    return bool(zero.all() or one.all() or (upper == 1 and single.all() and (zero | one).all()))


def composite_interval(
    rows: pl.DataFrame, value: float, weight: float, bounds: Bounds
) -> tuple[float, float] | None:
    """Return the ends of `described_composite`, or None where there are none."""
    return _ends(described_composite(rows, value, weight, bounds))


def described_composite(
    rows: pl.DataFrame, value: float, weight: float, bounds: Bounds
) -> Interval:
    """Return the 95 % interval of `value`, which is `weight` · Σ of the categories' values.

    `rows` has one row per sample: `composed` (its category), `cluster`, `numerator`, `denominator`;
    no category's denominators sum to 0. It is the clustered t interval of the linearised statistic:
    a cluster adds weight · Σ (numerator - R·denominator) / Σ denominator of the category whose
    value is R, so that an image in several categories counts as one. `bounds` are those of `value`.
    None below two clusters and where no cluster differs from its category.
    """
    shares = rows.select("cluster", share=weight * influence("numerator", "denominator"))
    moved = shares.group_by("cluster", maintain_order=True).agg(pl.col("share").sum())["share"]
    if len(moved) < FEWEST:
        return Interval(None, None, ONE_IMAGE, len(moved))
    if (moved.abs() < ROUNDING).all():
        return Interval(None, None, NO_SPREAD, len(moved))
    return Interval(*student(value, moved, bounds), CLUSTERED_T, len(moved))


def influence(numerator: str, denominator: str) -> pl.Expr:
    """Return what each sample moves the ratio of its category (the column `composed`) by.

    That is (numerator - R·denominator) / Σ denominator, of the columns so named; they sum to 0.
    """
    top, bottom = pl.col(numerator), pl.col(denominator)
    ratio = (top.sum() / bottom.sum()).over("composed")
    return (top - ratio * bottom) / bottom.sum().over("composed")


def design_effect(numerators: Column, denominators: Column, clusters: Clusters) -> float | None:
    """Return by how much sharing images multiplies the variance of Σ numerators / Σ denominators.

    The clustered variance over that of independent samples (sample variance / n); it multiplies
    every sample size. None below two images and where no sample differs from the value.

    >>> design_effect([1, 1, 0, 0], [1, 1, 1, 1], ["a", "a", "b", "b"])
    3.0
    """
    rows = pl.DataFrame({"cluster": clusters, "numerator": numerators, "denominator": denominators})
    if not float(rows["denominator"].sum()):
        return None
    moved = rows.with_columns(composed=pl.lit(0)).select(
        "cluster", moved=influence("numerator", "denominator")
    )
    return effect(moved["moved"], moved["cluster"])


def effect(moved: pl.Series, clusters: pl.Series) -> float | None:
    """Return the design effect, from what each sample moved the value by."""
    images = pl.DataFrame({"cluster": clusters, "moved": moved})
    sums = images.group_by("cluster", maintain_order=True).agg(pl.col("moved").sum())["moved"]
    alone = variance(moved) if len(sums) >= FEWEST else 0.0
    return variance(sums) / alone if alone > ROUNDING**2 else None


def variance(moved: pl.Series) -> float:
    """Return the variance of a value that G independent clusters moved by this much each."""
    count = len(moved)
    return count / (count - 1) * float((moved * moved).sum())


def student(value: float, moved: pl.Series, bounds: Bounds) -> tuple[float, float]:
    """Return value ± t(G-1) standard errors, from what each of the G clusters moved it by."""
    from scipy.special import stdtrit  # Student's t; scipy.stats takes five times as long to load

    reach = float(stdtrit(len(moved) - 1, UPPER_TAIL)) * sqrt(variance(moved))
    lower, upper = bounds
    high = value + reach
    return (max(float(lower), value - reach), high if upper is None else min(float(upper), high))
