"""The samples that one of two arms alone has right, with both answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from sgleval.compare.results import flipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sgleval.compare.arms import Arm, Row
    from sgleval.metrics.metric import Metric


def flips(
    samples: pl.DataFrame, arms: Sequence[Arm], baselines: Sequence[int], metrics: Sequence[Metric]
) -> list[Row]:
    """Return a row per flip by the first metric that can tell right from wrong.

    `won` says that the baseline was wrong; `baseline_answer` and `answer` are what the metric was
    given, or what the model wrote where nothing could be read in it; null where it failed.
    """
    rows: list[Row] = []
    able = [m for m in metrics if m.better == "higher" and m.bounds == (0, 1)]
    for one, baseline in zip(arms, baselines, strict=True) if able else ():
        metric, pair = able[0], (arms[baseline], one)
        changed = None if one is pair[0] else flipped(pair, metric)
        if changed is not None:
            rows += [one.key | row for row in _with_answers(samples, pair, metric, changed)]
    return rows


def _with_answers(
    samples: pl.DataFrame, arms: tuple[Arm, Arm], metric: Metric, changed: pl.DataFrame
) -> list[Row]:
    known = [name for name in ("question", "answers") if name in samples.columns]
    order = ("answer", "text") if metric.parser is None else ("text", "answer")
    said = pl.coalesce(order)
    table = changed.join(
        samples.select("sample_id", *known), on="sample_id", maintain_order="left"
    ).rename({"answers": "accepted"})
    for name, one in zip(("baseline_answer", "answer"), arms, strict=True):
        own = one.predictions.select("sample_id", said.alias(name))
        table = table.join(own, on="sample_id", maintain_order="left")
    return [{"metric": metric.name} | row for row in table.to_dicts()]
