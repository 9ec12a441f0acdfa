"""The main effect of each factor of a grid: its levels, with all other factors averaged out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from sgleval.compare.results import adjust, circumstances, interval_of
from sgleval.stats import difference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sgleval.compare.arms import Arm, Row
    from sgleval.metrics.metric import Metric

Factors = dict[str, dict[str, str]]
"""Factor → variant's label → level's label."""

LONGEST_LEVEL = 40


def factors_of(variants: Mapping[str, Mapping[str, Any]]) -> Factors:
    """Return the factors that variants are all combinations of; none if they are no full grid.

    Levels are called as `grid` calls them where the variants' labels are joined by `+`, else by
    their values. A parameter that is the same everywhere is no factor.

    >>> factors_of({"bare+0": {"text": "", "shots": 0}, "bare+1": {"text": "", "shots": 1}})
    {'shots': {'bare+0': '0', 'bare+1': '1'}}
    """
    names = [tuple(arguments) for arguments in variants.values()]
    if not names or any(set(one) != set(names[0]) for one in names):
        return {}
    values = {
        name: {label: repr(given[name]) for label, given in variants.items()} for name in names[0]
    }
    cells = set(zip(*(column.values() for column in values.values()), strict=True))
    size = 1
    for column in values.values():
        size *= len(set(column.values()))
    if not len(cells) == len(variants) == size:
        return {}
    return {
        name: _named(column, place, len(values))
        for place, (name, column) in enumerate(values.items())
        if len(set(column.values())) > 1
    }


def _named(column: Mapping[str, str], place: int, count: int) -> dict[str, str]:
    """Return the levels' labels of one factor by variant, out of the joined labels if they fit."""
    split = {label: label.split("+") for label in column}
    if all(len(parts) == count for parts in split.values()):
        named = {label: parts[place] for label, parts in split.items()}
        pairs = {(value, named[label]) for label, value in column.items()}
        if len(pairs) == len({value for value, _ in pairs}) == len({name for _, name in pairs}):
            return named
    return {label: value[:LONGEST_LEVEL] for label, value in column.items()}


def effects(
    samples: pl.DataFrame,
    arms: Sequence[Arm],
    factors: Mapping[str, Mapping[str, str]],
    metrics: Sequence[Metric],
    seed: int,
) -> list[Row]:
    """Return a row per metric, factor and level; the first arm's level is the factor's baseline.

    Without factors whose levels are the variants themselves: the table of these says it all.

    `value` is the mean over all combinations of the other factors; the difference to the baseline's
    level has the interval and the test of any other difference, clustered by image. The p-values of
    one metric are one family for Holm's correction.
    """
    factors = {
        name: levels for name, levels in factors.items() if len(set(levels.values())) < len(arms)
    }
    rows = []
    for metric in metrics if factors else ():
        frame = _contributions(samples, arms, metric)
        if frame is not None:
            mine = list(_effects(frame, arms, factors, metric, seed))
            adjust(mine)
            rows += mine
    return rows


def _effects(
    frame: pl.DataFrame,
    arms: Sequence[Arm],
    factors: Mapping[str, Mapping[str, str]],
    metric: Metric,
    seed: int,
) -> Iterator[Row]:
    lower, upper = metric.bounds
    ends = frame["composed"].n_unique() if metric.composite == "sum" else 1
    bounds = (lower * ends, None if upper is None else upper * ends)
    for factor, levels in factors.items():
        members = {
            level: [str(at) for at, one in enumerate(arms) if levels[one.key["variant"]] == level]
            for level in dict.fromkeys(levels[one.key["variant"]] for one in arms)
        }
        first = next(iter(members.values()))
        for level, mine in members.items():
            both = frame.select(
                "cluster",
                numerator_a=pl.mean_horizontal(first),
                denominator_a=pl.lit(1.0),
                numerator_b=pl.mean_horizontal(mine),
                denominator_b=pl.lit(1.0),
            )
            row: Row = {"factor": factor, "level": level, "metric": metric.name}
            row |= {"value": both["numerator_b"].mean()}
            row |= dict.fromkeys(
                ("difference", "difference_low", "difference_high", "difference_method")
            )
            row |= {"p": None, "p_holm": None}
            found = difference(both, bounds, metric.better, seed=seed) if mine != first else None
            yield row if found is None else row | interval_of(found)


def _contributions(
    samples: pl.DataFrame, arms: Sequence[Arm], metric: Metric
) -> pl.DataFrame | None:
    """Return `cluster`, `composed` and per arm a column, its place, whose mean is its value.

    With equal denominators an entry is the sample's own ratio; else it is that of the linearised
    value. None where a variant has no value.
    """
    frame = circumstances(samples, metric)
    for place, one in enumerate(arms):
        own = one.scores.filter(pl.col("metric") == metric.name)
        frame = frame.join(
            own.select("sample_id", "numerator", "denominator"),
            on="sample_id",
            how="inner",
            maintain_order="left",
        )
        frame = frame.with_columns(_contribution(frame, metric).alias(str(place)))
        if frame.is_empty() or not frame[str(place)].is_finite().all():
            return None
        frame = frame.drop("numerator", "denominator")
    return frame


def _contribution(frame: pl.DataFrame, metric: Metric) -> pl.Expr:
    by = "composed" if metric.composite is not None else pl.lit(0)
    numerators, denominators = (
        pl.col(name).sum().over(by) for name in ("numerator", "denominator")
    )
    value = numerators / denominators
    weight = 1 / frame["composed"].n_unique() if metric.composite == "mean" else 1.0
    moved = (pl.col("numerator") - value * pl.col("denominator")) / denominators
    return weight * frame.height * (moved + value / pl.len().over(by))
