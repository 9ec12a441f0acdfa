"""Which samples count as right, where a figure needs a yes or no instead of a ratio."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sgleval.metrics.metric import Metric

HALF = 0.5
"""A sample whose value is at least this is right."""


def correct(scores: pl.DataFrame, metrics: Sequence[Metric]) -> pl.DataFrame | None:
    """Return `variant, perturbation, sample_id, metric, correct` by the first metric that can tell.

    Such a metric is better higher and lies between 0 and 1; None where there is none, as beside
    error rates. `correct` is null where the sample's denominator is 0.
    """
    able = (
        metric.name for metric in metrics if metric.better == "higher" and metric.bounds == (0, 1)
    )
    name = next(able, None)
    if name is None:
        return None
    whole = scores.filter((pl.col("metric") == name) & pl.col("part").is_null())
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
