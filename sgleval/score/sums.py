"""One metric's part of the summary, summed up from some samples at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from sgleval.score.gaps import gaps
from sgleval.score.groups import CATEGORY, GROUP, RUN, clusters, parted, shown, tag
from sgleval.score.value import value, weight
from sgleval.stats import Interval, described_composite, described_interval
from sgleval.stats.interval import NO_VALUE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sgleval.metrics.metric import Metric

MOST_READINGS = 26
"""A metric whose parser reads more distinct answers has no closed set of them."""

COUNTS = ("n", "failed", "unparsed", "truncated")
TAG = "tag {}"

Row = dict[str, Any]


@dataclass(frozen=True)
class Scope:
    """What has to be known of all samples and predictions before some of them are summed up."""

    labels: Mapping[str, Sequence[str]]
    """The variants and the perturbations, as they first come."""
    tags: Mapping[str, Sequence[str]]
    """The values of each tag that groups, in order."""
    group: str = GROUP
    category: str = CATEGORY


@dataclass
class Sums:
    """One metric's part of the summary; of each score it keeps some 30 bytes until it is made."""

    metric: Metric
    scope: Scope
    _rows: list[pl.DataFrame] = field(default_factory=list, init=False)
    _read: dict[str, pl.DataFrame] = field(default_factory=dict, init=False)

    def add(self, samples: pl.DataFrame, predictions: pl.DataFrame, scores: pl.DataFrame) -> None:
        """Take scores of this metric, with their samples and predictions.

        Of a metric that counts samples together these are all at once.
        """
        if scores.is_empty():
            return
        rows = _with_circumstances(samples, predictions, scores, self.metric, self.scope)
        self._rows.append(rows.drop("parsed", "rule"))
        for column in ("rule", "parsed"):
            self._count(rows.filter(pl.col("part").is_null()), column)

    def _count(self, whole: pl.DataFrame, column: str) -> None:
        """Count what the metric's own parser read, while it is one of few things."""
        counts = whole.drop_nulls(column).group_by(*RUN, label=column).agg(n=pl.len())
        if column in self._read:
            both = pl.concat([self._read[column], counts])
            counts = both.group_by(*RUN, "label").agg(pl.col("n").sum())
        self._read[column] = counts.head(MOST_READINGS + 1)  # more of them are too many anyway

    def figures(self) -> dict[str, list[Row]]:
        """Return the lists of `summarize` with this metric's rows, and keep nothing."""
        read = {
            "rules": self._readings("rule", "rule"),
            "labels": self._readings("parsed", "label"),
        }
        if not self._rows:
            return {"results": [], "groups": [], "gaps": [], "parts": [], **read}
        rows = pl.concat(self._rows)
        self._rows.clear()
        fields = rows.filter(pl.col("part").is_not_null())
        if not fields.is_empty():
            rows = rows.filter(pl.col("part").is_null())
        groups: list[Row] = []
        apart: list[Row] = []
        for name in self.scope.tags:
            tagged = rows.rename({TAG.format(name): "group"}).drop_nulls("group")
            named = self._estimates(tagged, ["group", *RUN, "metric"], COUNTS[:2])
            named = [{"tag": name} | _bare(row) for row in named]
            apart += gaps(named, tagged, self.metric)
            groups += named
        parts = self._estimates(fields, ["metric", "part", *RUN], COUNTS[:1])
        return {
            "results": self._estimates(rows, [*RUN, "metric"], COUNTS),
            "groups": groups,
            "gaps": apart,
            "parts": [_bare(row) for row in parts],
            **read,
        }

    def _readings(self, column: str, name: str) -> list[Row]:
        if column not in self._read or self._read[column].height > MOST_READINGS:
            return []
        counts = self._read[column].sort(*RUN, "label").rename({"label": name})
        return [{"metric": self.metric.name} | row for row in counts.to_dicts()]

    def _estimates(self, rows: pl.DataFrame, by: Sequence[str], counts: Sequence[str]) -> list[Row]:
        """Return one row per combination of the columns `by`: value, low, high and the counts."""
        estimates, keys = [], [key for key in by if key != "metric"]
        needed = [*keys, *counts[1:], "numerator", "denominator", "cluster", "composed"]
        for key, members in parted(rows.select(needed), keys):
            named = dict(zip(keys, key, strict=True)) | {"metric": self.metric.name}
            sums = {"n": members.height, **members.select(counts[1:]).sum().row(0, named=True)}
            name = {key: named[key] for key in by}
            estimates.append(name | _estimate(members, self.metric) | sums)
        return estimates


def _with_circumstances(
    samples: pl.DataFrame,
    predictions: pl.DataFrame,
    scores: pl.DataFrame,
    metric: Metric,
    scope: Scope,
) -> pl.DataFrame:
    """Return a metric's scores with what else counts of each, in columns that take few bytes."""
    ends = predictions.select(
        *RUN,
        "sample_id",
        failed=pl.col("error").is_not_null(),
        read=pl.col("rule").ne_missing("none"),
        truncated=pl.col("finish_reason").eq_missing("length"),
    )
    own = samples.select(
        "sample_id",
        _composed(samples, metric, scope.category),
        _cluster(samples, metric, scope),
        *(
            tag(samples, name).cast(pl.Enum(values)).alias(TAG.format(name))
            for name, values in scope.tags.items()
        ),
    )
    read = pl.col("read") if metric.parser is None else pl.col("rule") != "none"
    labels = [pl.col(key).cast(pl.Enum(names)) for key, names in scope.labels.items()]
    return (
        scores.join(ends, on=[*RUN, "sample_id"], maintain_order="left")
        .join(own, on="sample_id", maintain_order="left")
        .with_columns(
            *labels, pl.col("part").cast(pl.Categorical), unparsed=~pl.col("failed") & ~read
        )
        .drop("sample_id", "metric", "read")
    )


def _composed(samples: pl.DataFrame, metric: Metric, category: str) -> pl.Series:
    """Return the samples' categories, where the metric is composed of them."""
    if metric.composite is None:
        return pl.Series("composed", [None] * samples.height, dtype=pl.Boolean)
    return tag(samples, category).cast(pl.Categorical).alias("composed")


def _cluster(samples: pl.DataFrame, metric: Metric, scope: Scope) -> pl.Series:
    """Return what the samples share that depend on each other."""
    if metric.group is None:
        return shown(samples).hash().alias("cluster")
    together = clusters(samples, (scope.category, scope.group))
    return together.cast(pl.UInt64).alias("cluster")


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
