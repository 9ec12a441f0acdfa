"""The rows of a comparison: each arm's value, and its difference to the baseline's."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import polars as pl

from sgleval.score import summarize
from sgleval.score.correct import correct
from sgleval.score.groups import CATEGORY, GROUP, clusters, tag
from sgleval.stats import Difference, difference, holm

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sgleval.compare.arms import Arm, Row
    from sgleval.metrics.metric import Metric

FEWEST_IMAGES = 10
"""With fewer, a test that swaps whole images can hardly tell anything."""

LEVEL = 0.05
ROUNDING = 1e-12

COUNTS = ("value", "low", "high", "n", "failed", "unparsed", "truncated")

COMPARED = (
    *(
        "difference",
        "difference_low",
        "difference_high",
        "difference_method",
        "p",
        "p_holm",
        "mcnemar",
    ),
    *("won", "lost", "tied", "flips", "images", "design_effect", "detectable", "too_small"),
)
"""What only an arm with a baseline has; null in the baseline's own row."""


def results(
    samples: pl.DataFrame,
    arms: Sequence[Arm],
    baselines: Sequence[int],
    metrics: Sequence[Metric],
    seed: int,
) -> list[Row]:
    """Return one row per metric and arm; `baselines` has each arm's place of its baseline.

    An arm that is its own baseline has a value and no difference. The p-values of one metric are
    one family for Holm's correction.
    """
    values = _values(samples, arms, metrics)
    rows = []
    for metric in metrics:
        mine = []
        for place, (one, baseline) in enumerate(zip(arms, baselines, strict=True)):
            if (value := values.get((str(place), metric.name))) is None:
                continue  # nothing of it was scored by this metric
            row = one.key | {"metric": metric.name, "better": metric.better} | value
            row |= dict.fromkeys(COMPARED)
            if place != baseline:
                row |= _compared(samples, (arms[baseline], one), metric, seed)
            mine.append(row)
        adjust(mine)
        rows += mine
    return rows


def adjust(rows: Iterable[Row]) -> None:
    """Set `p_holm` of those rows that have a `p`, which are one family."""
    tested = [row for row in rows if row["p"] is not None]
    for row, p in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["p_holm"] = p


def _values(
    samples: pl.DataFrame, arms: Sequence[Arm], metrics: Sequence[Metric]
) -> dict[tuple[str, str], Row]:
    """Return value, interval and counts by place of the arm and name of the metric."""
    needed = ("sample_id", "error", "rule", "finish_reason")
    named = [
        (one.predictions.select(needed), one.scores, pl.lit(str(place)).alias("variant"))
        for place, one in enumerate(arms)
    ]
    predictions = pl.concat(
        [table.with_columns(label, perturbation=pl.lit("none")) for table, _, label in named]
    )
    scores = pl.concat([table.with_columns(label) for _, table, label in named])
    # Groups of other tags would be counted for nothing.
    tags = pl.struct(tag(samples, name).alias(name) for name in (GROUP, CATEGORY))
    found = summarize(samples.with_columns(tags=tags), predictions, scores, metrics)
    return {
        (row["variant"], row["metric"]): {name: row[name] for name in COUNTS}
        for row in found["results"]
    }


def paired(samples: pl.DataFrame, arms: tuple[Arm, Arm], metric: Metric) -> pl.DataFrame:
    """Return what `stats.difference` takes: one row per sample that the metric scored."""
    frame = circumstances(samples, metric)
    for side, one in zip("ab", arms, strict=True):
        own = one.scores.filter(pl.col("metric") == metric.name).select(
            "sample_id",
            pl.col("numerator").alias(f"numerator_{side}"),
            pl.col("denominator").alias(f"denominator_{side}"),
        )
        frame = frame.join(own, on="sample_id", how="inner", maintain_order="left")
    return frame


def circumstances(samples: pl.DataFrame, metric: Metric) -> pl.DataFrame:
    """Return `sample_id`, `cluster` (what is not independent) and `composed` (the category)."""
    together = () if metric.group is None else (CATEGORY, GROUP)
    return samples.select(
        "sample_id",
        cluster=clusters(samples, together),
        composed=tag(samples, CATEGORY).fill_null(""),
    )


def _compared(samples: pl.DataFrame, arms: tuple[Arm, Arm], metric: Metric, seed: int) -> Row:
    frame = paired(samples, arms, metric)
    found = difference(frame, metric.bounds, metric.better, composite=metric.composite, seed=seed)
    if found is None:
        return {}
    changed = flipped(arms, metric)
    return {
        **interval_of(found),
        "mcnemar": found.mcnemar,
        "won": found.won,
        "lost": found.lost,
        "tied": found.tied,
        "flips": None if changed is None else changed.height,
        "images": found.clusters,
        "design_effect": found.design_effect,
        "detectable": found.detectable,
        "too_small": too_small(found),
    }


def interval_of(found: Difference) -> Row:
    """Return a difference with its interval and p-value, as rows have them."""
    return {
        "difference": found.value,
        "difference_low": found.low,
        "difference_high": found.high,
        "difference_method": found.method,
        "p": found.p,
    }


def flipped(arms: tuple[Arm, Arm], metric: Metric) -> pl.DataFrame | None:
    """Return `sample_id, won` of the samples that one arm alone has right.

    None for a metric that cannot tell right from wrong.
    """
    sides = [correct(one.scores, [metric]) for one in arms]
    if sides[0] is None or sides[1] is None:
        return None
    a, b = (side.select("sample_id", "correct") for side in sides if side is not None)
    both = a.join(b, on="sample_id", suffix="_b", maintain_order="left")
    return both.filter(pl.col("correct") != pl.col("correct_b")).select(
        "sample_id", won="correct_b"
    )


def too_small(found: Difference) -> str | None:
    """Say in words that there are too few samples to tell, or return None."""
    if found.clusters < FEWEST_IMAGES:
        return f"{found.clusters} images are too few to tell anything"
    least, size = found.detectable, abs(found.value)
    if found.p < LEVEL or least is None or least <= size:
        return None
    if size < ROUNDING:
        return f"{found.n:,} samples show a difference of {least:.3f} or more"
    # What can be detected shrinks with the square root of the number of samples.
    needed = ceil(found.n * (least / size) ** 2)
    return f"{found.n:,} samples are too few for a difference of {size:.3f}; {needed:,} may do"
