"""A metric's value: Σ numerator / Σ denominator, or a second step over those of categories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from sgleval.metrics.metric import Metric


def value(rows: pl.DataFrame, metric: Metric) -> float | None:
    """Return the metric's value; None where denominators sum to 0, also those of one category.

    `rows` has `numerator` and `denominator`, and for a composite `composed`, the category.
    """
    together = pl.lit(0) if metric.composite is None else pl.col("composed")
    sums = rows.group_by(together.alias("by"), maintain_order=True).agg(
        pl.col("numerator", "denominator").sum()
    )
    if sums.is_empty() or (sums["denominator"] == 0).any():
        return None
    return weight(metric, sums.height) * float((sums["numerator"] / sums["denominator"]).sum())


def weight(metric: Metric, categories: int) -> float:
    """Return what each category's value counts in the metric's."""
    return 1 / categories if metric.composite == "mean" else 1.0
