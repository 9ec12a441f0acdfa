"""From scores to the summary: values with intervals and counts, by metric, group and part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from sgleval.score.groups import CATEGORY, GROUP, clusters, tag
from sgleval.stats import composite_interval, interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sgleval.metrics.metric import Metric

MOST_GROUPS = 50
"""A tag with more distinct values is an id and no grouping."""

MOST_READINGS = 26
"""A metric whose parser reads more distinct answers has no closed set of them."""

RUN = ("variant", "perturbation")
COUNTS = ("n", "failed", "unparsed", "truncated")

Row = dict[str, Any]


def summarize(
    samples: pl.DataFrame,
    predictions: pl.DataFrame,
    scores: pl.DataFrame,
    metrics: Sequence[Metric],
    *,
    group: str = GROUP,
    category: str = CATEGORY,
) -> dict[str, list[Row]]:
    """Return the lists `results`, `groups`, `parts`, `rules` and `labels` of `summary.json`.

    A value is Σ numerator / Σ denominator with its 95 % interval clustered by image (and for a
    metric that counts samples together by the images of the whole group); null where the
    denominators sum to 0. Of a composite it is the mean or the sum over the values of its
    categories (the tag `category`), with the interval of the linearised statistic over the same
    clusters; `categories` counts those that are there, `of` those that the metric knows, and `sets`
    the groups of samples that count only together.

    `results` has a row per variant, perturbation and metric; `groups` also per tag and its value,
    without tags of more than 50 distinct values: those are ids. `parts` has a row per field, for
    metrics that score the fields of a structured answer. `rules` and `labels` say of a metric with
    a parser of its own how often each rule fired and, of a closed set, each answer was read.

    `failed` counts predictions with an error, `unparsed` those without one that no rule could read
    (the metric's own parser if it has one), `truncated` those that stopped at the token limit; all
    of them are among the `n`.
    """
    by_name = {metric.name: metric for metric in metrics}
    rows = _with_circumstances(samples, predictions, scores, by_name, (group, category))
    whole = rows.filter(pl.col("part").is_null())
    groups: list[Row] = []
    for name, members in _groupings(samples):
        tagged = whole.join(members, on="sample_id", maintain_order="left")
        named = _estimates(tagged, ["group", *RUN, "metric"], COUNTS[:2], by_name)
        groups += [{"tag": name} | row for row in named]
    fields = rows.filter(pl.col("part").is_not_null())
    return {
        "results": _estimates(whole, [*RUN, "metric"], COUNTS, by_name),
        "groups": groups,
        "parts": _estimates(fields, ["metric", "part", *RUN], COUNTS[:1], by_name),
        "rules": _readings(whole, "rule", "rule"),
        "labels": _readings(whole, "parsed", "label"),
    }


def _with_circumstances(
    samples: pl.DataFrame,
    predictions: pl.DataFrame,
    scores: pl.DataFrame,
    metrics: Mapping[str, Metric],
    tags: tuple[str, str],
) -> pl.DataFrame:
    """Return the scores with the sample's cluster and category, and how its request ended.

    The columns of the labels become enumerations, so that they sort as first seen.
    """
    failed = pl.col("error").is_not_null()
    ends = predictions.select(
        *RUN,
        "sample_id",
        failed=failed,
        read=pl.col("rule").ne_missing("none"),
        truncated=pl.col("finish_reason").eq_missing("length"),
    )
    labels = [
        pl.col(key).cast(pl.Enum(predictions[key].unique(maintain_order=True))) for key in RUN
    ]
    own = [name for name, metric in metrics.items() if metric.parser is not None]
    read = pl.when(pl.col("metric").is_in(own)).then(pl.col("rule") != "none").otherwise("read")
    group, category = tags
    categories = samples.select("sample_id", tag(samples, category).alias("composed"))
    return (
        scores.filter(pl.col("metric").is_in(list(metrics)))
        .join(ends, on=[*RUN, "sample_id"], maintain_order="left")
        .join(categories, on="sample_id", maintain_order="left")
        .join(
            _clusters(samples, metrics, group, category),
            on=["metric", "sample_id"],
            maintain_order="left",
        )
        .with_columns(
            *labels,
            pl.col("metric").cast(pl.Enum(list(metrics))),
            unparsed=~pl.col("failed") & ~read,
        )
    )


def _clusters(
    samples: pl.DataFrame, metrics: Mapping[str, Metric], group: str, category: str
) -> pl.DataFrame:
    """Return `metric, sample_id, cluster`: what is independent of what, for each metric."""
    alone, together = clusters(samples), None
    tables = []
    for name, metric in metrics.items():
        if metric.group is not None:
            together = clusters(samples, (category, group)) if together is None else together
        chosen = alone if metric.group is None else together
        tables.append(samples.select(pl.lit(name).alias("metric"), "sample_id", cluster=chosen))
    return (
        pl.concat(tables)
        if tables
        else pl.DataFrame(
            schema={"metric": pl.String, "sample_id": pl.String, "cluster": pl.UInt32}
        )
    )


def _groupings(samples: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield each tag that groups, with the columns `sample_id` and `group` of who has it."""
    tags = samples["tags"].struct
    for name in tags.fields:
        members = samples.select("sample_id", tags.field(name).alias("group")).drop_nulls("group")
        if 0 < members["group"].n_unique() <= MOST_GROUPS:
            yield name, members


def _estimates(
    rows: pl.DataFrame, by: Sequence[str], counts: Sequence[str], metrics: Mapping[str, Metric]
) -> list[Row]:
    """Return one row per combination of the columns `by`: value, low, high and the counts.

    In the order of tag value, variant, perturbation and metric; parts as they first come.
    """
    order = [key for key in ("group", *RUN, "metric") if key in by]
    estimates = []
    for key, members in rows.sort(order, maintain_order=True).group_by(by, maintain_order=True):
        name = dict(zip(by, key, strict=True))
        sums = {"n": members.height, **members.select(counts[1:]).sum().row(0, named=True)}
        estimates.append(name | _estimate(members, metrics[str(name["metric"])]) | sums)
    return estimates


def _estimate(rows: pl.DataFrame, metric: Metric) -> Row:
    found: Row = {}
    if metric.composite is not None:
        categories, known = rows["composed"].n_unique(), metric.categories
        found = {"categories": categories, "of": None if known is None else len(known)}
        if categories > 1:
            return _composite(rows, metric) | found
    numerators, denominators = rows["numerator"], rows["denominator"]
    total = float(denominators.sum())
    low, high = interval(numerators, denominators, rows["cluster"], metric.bounds) or (None, None)
    value = float(numerators.sum()) / total if total else None
    sets = {"sets": round(total)} if metric.group == "all" else {}
    return {"value": value, "low": low, "high": high, **sets, **found}


def _composite(rows: pl.DataFrame, metric: Metric) -> Row:
    """Return the mean or the sum over the categories' values; null where one of them is."""
    sums = rows.group_by("composed", maintain_order=True).agg(
        pl.col("numerator", "denominator").sum()
    )
    if (sums["denominator"] == 0).any():
        return {"value": None, "low": None, "high": None}
    count, (lower, upper) = sums.height, metric.bounds
    weight, factor = (1.0, count) if metric.composite == "sum" else (1 / count, 1)
    value = weight * float((sums["numerator"] / sums["denominator"]).sum())
    bounds = (lower * factor, None if upper is None else upper * factor)
    low, high = composite_interval(rows, value, weight, bounds) or (None, None)
    return {"value": value, "low": low, "high": high}


def _readings(whole: pl.DataFrame, column: str, name: str) -> list[Row]:
    """Count what metrics' own parsers read, where it is one of few things."""
    keys = ["metric", *RUN]
    counts = whole.drop_nulls(column).group_by(*keys, pl.col(column).alias(name)).len("n")
    few = counts.filter(pl.len().over("metric") <= MOST_READINGS)
    return few.sort(*keys, name).to_dicts()
