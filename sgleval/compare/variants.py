"""The variants of one run, compared on the samples that all of them answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sgleval.compare.arms import answered_by_all, answers_of, arm, costs, reliability
from sgleval.compare.factors import effects
from sgleval.compare.flips import flips
from sgleval.compare.results import results
from sgleval.errors import UserError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from sgleval.metrics.metric import Metric


def compare_variants(  # noqa: PLR0913  (a run's tables, and how to compare)
    samples: pl.DataFrame,
    predictions: pl.DataFrame,
    scores: pl.DataFrame,
    metrics: Sequence[Metric],
    baseline: str | None = None,
    *,
    factors: Mapping[str, Mapping[str, str]] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare every variant of a run with the baseline, by default the first.

    The tables have the run folder's columns; perturbed copies have no part in it. Keys:

    - `baseline`, `variants` (the baseline first), `n` samples that all of them answered, `left_out`
      the others, `seed`.
    - `results`: per metric and variant `value, low, high, n, failed, unparsed, truncated`, and but
      for the baseline `difference` (variant minus baseline) with `difference_low`,
      `difference_high` and `difference_method`, `p` (paired permutation clustered by image),
      `p_holm` over the metric's rows, `mcnemar` (null where it does not apply), `won, lost, tied`,
      `flips` (samples that one of the two alone has right), `images`, `design_effect`, `detectable`
      (the smallest difference that so many samples show in 4 of 5 cases), `too_small` (words, or
      null).
    - `reliability` and `cost`: a row per variant, see `arms`.
    - `effects`: of `factors` (see `factors_of`), a row per metric, factor and level.
    - `flips`: every flip by the first metric that can tell, with both answers.

    Raises:
        UserError: the baseline is none of the variants, or there is nothing to compare.
    """
    found = list(dict.fromkeys(predictions["variant"].to_list()))
    if baseline is not None and baseline not in found:
        raise UserError(f"baseline {baseline!r}: no such variant; {nearest(baseline, found)}")
    first = found[:1] if baseline is None else [baseline]
    labels = [*first, *(label for label in found if label not in first)]
    if len(labels) < 2:  # noqa: PLR2004  (a comparison has two sides)
        raise UserError(f"nothing to compare: the variants are {labels}; give two or more")
    common = answered_by_all(samples, (answers_of(predictions, label) for label in labels))
    if common.is_empty():
        raise UserError("no sample was answered under every variant; run the task to its end")
    arms = [arm({"variant": label}, label, common, predictions, scores) for label in labels]
    baselines = [0] * len(arms)
    return {
        "baseline": labels[0],
        "variants": labels,
        "n": common.height,
        "left_out": samples.height - common.height,
        "seed": seed,
        "results": results(common, arms, baselines, metrics, seed),
        "reliability": reliability(arms),
        "cost": costs(arms),
        "effects": effects(common, arms, factors or {}, metrics, seed),
        "flips": flips(common, arms, baselines, metrics),
    }
