"""Which samples count as right, where a figure needs a yes or no instead of a ratio."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from sgleval.score.efficiency import KINDS, spent
from sgleval.score.groups import RUN, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sgleval.metrics.metric import Metric

HALF = 0.5
"""A sample whose value is at least this is right."""


def can_tell(metric: Metric) -> bool:
    """Say whether a metric's ratios say of a sample whether it is right."""
    return metric.better == "higher" and metric.bounds == (0, 1)


def correct(scores: pl.DataFrame, metrics: Sequence[Metric]) -> pl.DataFrame | None:
    """Return `variant, perturbation, sample_id, metric, correct` by the first metric that can tell.

    That is one better higher and between 0 and 1; None where there is none, as beside error rates.
    `correct` is null where the sample's denominator is 0.
    """
    metric = next(filter(can_tell, metrics), None)
    if metric is None:
        return None
    whole = scores.filter((pl.col("metric") == metric.name) & pl.col("part").is_null())
    if whole.is_empty():
        return None
    share = pl.col("numerator") / pl.col("denominator")
    return whole.select(
        "variant",
        "perturbation",
        "sample_id",
        "metric",
        correct=pl.when(pl.col("denominator") > 0).then(share >= HALF),
    )


class Judged(NamedTuple):
    """Of some predictions what efficiency and calibration go by."""

    predictions: pl.DataFrame
    """`variant, perturbation, confidence, cluster` (the images) and `correct` (null where no metric
    can tell)."""
    spent: pl.DataFrame
    """What they took (`efficiency.spent`)."""
    metric: str | None
    """The one that told."""


def judged(
    samples: pl.DataFrame,
    predictions: pl.DataFrame,
    scores: pl.DataFrame,
    metrics: Sequence[Metric],
) -> Judged:
    """Return for efficiency and calibration the predictions that a metric scored, or all."""
    right, keys = correct(scores, metrics), [*RUN, "sample_id"]
    images = samples.select("sample_id", cluster=shown(samples).hash())
    failed = pl.col("error").is_not_null()
    known = predictions.select(*keys, "confidence", *KINDS, failed=failed).join(
        images, on="sample_id", how="left", maintain_order="left"
    )
    if right is None:
        told, metric = known.with_columns(correct=pl.lit(None, pl.Boolean)), None
    else:
        told = known.join(right.drop("metric"), on=keys, maintain_order="left")
        metric = right["metric"][0]
    labels = pl.col(*RUN).cast(pl.Categorical)
    slim = told.select(labels, "confidence", "cluster", "correct")
    return Judged(slim, spent(told), metric)


def joined(parts: Sequence[Judged]) -> Judged:
    """Join what was judged in parts, those left out in which the metric scored nothing."""
    scored = [part for part in parts if part.metric is not None] or parts
    predictions, costs = (
        pl.concat(getattr(part, name) for part in scored) for name in ("predictions", "spent")
    )
    return Judged(predictions, costs, scored[0].metric)
