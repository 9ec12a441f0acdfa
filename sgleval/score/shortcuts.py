"""What answers without a look at the image are worth, where the set of answers is closed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import polars as pl

from sgleval.normalize import normalize_text
from sgleval.score.groups import CATEGORY, GROUP, tag
from sgleval.score.scores import score
from sgleval.score.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sgleval.metrics.metric import Metric

Row = dict[str, Any]


def shortcuts(
    samples: pl.DataFrame,
    metrics: Sequence[Metric],
    options: Callable[[Sequence[str]], Sequence[str]],
    *,
    group: str = GROUP,
    category: str = CATEGORY,
) -> list[Row]:
    """Return of each metric its value for one answer to all questions, and the level of chance.

    `samples` has the columns of `samples.parquet`; `options` is the answer type's method, which
    gives the closed set for a sample's choices. `majority` is the metric's value for the
    `majority_answer`, the accepted answer of most samples (of several the first one). `chance` is
    the mean of 1 / number of options; null where a metric does not count samples one by one.
    Nothing where a sample's set is open.
    """
    sizes = [len(options(choices or ())) for choices in samples["choices"].to_list()]
    if not sizes or not all(sizes):
        return []
    most = _most_accepted(samples["answers"].to_list())
    chance = sum(1 / size for size in sizes) / len(sizes)
    told = samples.select(
        "sample_id",
        variant=pl.lit("majority"),
        perturbation=pl.lit("none"),
        answer=pl.lit(most),
        text=pl.lit(most),
    )
    rows = []
    for metric in metrics:
        scores = score(samples, told, [metric], group=group, category=category)
        whole = scores.filter(pl.col("part").is_null()).join(
            samples.select("sample_id", composed=tag(samples, category)), on="sample_id"
        )
        figures = {"majority": value(whole, metric), "majority_answer": most}
        plain = metric.better == "higher" and metric.bounds == (0, 1) and metric.composite is None
        alone = plain and bool((whole["denominator"] == 1).all())
        rows.append({"metric": metric.name} | figures | {"chance": chance if alone else None})
    return rows


def _most_accepted(answers: Sequence[Sequence[str]]) -> str:
    """Return the accepted answer of most samples, as it is first written."""
    written: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for accepted in answers:
        folded = {normalize_text(answer): answer for answer in reversed(accepted)}
        counts.update(reversed(folded))
        for key, answer in folded.items():
            written.setdefault(key, answer)
    most = max(counts.values())
    return next(written[key] for key, count in counts.items() if count == most)
