"""What answers without a look at the image are worth, where the set of answers is closed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import polars as pl

from sgleval.normalize import normalize_text
from sgleval.score.groups import CATEGORY, GROUP, tag
from sgleval.score.scores import is_whole, score
from sgleval.score.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sgleval.metrics.metric import Metric

Row = dict[str, Any]


def shortcuts(
    read: Callable[..., Iterable[pl.DataFrame]],
    metrics: Sequence[Metric],
    options: Callable[[Sequence[str]], Sequence[str]],
    *,
    group: str = GROUP,
    category: str = CATEGORY,
) -> list[Row]:
    """Return of each metric its value for one answer to all questions, and the level of chance.

    `read()` gives parts of `samples.parquet`, `read(whole=True)` all of it in one; `options` is the
    answer type's method, which gives the closed set for a sample's choices. `majority` is the
    metric's value for the `majority_answer`, the accepted answer of most samples (of several the
    first one). `chance` is the mean of 1 / number of options; null where a metric does not count
    samples one by one. Nothing where a sample's set is open.
    """
    chance = _chance(read(), options)
    if chance is None:
        return []
    most = _most_accepted(answers for part in read() for answers in part["answers"].to_list())
    rows = []
    for metric in metrics:
        parts = read(whole=is_whole(metric))
        told = [_told(part, most, metric, group, category) for part in parts]
        whole = pl.concat(told, rechunk=True)
        figures = {"majority": value(whole, metric), "majority_answer": most}
        plain = metric.better == "higher" and metric.bounds == (0, 1) and metric.composite is None
        alone = plain and bool((whole["denominator"] == 1).all())
        rows.append({"metric": metric.name} | figures | {"chance": chance if alone else None})
    return rows


def _chance(
    parts: Iterable[pl.DataFrame], options: Callable[[Sequence[str]], Sequence[str]]
) -> float | None:
    """Return the mean of 1 / number of options, None where there are none or a set is open."""
    total, n = 0.0, 0
    for samples in parts:
        for choices in samples["choices"].to_list():
            size = len(options(choices or ()))
            if not size:
                return None
            total, n = total + 1 / size, n + 1
    return total / n if n else None


def _told(
    samples: pl.DataFrame, answer: str, metric: Metric, group: str, category: str
) -> pl.DataFrame:
    """Return what one answer to all questions scores, and the samples' categories."""
    told = samples.select(
        "sample_id",
        variant=pl.lit("majority"),
        perturbation=pl.lit("none"),
        answer=pl.lit(answer),
        text=pl.lit(answer),
    )
    scores = score(samples, told, [metric], group=group, category=category)
    categories = samples.select("sample_id", composed=tag(samples, category))
    whole = scores.filter(pl.col("part").is_null()).join(categories, on="sample_id")
    return whole.select("numerator", "denominator", "composed")


def _most_accepted(answers: Iterable[Sequence[str]]) -> str:
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
