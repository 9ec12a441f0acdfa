"""What is compared: arms, each the answers of one variant of one run to the same samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from sgleval.runtime.ledger import TOKENS
from sgleval.score.efficiency import total

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Arm:
    """One variant's answers to the common samples."""

    key: Row
    """How rows name it: `variant`, and where runs are compared `run`."""
    predictions: pl.DataFrame
    """One row per common sample, in their order."""
    scores: pl.DataFrame
    """Rows for the whole of an answer, not for its parts."""


def answers_of(predictions: pl.DataFrame, variant: str) -> pl.DataFrame:
    """Return a variant's answers to the samples as they are, without perturbed copies."""
    return predictions.filter(pl.col("variant") == variant, pl.col("perturbation") == "none")


def arm(
    key: Row, variant: str, samples: pl.DataFrame, predictions: pl.DataFrame, scores: pl.DataFrame
) -> Arm:
    """Return the arm of a variant, whose answers include all of `samples`."""
    ids = samples.select("sample_id")
    answers = ids.join(answers_of(predictions, variant), on="sample_id", maintain_order="left")
    whole = answers_of(scores, variant).filter(pl.col("part").is_null())
    return Arm(key, answers, ids.join(whole, on="sample_id", how="inner", maintain_order="left"))


def answered_by_all(samples: pl.DataFrame, answers: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return the samples of which each of the tables of answers has one, in their order."""
    for table in answers:
        samples = samples.join(table, on="sample_id", how="semi", maintain_order="left")
    return samples


def reliability(arms: Sequence[Arm]) -> list[Row]:
    """Return how each arm's requests ended, and how long its texts are.

    `unparsed` counts what the answer type could not read; `characters` is the mean length of a
    text, null without any.
    """
    return [one.key | _ends(one.predictions) for one in arms]


def _ends(answers: pl.DataFrame) -> Row:
    failed = pl.col("error").is_not_null()
    counts = answers.select(
        n=pl.len(),
        failed=failed.sum(),
        unparsed=(~failed & pl.col("rule").eq_missing("none")).sum(),
        truncated=pl.col("finish_reason").eq_missing("length").sum(),
        characters=pl.col("text").str.len_chars().mean(),
    )
    return counts.row(0, named=True)


def costs(arms: Sequence[Arm]) -> list[Row]:
    """Return requests, tokens and seconds of each arm; null where an answered row does not say.

    `computed_tokens` are the prompt's without those from the cache. Seconds are those from sending
    to answer; requests overlap, so their sum is more than the run took.
    """
    rows = []
    for one in arms:
        row: Row = {"requests": _sum(one.predictions, "requests")}
        row |= {kind: _sum(one.predictions, kind) for kind in TOKENS}
        prompt, cached = row["prompt_tokens"], row["cached_tokens"]
        row["computed_tokens"] = None if None in (prompt, cached) else prompt - cached
        rows.append(one.key | row | {"seconds": _sum(one.predictions, "seconds")})
    return rows


def _sum(answers: pl.DataFrame, column: str) -> Any:
    if column not in answers.columns:  # others' predictions
        return None
    failed = pl.col("error").is_not_null()
    return answers.select(pl.when((~failed).any()).then(total(column, failed))).item()
