"""Two runs on the same samples: how far apart they are, and whether that can be chance."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from sgleval.stats.interval import (
    CLUSTERED_T,
    FEWEST,
    NO_SPREAD,
    ONE_IMAGE,
    ROUNDING,
    Bounds,
    Interval,
    effect,
    influence,
    student,
    variance,
    wilson,
)
from sgleval.stats.permutation import permutation
from sgleval.stats.power import detectable, quantiles
from sgleval.stats.significance import mcnemar

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sgleval.metrics.metric import Composite, Direction

SUMMED = ["numerator_a", "numerator_b", "denominator_a", "denominator_b"]


@dataclass(frozen=True, slots=True)
class Difference:
    """Run b compared to run a, the baseline, over the samples that both have."""

    value: float
    """b's value minus a's: above 0 b is better, or worse where lower is better."""
    low: float | None
    high: float | None
    """The ends of the 95 % interval, null where there is none."""
    method: str
    """How the interval was made, or in words why there is none."""
    clusters: int
    """Images: what was counted as independent."""
    p: float
    """Of the paired permutation test clustered by image, not adjusted for other comparisons."""
    mcnemar: float | None
    """McNemar's exact p-value, for metrics of 0 and 1 with one question per image; else null."""
    won: int
    """Samples on which b is better than a, by the metric's direction (higher if it has none)."""
    lost: int
    tied: int
    n: int
    design_effect: float | None
    """How many times greater the variance is because samples share images; null if it is 0."""
    detectable: float | None
    """The smallest difference that as many samples would show in 4 of 5 cases, at the 5 % level."""


def difference(
    frame: pl.DataFrame,
    bounds: Bounds,
    better: Direction | None,
    *,
    composite: Composite | None = None,
    seed: int = 0,
) -> Difference | None:
    """Compare two runs by one metric; None where a run has no value.

    `frame` has one row per sample that both runs have: `cluster` (its image), `numerator_a,
    denominator_a, numerator_b, denominator_b`, and for a `composite` metric `composed`, its
    category; `bounds` are the metric's own. The interval is the clustered t of the linearised
    difference of two ratios, clipped to what `bounds` allow; with equal denominators that is the
    clustered t over the samples' differences. Where no image moves it, its standard error of 0 says
    too much: then the share of images that might differ is bounded as Wilson does for 0 of G.

    >>> frame = pl.DataFrame({"cluster": list("abcd"), "numerator_a": [1, 0, 0, 1]})
    >>> one = pl.lit(1)
    >>> frame = frame.with_columns(numerator_b=one, denominator_a=one, denominator_b=one)
    >>> found = difference(frame, (0, 1), "higher")
    >>> found.value, found.won, found.lost, found.mcnemar
    (0.5, 2, 0, 0.5)
    """
    rows = frame.with_columns(composed=pl.lit(0)) if composite is None else frame
    categories = rows["composed"].n_unique()
    weight = 1 / categories if composite == "mean" else 1.0
    value = _value(rows, weight)
    if value is None:
        return None
    moved = rows.select("cluster", moved=weight * _influence())
    scale = categories if composite == "sum" else 1
    won, lost, tied = _outcomes(rows, better)
    trials = composite is None and _are_trials(rows, bounds)
    return Difference(
        value,
        *_interval(value, moved, bounds, scale),
        p=_permuted(rows, weight, seed),
        # its samples have to be independent
        mcnemar=mcnemar(lost, won) if trials and rows["cluster"].is_unique().all() else None,
        won=won,
        lost=lost,
        tied=tied,
        n=rows.height,
        design_effect=effect(moved["moved"], moved["cluster"]),
        detectable=_detectable(rows, moved, trials=trials),
    )


def _value(rows: pl.DataFrame, weight: float) -> float | None:
    """Return b's value minus a's, each weight · Σ of its categories' values."""
    sums = rows.group_by("composed", maintain_order=True).agg(pl.col(SUMMED).sum())
    if rows.is_empty() or (sums.select(SUMMED[2:]) == 0).to_numpy().any():
        return None
    a, b = (sums[f"numerator_{side}"] / sums[f"denominator_{side}"] for side in "ab")
    return weight * float((b - a).sum())


