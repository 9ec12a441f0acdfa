"""From predictions to scores, in frames with the run folder's columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from sgleval.answers.prose import without_reasoning
from sgleval.errors import UserError
from sgleval.score.groups import CATEGORY, GROUP, counted_together, of_categories, tag
from sgleval.score.shares import shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sgleval.metrics.metric import Metric

SCORES = pl.Schema(
    {
        "variant": pl.String,
        "perturbation": pl.String,
        "sample_id": pl.String,
        "metric": pl.String,
        "part": pl.String,
        "numerator": pl.Float64,
        "denominator": pl.Float64,
        "parsed": pl.String,
        "rule": pl.String,
    }
)
"""The columns of `scores.parquet`.

`parsed` and `rule` say what a metric with a parser of its own read in the text, and by which rule;
both are null for the others.
"""


def score(
    samples: pl.DataFrame,
    predictions: pl.DataFrame,
    metrics: Sequence[Metric],
    *,
    group: str = GROUP,
    category: str = CATEGORY,
    copies: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Score each prediction by each metric: one row for the whole, then one for each of its parts.

    `samples` and `predictions` have the columns of `samples.parquet` and `predictions.parquet`, the
    result those of `scores.parquet` (`SCORES`), metric by metric in the order of the predictions. A
    metric gets the answer, or where it has a parser of its own the text without reasoning; null
    (failed or unparsed) scores its worst value. Equal answers to equal questions are scored once.

    The samples of a group metric that share a variant, a perturbation and the values of the tags
    `category` and `group` count together: where a group of k has the least numerator m, "all" makes
    each member's ratio (m / k) / (1 / k), so that sums count groups; "each_and_all" adds m to each
    numerator. A composite with a list of categories has rows for these alone.

    `copies` has the columns of `copies.parquet`: what a perturbation made of accepted answers and
    options goes before the sample's own.

    Raises:
        UserError: a prediction belongs to no sample; a sample has no accepted answers, or one that
            the metric cannot read; a tag that the metric goes by is missing. The message names the
            sample or the tag.
    """
    answer, text = pl.col("answer").cast(pl.String), _extracted(predictions["text"])
    asked = predictions.select("variant", "perturbation", "sample_id", answer, text).join(
        samples.select(
            "sample_id",
            "answers",
            "choices",
            tag(samples, group).alias(GROUP),
            tag(samples, category).alias(CATEGORY),
        ),
        on="sample_id",
        how="left",
        validate="m:1",
        maintain_order="left",
    )
    if copies is not None and not copies.is_empty():
        asked = _with_copies(asked, copies)
    _refuse_unanswerable(asked)
    tables = [_scores(metric, asked, group, category) for metric in metrics]
    return pl.concat([SCORES.to_frame(), *tables])


def is_whole(metric: Metric) -> bool:
    """Say whether all samples have to be scored together, since some count only with others."""
    return metric.group is not None or metric.categories is not None


def _with_copies(asked: pl.DataFrame, copies: pl.DataFrame) -> pl.DataFrame:
    """Give a perturbed sample the accepted answers and options of its copy."""
    own = ("answers", "choices")
    keys = ["perturbation", "sample_id"]
    changed = copies.select(*keys, *(pl.col(column).alias(f"own {column}") for column in own))
    joined = asked.join(changed, on=keys, how="left", validate="m:1", maintain_order="left")
    return joined.with_columns(pl.coalesce(f"own {c}", c).alias(c) for c in own).drop(
        f"own {c}" for c in own
    )


def _extracted(texts: pl.Series) -> pl.Series:
    """Return what parsers are given of a text: no closed reasoning block, no blanks around it."""
    found = [None if text is None else without_reasoning(text) for text in texts.to_list()]
    return pl.Series("text", found, dtype=pl.String)


def _refuse_unanswerable(asked: pl.DataFrame) -> None:
    """Refuse predictions that could not be right: they would count as the model's mistakes."""
    hopeless = asked.filter(pl.col("answers").list.len().fill_null(0) == 0)
    if hopeless.is_empty():
        return
    row = hopeless.row(0, named=True)
    where = f"sample {row['sample_id']!r}"
    if row["answers"] is None:
        raise UserError(f"{where}: predicted but not among the samples; give those it belongs to")
    raise UserError(f"{where}: no accepted answers; give at least one")


def _scores(metric: Metric, asked: pl.DataFrame, group: str, category: str) -> pl.DataFrame:
    if metric.categories is not None:
        asked = of_categories(metric, asked, category)
    scored = shares(metric, asked).with_columns(metric=pl.lit(metric.name))
    if metric.group is not None:
        scored = counted_together(metric, scored, group)
    return scored.select(SCORES.names())
