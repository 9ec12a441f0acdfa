"""How far apart the groups of a tag are, and how far that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from sgleval.score.groups import kept, parted
from sgleval.score.value import weight
from sgleval.stats import bootstrap, no_bootstrap, numbered
from sgleval.stats.interval import FEWEST, NO_SPREAD, NO_VALUE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sgleval.metrics.metric import Metric
    from sgleval.stats.bootstrap import Counts, Floats, Integers

FEW = 10
"""A group of fewer samples is flagged: its value may be chance."""

LONE_GROUP, PERTURBED = "none: a group of one image", "none: perturbed copies"
NAMES = ("gap", "alike")
"""The gap, and the one that groups without a difference would show."""

Row = dict[str, Any]


def gaps(groups: Sequence[Row], rows: pl.DataFrame, metric: Metric) -> Iterator[Row]:
    """Yield how far apart the groups of one tag are; a tag of one group has no gap.

    `groups` has the tag's rows of the summary, `rows` the scores behind them: `variant`,
    `perturbation`, `group`, `composed`, `cluster`, `numerator`, `denominator`. The interval is that
    of whole images drawn again; of perturbed copies there is none.

    A gap is never below 0 and by chance above it, so the interval holds the true gap in 95 to 98 %
    of all cases where there is one, and hardly ever where there is none. Hence `alike_low` and
    `alike_high` beside it: between them lie 95 % of the gaps that groups without a difference would
    show, the spread of each resample's values around those of all samples.
    """
    needed = ("variant", "group", "composed", "cluster", "numerator", "denominator")
    originals = kept(rows, rows["perturbation"] == "none").select(needed)
    variants = {name: own for (name,), own in parted(originals, ["variant"])}
    for key, members in _by(groups, ("tag", "variant", "perturbation", "metric")):
        if len(members) == 1:
            continue
        valued = {row["group"]: row["value"] for row in members if row["value"] is not None}
        if key["perturbation"] == "none":
            own = variants[key["variant"]]
            valid = kept(own, own["group"].is_in(list(valued)))
            between = _interval(valid, metric, originals.height)
        else:
            between = no_bootstrap(NAMES, PERTURBED, None)
        small = [row["group"] for row in members if row["n"] < FEW]
        yield key | _gap(list(valued.values())) | between | {"groups": len(valued), "small": small}


def _gap(values: Sequence[float]) -> Row:
    if len(values) < 2:  # noqa: PLR2004  (a gap is between two)
        return {"gap": None, "ratio": None}
    least, greatest = min(values), max(values)
    return {"gap": greatest - least, "ratio": least / greatest if greatest else None}


def _interval(rows: pl.DataFrame, metric: Metric, samples: int) -> Row:
    """Return the gap's interval; `samples` are those of all variants, which share the time."""
    image, images = numbered(rows["cluster"])
    spread = rows.group_by("group").agg(pl.col("cluster").n_unique())["cluster"].to_list()
    if len(spread) < 2:  # noqa: PLR2004
        return no_bootstrap(NAMES, NO_VALUE, images)
    if min(spread) < FEWEST <= images:
        return no_bootstrap(NAMES, LONE_GROUP, images)
    found = bootstrap(NAMES, _gaps_of(rows, image, images, metric), images, samples)
    if found["gap_low"] == found["gap_high"] is not None:  # all right, or all wrong
        return no_bootstrap(NAMES, NO_SPREAD, images)
    return found


def _gaps_of(
    rows: pl.DataFrame, image: Integers, images: int, metric: Metric
) -> Callable[[Counts], Floats]:
    """Return what gives the figures `NAMES` of each resample, from groups with a value there.

    A group without a sample, or of a composite without one of a category, has none.
    """
    from scipy.sparse import coo_array

    keys = ["group", "composed"]  # the ratios behind a group's value
    ratios = rows.select(keys).unique().sort(keys).with_row_index("ratio")
    of = rows.select(keys).join(ratios, on=keys, nulls_equal=True, maintain_order="left")["ratio"]
    tables = [
        coo_array((rows[column], (of, image)), (ratios.height, images)).tocsr()
        for column in ("numerator", "denominator")
    ]
    counts = ratios.group_by("group", maintain_order=True).len()["len"].to_list()
    first = np.cumsum([0, *counts[:-1]])
    weights = np.array([weight(metric, count) for count in counts])

    def values(drawn: Counts) -> Floats:
        columns = drawn.T.astype(np.float64, order="C")
        top, bottom = (table @ columns for table in tables)
        found = np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom != 0)
        return np.asarray(np.add.reduceat(found, first) * weights[:, None])

    whole = values(np.ones((1, images), np.uint8))

    def figures(drawn: Counts) -> Floats:
        found = values(drawn)
        return np.array([_spread(found), _spread(found - whole)])

    return figures


def _spread(values: Floats) -> Floats:
    """Return of each column the greatest minus the least value, where it has two."""
    spread = np.fmax.reduce(values) - np.fmin.reduce(values)
    return np.where(np.isfinite(values).sum(axis=0) > 1, spread, np.nan)


def _by(rows: Sequence[Row], names: Sequence[str]) -> Iterator[tuple[Row, list[Row]]]:
    """Yield what the rows have in common under `names`, and those rows, as they first come."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in names), []).append(row)
    for key, members in found.items():
        yield dict(zip(names, key, strict=True)), members