def _influence() -> pl.Expr:
    return influence("numerator_b", "denominator_b") - influence("numerator_a", "denominator_a")


def _interval(value: float, moved: pl.DataFrame, bounds: Bounds, scale: int) -> Interval:
    images = moved.group_by("cluster", maintain_order=True).agg(pl.col("moved").sum())["moved"]
    count, (lower, upper) = len(images), bounds
    if count < FEWEST:
        return Interval(None, None, ONE_IMAGE, count)
    most = None if upper is None else float(scale * (upper - lower))
    if (images.abs() > ROUNDING).any():
        ends = (-inf if most is None else -most, most)
        return Interval(*student(value, images, ends), CLUSTERED_T, count)
    if most is None:
        return Interval(None, None, NO_SPREAD, count)
    # A standard error of 0 says too much; so Wilson's bound on the images that differ, 0 of G.
    _, share = wilson(0, count)
    low, high = value - share * (value + most), value + share * (most - value)
    return Interval(low, high, "wilson: no image differs", count)


def _outcomes(rows: pl.DataFrame, better: Direction | None) -> tuple[int, int, int]:
    a, b = (merit(f"numerator_{side}", f"denominator_{side}", better) for side in "ab")
    counts = rows.select((b > a).sum(), (b < a).sum().alias("lost"))
    won, lost = counts.row(0)
    return won, lost, rows.height - won - lost


def merit(numerator: str, denominator: str, better: Direction | None) -> pl.Expr:
    """Return how good each sample is, to be compared only: the greater the better.

    It is numerator / denominator of the columns so named, negative where lower is better. 0 / 0
    is as good as can be: nothing was there to be found, and nothing wrong was said.
    """
    top, bottom = pl.col(numerator), pl.col(denominator)
    rate = top / bottom
    perfect = (top == 0) & (bottom == 0)
    if better == "lower":
        return -pl.when(perfect).then(0.0).otherwise(rate)
    return pl.when(perfect).then(1.0).otherwise(rate)


def _are_trials(rows: pl.DataFrame, bounds: Bounds) -> bool:
    """Say whether each sample is 0 or 1 on both sides."""
    if bounds != (0, 1):
        return False
    numerators, denominators = pl.col(SUMMED[:2]), pl.col(SUMMED[2:])
    whole = rows.select(
        pl.all_horizontal((numerators == 0) | (numerators == 1), denominators == 1).all()
    )
    return bool(whole.item())


def _permuted(rows: pl.DataFrame, weight: float, seed: int) -> float:
    """Return the permutation test's p-value, from the sums of each image in each category."""
    cells = rows.group_by("cluster", "composed", maintain_order=True).agg(pl.col(SUMMED).sum())
    images = cells.select("cluster").unique().sort("cluster").with_row_index("image")
    categories = cells.select("composed").unique().sort("composed").with_row_index("category")
    placed = cells.join(images, on="cluster").join(categories, on="composed")
    places = (placed["image"].to_numpy(), placed["category"].to_numpy())

    def table(column: str) -> NDArray[np.float64]:
        values = np.zeros((images.height, categories.height))
        values[places] = placed[column].to_numpy()
        return values

    numerators, denominators = (
        (table(f"{kind}_a"), table(f"{kind}_b")) for kind in ("numerator", "denominator")
    )
    return permutation(numerators, denominators, weight=weight, seed=seed)


def _detectable(rows: pl.DataFrame, moved: pl.DataFrame, *, trials: bool) -> float | None:
    images = moved.group_by("cluster", maintain_order=True).agg(pl.col("moved").sum())["moved"]
    if len(images) < FEWEST:
        return None
    if not trials:
        error = sqrt(variance(images))
        return sum(quantiles()) * error or None
    discordance = int((rows["numerator_a"] != rows["numerator_b"]).sum()) / rows.height
    return detectable(discordance, rows.height, effect(moved["moved"], moved["cluster"]) or 1.0)
