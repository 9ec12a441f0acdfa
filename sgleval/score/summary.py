"""From scores to the summary: values with intervals and counts, by metric, group and part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from sgleval.score.groups import CATEGORY, GROUP, RUN
from sgleval.score.sums import Scope, Sums

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sgleval.metrics.metric import Metric

MOST_GROUPS = 50
"""A tag with more distinct values is an id and no grouping."""

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
    groups' values, with the ends `gap_low` and `gap_high` of its bootstrap (`seed`; null of
    perturbed copies), and `alike_low` and `alike_high`, between which it would lie if the groups
    did not differ; their `ratio` (least / greatest), the number of `groups` that have a value, and
    those that are `small`, with fewer than 10 samples. `parts` has a row per field, for metrics
    that score the fields of a structured answer. `rules` and `labels` say of a metric with
    a parser of its own how often each rule fired and, of a closed set, each answer was read.

    `failed` counts predictions with an error, `unparsed` those without one that no rule could read
    (the metric's own parser if it has one), `truncated` those that stopped at the token limit; all
    of them are among the `n`.
    """
    labels = {key: predictions[key].unique(maintain_order=True).to_list() for key in RUN}
    scope = Scope(labels, grouping_tags([samples]), group, category)

    def summed(metric: Metric) -> dict[str, list[Row]]:
        sums = Sums(metric, scope)
        sums.add(samples, predictions, scores.filter(pl.col("metric") == metric.name))
        return sums.figures()

    return merged(map(summed, metrics), scope)


def grouping_tags(tables: Iterable[pl.DataFrame]) -> dict[str, list[str]]:
    """Return the tags that group samples with their values, from parts of `samples.parquet`."""
    found: dict[str, set[str]] = {}
    for samples in tables:
        tags = samples["tags"].struct
        for name in tags.fields:
            values = found.setdefault(name, set())
            if len(values) <= MOST_GROUPS:
                values.update(tags.field(name).drop_nulls().unique())
    return {
        name: sorted(values) for name, values in found.items() if 0 < len(values) <= MOST_GROUPS
    }


def merged(figures: Iterable[Mapping[str, list[Row]]], scope: Scope) -> dict[str, list[Row]]:
    """Return the lists of `summarize` out of those of each metric (`Sums.figures`).

    In the order of tag and its value, variant, perturbation and metric; parts as they first come.
    """
    lists: dict[str, list[Row]] = {
        name: [] for name in ("results", "groups", "gaps", "parts", "rules", "labels")
    }
    for each in figures:
        for name, rows in each.items():
            lists[name] += rows
    places = {
        key: {name: at for at, name in enumerate(names)} for key, names in scope.labels.items()
    }
    tags = {name: at for at, name in enumerate(scope.tags)}

    def order(row: Row) -> tuple[Any, ...]:
        group = (tags[row["tag"]], row.get("group", "")) if "tag" in row else ()
        return (*group, *(places[key][row[key]] for key in RUN))

    for name in ("results", "groups", "gaps", "parts"):
        lists[name].sort(key=order)
    return lists
