"""From scores to the summary: values with intervals and counts, by metric, group and part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from sgleval.score.groups import CATEGORY, GROUP, clusters, tag
from sgleval.score.value import value, weight
from sgleval.stats import Interval, described_composite, described_interval
from sgleval.stats.interval import NO_VALUE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sgleval.metrics.metric import Metric

MOST_GROUPS = 50
"""A tag with more distinct values is an id and no grouping."""

FEW = 10
"""A group of fewer samples is flagged: its value may be chance."""

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
    """Return the lists `results`, `groups`, `gaps`, `parts`, `rules`, `labels` of `summary.json`.

    A value is Σ numerator / Σ denominator with its 95 % interval clustered by image (and for a
    metric that counts samples together by the images of the whole group); null where the
    denominators sum to 0. Of a composite it is the mean or the sum over the values of its
    categories (the tag `category`), with the interval of the linearised statistic over the same
    clusters; `categories` counts those that are there, `of` those that the metric knows, and `sets`
    the groups of samples that count only together. `method` names how the interval was made, or
    says why there is none, and `clusters` how many images it takes for independent.

    `results` has a row per variant, perturbation and metric; `groups` also per tag and its value,
    without tags of more than 50 distinct values: those are ids. `gaps` has a row per tag of several
    groups, variant, perturbation and metric: the `gap` between the greatest and the least of the
    groups' values, their `ratio` (least / greatest), the number of `groups` that have a value, and
    those that are `small`, with fewer than 10 samples. `parts` has a row per field, for metrics
    that score the fields of a structured answer. `rules` and `labels` say of a metric with
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
        groups += [{"tag": name} | _bare(row) for row in named]
    fields = rows.filter(pl.col("part").is_not_null())
    parts = _estimates(fields, ["metric", "part", *RUN], COUNTS[:1], by_name)
    return {
        "results": _estimates(whole, [*RUN, "metric"], COUNTS, by_name),
        "groups": groups,
        "gaps": _gaps(groups),
        "parts": [_bare(row) for row in parts],
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


def _bare(row: Row) -> Row:
    """Return a row without the method: there are too many of groups and parts to repeat it."""
    return {name: found for name, found in row.items() if name not in {"method", "clusters"}}


def _estimate(rows: pl.DataFrame, metric: Metric) -> Row:
    found: Row = {}
    if metric.composite is not None:
        categories, known = rows["composed"].n_unique(), metric.categories
        found = {"categories": categories, "of": None if known is None else len(known)}
        if categories > 1:
            return _composite(rows, metric) | found
    numerators, denominators = rows["numerator"], rows["denominator"]
    ends = described_interval(numerators, denominators, rows["cluster"], metric.bounds)
    sets = {"sets": round(float(denominators.sum()))} if metric.group == "all" else {}
    return {"value": value(rows, metric), **ends._asdict(), **sets, **found}


def _composite(rows: pl.DataFrame, metric: Metric) -> Row:
    """Return the mean or the sum over the categories' values; null where one of them is."""
    estimate, count = value(rows, metric), rows["composed"].n_unique()
    if estimate is None:
        clusters = rows["cluster"].n_unique()
        return {"value": None, **Interval(None, None, NO_VALUE, clusters)._asdict()}
    (lower, upper), factor = metric.bounds, count if metric.composite == "sum" else 1
    bounds = (lower * factor, None if upper is None else upper * factor)
    ends = described_composite(rows, estimate, weight(metric, count), bounds)
    return {"value": estimate, **ends._asdict()}


def _gaps(groups: Sequence[Row]) -> list[Row]:
    """Return how far apart the groups of each tag are; a tag of one group has no gap."""
    rows = []
    for key, members in _by(groups, ("tag", *RUN, "metric")):
        if len(members) > 1:
            found = [row["value"] for row in members if row["value"] is not None]
            small = [row["group"] for row in members if row["n"] < FEW]
            rows.append(key | _gap(found) | {"groups": len(found), "small": small})
    return rows


def _gap(values: Sequence[float]) -> Row:
    if len(values) < 2:  # noqa: PLR2004  (a gap is between two)
        return {"gap": None, "ratio": None}
    least, greatest = min(values), max(values)
    return {"gap": greatest - least, "ratio": least / greatest if greatest else None}


def _by(rows: Sequence[Row], names: Sequence[str]) -> Iterator[tuple[Row, list[Row]]]:
    """Yield what the rows have in common under `names`, and those rows, as they first come."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in names), []).append(row)
    for key, members in found.items():
        yield dict(zip(names, key, strict=True)), members


def _readings(whole: pl.DataFrame, column: str, name: str) -> list[Row]:
    """Count what metrics' own parsers read, where it is one of few things."""
    keys = ["metric", *RUN]
    counts = whole.drop_nulls(column).group_by(*keys, pl.col(column).alias(name)).len("n")
    few = counts.filter(pl.len().over("metric") <= MOST_READINGS)
    return few.sort(*keys, name).to_dicts()
