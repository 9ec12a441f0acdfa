"""From predictions to scores to the summary, in frames with the run folder's columns."""

from __future__ import annotations

from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

import polars as pl

from sgleval.errors import UserError
from sgleval.stats import interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
    }
)
"""The columns of `scores.parquet`."""

MOST_GROUPS = 50
"""A tag with more distinct values is an id and no grouping."""

RUN = ("variant", "perturbation")
COUNTS = ("n", "failed", "unparsed", "truncated")

Row = dict[str, Any]
Share = tuple[int, str | None, float, float]


def score(
    samples: pl.DataFrame, predictions: pl.DataFrame, metrics: Sequence[Metric]
) -> pl.DataFrame:
    """Score each prediction by each metric: one row for the whole, then one for each of its parts.

    `samples` and `predictions` have the columns of `samples.parquet` and `predictions.parquet`, the
    result those of `scores.parquet` (`SCORES`), metric by metric in the order of the predictions. A
    null answer (failed or unparsed) scores the metric's worst value. Equal answers to the same
    accepted answers (and options, where the metric takes them) are scored once.

    Raises:
        UserError: a prediction belongs to no sample; or a sample has no accepted answers, or one
            that the metric cannot read. The message names the sample.
    """
    asked = predictions.select(*RUN, "sample_id", pl.col("answer").cast(pl.String)).join(
        samples.select("sample_id", "answers", "choices"),
        on="sample_id",
        how="left",
        validate="m:1",
        maintain_order="left",
    )
    _refuse_unanswerable(asked)
    return pl.concat([SCORES.to_frame(), *(_score_by(metric, asked) for metric in metrics)])


def summarize(
    samples: pl.DataFrame,
    predictions: pl.DataFrame,
    scores: pl.DataFrame,
    metrics: Sequence[Metric],
) -> dict[str, list[Row]]:
    """Return the lists `results`, `groups` and `parts` of `summary.json`.

    A value is Σ numerator / Σ denominator with its 95 % interval clustered by image; null where the
    denominators sum to 0. `results` has a row per variant, perturbation and metric; `groups` also
    per tag and its value, without tags of more than 50 distinct values: those are ids. `parts` has
    a row per field, for metrics that score the fields of a structured answer.
    `failed` counts predictions with an error, `unparsed` those without one that no rule could read,
    `truncated` those that stopped at the token limit; all of them are among the `n`.
    """
    rows = _with_circumstances(samples, predictions, scores, [metric.name for metric in metrics])
    whole = rows.filter(pl.col("part").is_null())
    groups: list[Row] = []
    for tag, members in _groupings(samples):
        tagged = whole.join(members, on="sample_id", maintain_order="left")
        named = _estimates(tagged, ["group", *RUN, "metric"], COUNTS[:2], metrics)
        groups += [{"tag": tag} | row for row in named]
    fields = rows.filter(pl.col("part").is_not_null())
    return {
        "results": _estimates(whole, [*RUN, "metric"], COUNTS, metrics),
        "groups": groups,
        "parts": _estimates(fields, ["metric", "part", *RUN], COUNTS[:1], metrics),
    }


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


def _score_by(metric: Metric, asked: pl.DataFrame) -> pl.DataFrame:
    given = ["answer", "answers", *(["choices"] if metric.wants_choices else [])]
    combinations = asked.unique(given, keep="first", maintain_order=True).with_row_index("given")
    shares = pl.DataFrame(
        list(_shares(metric, combinations)),
        schema={"given": combinations.schema["given"], **dict(list(SCORES.items())[-3:])},
        orient="row",
    )
    return (
        asked.join(
            combinations.select("given", *given),
            on=given,
            how="left",
            nulls_equal=True,
            maintain_order="left",
        )
        .join(shares, on="given", how="left", maintain_order="left_right")
        .with_columns(metric=pl.lit(metric.name))
        .select(SCORES.names())
    )


def _shares(metric: Metric, combinations: pl.DataFrame) -> Iterator[Share]:
    lettered = metric.wants_choices
    for given, sample_id, answer, answers, texts in combinations.select(
        "given", "sample_id", "answer", "answers", "choices"
    ).iter_rows():
        choices = dict(zip(ascii_uppercase, texts or (), strict=False)) if lettered else None
        try:
            whole = metric(answer, answers, choices)
            parts = metric.parts(answer, answers) if metric.parts else {}
        except UserError as error:
            raise UserError(f"sample {sample_id!r}: {error}") from error
        yield given, None, *whole
        for part, share in parts.items():
            yield given, part, *share


def _with_circumstances(
    samples: pl.DataFrame, predictions: pl.DataFrame, scores: pl.DataFrame, names: Sequence[str]
) -> pl.DataFrame:
    """Return the scores with the sample's image and how its request ended.

    The columns of the labels become enumerations, so that they sort as first seen.
    """
    failed = pl.col("error").is_not_null()
    ends = predictions.select(
        *RUN,
        "sample_id",
        failed=failed,
        unparsed=~failed & pl.col("rule").eq_missing("none"),
        truncated=pl.col("finish_reason").eq_missing("length"),
    )
    # Others' predictions may come without images: then each sample stands for its own.
    joined = pl.when(pl.col("image_ids").list.len() > 0).then(pl.col("image_ids").list.join("+"))
    images = samples.select("sample_id", image=joined.otherwise("sample_id"))
    labels = [
        pl.col(key).cast(pl.Enum(predictions[key].unique(maintain_order=True))) for key in RUN
    ]
    return (
        scores.filter(pl.col("metric").is_in(list(names)))
        .join(ends, on=[*RUN, "sample_id"], maintain_order="left")
        .join(images, on="sample_id", maintain_order="left")
        .with_columns(*labels, pl.col("metric").cast(pl.Enum(names)))
    )


def _groupings(samples: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield each tag that groups, with the columns `sample_id` and `group` of who has it."""
    tags = samples["tags"].struct
    for tag in tags.fields:
        members = samples.select("sample_id", tags.field(tag).alias("group")).drop_nulls("group")
        if 0 < members["group"].n_unique() <= MOST_GROUPS:
            yield tag, members


def _estimates(
    rows: pl.DataFrame, by: Sequence[str], counts: Sequence[str], metrics: Sequence[Metric]
) -> list[Row]:
    """Return one row per combination of the columns `by`: value, low, high and the counts.

    In the order of tag value, variant, perturbation and metric; parts as they first come.
    """
    bounds = {metric.name: metric.bounds for metric in metrics}
    order = [key for key in ("group", *RUN, "metric") if key in by]
    estimates = []
    for key, group in rows.sort(order, maintain_order=True).group_by(by, maintain_order=True):
        name = dict(zip(by, key, strict=True))
        sums = {"n": group.height, **group.select(counts[1:]).sum().row(0, named=True)}
        estimates.append(name | _estimate(group, bounds[str(name["metric"])]) | sums)
    return estimates


def _estimate(rows: pl.DataFrame, bounds: tuple[float, float | None]) -> Row:
    numerators, denominators = rows["numerator"], rows["denominator"]
    total = float(denominators.sum())
    low, high = interval(numerators, denominators, rows["image"], bounds) or (None, None)
    return {"value": float(numerators.sum()) / total if total else None, "low": low, "high": high}
