"""What perturbations do to answers: each perturbed sample against its original."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from sgleval.normalize import normalize_text
from sgleval.score.correct import HALF
from sgleval.score.groups import CATEGORY, tag
from sgleval.score.value import value
from sgleval.stats.paired import merit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sgleval.metrics.metric import Direction, Metric

ORIGINAL = "none"
"""The perturbation of samples as they are."""

ASKED = ["variant", "perturbation", "sample_id"]

Row = dict[str, Any]


def robustness(
    samples: pl.DataFrame,
    predictions: pl.DataFrame,
    scores: pl.DataFrame,
    metrics: Sequence[Metric],
    families: Mapping[str, str],
    *,
    category: str = CATEGORY,
) -> dict[str, list[Row]]:
    """Return the lists `perturbations` and `families` of the summary (metrics.md, section 5).

    The frames have the run folder's columns; `families` maps the full name of each perturbation
    that was asked for to its family. Where options move, `answer` should be an option's text.

    `perturbations` has a row per variant, perturbation and metric, over the `n` samples that have
    both an original and a perturbed copy: the `original` and the `mean` (perturbed) value, the
    `worst` with the worse of the two for each sample, the `drop` (damage, so above 0 if worse),
    `flip_rate` (the share that is right on one side only), `consistency` (the share with the same
    answer after `normalize_text`; no answer is the same as none) and `changed` (copies / samples).
    `families` has `worst` over the original and all copies of a family, per variant and metric.

    A failed sample scores its worst value and counts. Null are all figures where no copy was sent,
    `worst` and `drop` of a metric without a direction, and `flip_rate` of a metric that cannot say
    whether a sample is right, as an error rate.
    """
    pairs = _pairs(samples, predictions, scores, category)
    copies = _counts(predictions)
    rows: dict[str, list[Row]] = {"perturbations": [], "families": []}
    for (variant, metric), whole in _by_metric(predictions, pairs, metrics):
        key = {"variant": variant, "metric": metric.name}
        for name in _names(predictions, families):
            found = whole.filter(pl.col("perturbation") == name)
            changed = copies.get((variant, name), 0) / max(1, samples.height)
            figures = _figures(found, metric) | {"changed": changed, "n": found.height}
            rows["perturbations"].append(key | {"perturbation": name} | figures)
        for family in dict.fromkeys(families.values()):
            names = [name for name, its in families.items() if its == family]
            found = whole.filter(pl.col("perturbation").is_in(names))
            figures = {"worst": _worst(found, metric), "n": found["sample_id"].n_unique()}
            rows["families"].append(key | {"family": family} | figures)
    return rows


def _names(predictions: pl.DataFrame, families: Mapping[str, str]) -> list[str]:
    """Return the perturbations that were asked for, or seen, in that order."""
    seen = predictions["perturbation"].unique(maintain_order=True).to_list()
    return [name for name in dict.fromkeys([*families, *seen]) if name != ORIGINAL]


def _counts(predictions: pl.DataFrame) -> dict[tuple[str, str], int]:
    counts = predictions.group_by("variant", "perturbation").len()
    return {(variant, name): count for variant, name, count in counts.rows()}


def _by_metric(
    predictions: pl.DataFrame, pairs: pl.DataFrame, metrics: Sequence[Metric]
) -> Iterator[tuple[tuple[str, Metric], pl.DataFrame]]:
    for variant in predictions["variant"].unique(maintain_order=True):
        for metric in metrics:
            its = (pl.col("variant") == variant) & (pl.col("metric") == metric.name)
            yield (variant, metric), pairs.filter(its)


def _pairs(
    samples: pl.DataFrame, predictions: pl.DataFrame, scores: pl.DataFrame, category: str
) -> pl.DataFrame:
    """Return one row per perturbed copy and metric, with both sides and whether answers agree."""
    spoken = {text: normalize_text(text) for text in predictions["answer"].unique().drop_nulls()}
    said = pl.col("answer").replace_strict(spoken, default=None, return_dtype=pl.String)
    categories = samples.select("sample_id", composed=tag(samples, category))
    whole = (
        scores.filter(pl.col("part").is_null())
        .select(*ASKED, "metric", "numerator", "denominator")
        .join(predictions.select(*ASKED, said=said), on=ASKED, maintain_order="left")
        .join(categories, on="sample_id", maintain_order="left")
    )
    is_original = pl.col("perturbation") == ORIGINAL
    originals = whole.filter(is_original).drop("perturbation", "composed")
    return whole.filter(~is_original).join(
        originals, on=["variant", "sample_id", "metric"], suffix="_original", maintain_order="left"
    )


def _figures(pairs: pl.DataFrame, metric: Metric) -> Row:
    original, mean = value(_originals(pairs), metric), value(pairs, metric)
    return {
        "original": original,
        "mean": mean,
        "worst": _worst(pairs, metric),
        "drop": _damage(original, mean, metric.better),
        "flip_rate": _flip_rate(pairs, metric),
        "consistency": (pairs["said"] == pairs["said_original"]).fill_null(value=False).mean(),
    }


def _damage(before: float | None, after: float | None, better: Direction | None) -> float | None:
    if before is None or after is None or better is None:
        return None
    return before - after if better == "higher" else after - before


def _originals(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return the original side of the pairs, each sample once."""
    return pairs.unique("sample_id", maintain_order=True).select(
        "sample_id",
        "composed",
        numerator="numerator_original",
        denominator="denominator_original",
    )


def _worst(pairs: pl.DataFrame, metric: Metric) -> float | None:
    """Return the value over the worst ratio of each sample, its original among them."""
    if metric.better is None:
        return None
    originals = _originals(pairs)
    sides = pl.concat([originals, pairs.select(originals.columns)])
    best_last = sides.sort(merit("numerator", "denominator", metric.better), maintain_order=True)
    return value(best_last.unique("sample_id", keep="first", maintain_order=True), metric)


def _flip_rate(pairs: pl.DataFrame, metric: Metric) -> float | None:
    if metric.better != "higher" or metric.bounds != (0, 1):
        return None
    before, after = (
        merit(f"numerator{side}", f"denominator{side}", "higher") >= HALF
        for side in ("_original", "")
    )
    share: float | None = pairs.select((before != after).mean()).item()
    return share
