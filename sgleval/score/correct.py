"""Which samples count as right, where a figure needs a yes or no instead of a ratio."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from sgleval.score.groups import shown

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
    """Of each prediction what efficiency and calibration go by, whether it is right among it."""

    predictions: pl.DataFrame
    """`cluster` (the images), `failed`, `correct` (null where no metric can tell) and columns of
    predictions."""
    metric: str | None
    """The one that told."""


COLUMNS = ("confidence", "prompt_tokens", "completion_tokens", "seconds")


def judged(
    samples: pl.DataFrame,
    predictions: pl.DataFrame,
    scores: pl.DataFrame,
    metrics: Sequence[Metric],
) -> Judged:
    """Return for efficiency and calibration the predictions that a metric scored, or all."""
    right, keys = correct(scores, metrics), ["variant", "perturbation", "sample_id"]
    images = samples.select("sample_id", cluster=shown(samples).hash())
    known = predictions.select(*keys, *COLUMNS, failed=pl.col("error").is_not_null()).join(
        images, on="sample_id", how="left", maintain_order="left"
    )
    if right is None:
        return Judged(_slim(known.with_columns(correct=pl.lit(None, pl.Boolean))), None)
    told = known.join(right.drop("metric"), on=keys, maintain_order="left")
    return Judged(_slim(told), right["metric"][0])


def _slim(told: pl.DataFrame) -> pl.DataFrame:
    labels = pl.col("variant", "perturbation").cast(pl.Categorical)
    return told.drop("sample_id").with_columns(labels)


def joined(parts: Sequence[Judged]) -> Judged:
    """Join what was judged in parts, those left out in which the metric scored nothing."""
    scored = [part for part in parts if part.metric is not None] or parts
    return Judged(pl.concat(part.predictions for part in scored), scored[0].metric)
