"""What an answer costs, and what a right one costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from sgleval.score.groups import RUN

if TYPE_CHECKING:
    from sgleval.score.correct import Judged

KINDS = ("prompt_tokens", "completion_tokens", "seconds")

Row = dict[str, Any]


def efficiency(told: Judged) -> list[Row]:
    """Return the key `efficiency` of the summary: a row per variant and perturbation.

    `per_sample` and `per_right` give prompt tokens (from the cache or not), completion tokens and
    seconds over all samples, failed ones too, and over the `right` ones: by `metric`, the first
    that can say which these are. Seconds are those from sending to answer; requests overlap, so
    their sum is more than the run took. What an answered sample does not say is null, and so is
    `per_right` where nothing is right or no metric can tell.
    """
    any_answered = pl.col("answered").sum() > 0
    sums = told.spent.group_by(RUN, maintain_order=True).agg(
        pl.col("n", "right").sum(),
        *(
            pl.when(any_answered, pl.col(kind).null_count() == 0).then(pl.col(kind).sum())
            for kind in KINDS
        ),
    )
    rows = []
    for row in sums.iter_rows(named=True):
        found = None if told.metric is None else row["right"]
        rows.append(
            {key: row[key] for key in RUN}
            | {"metric": told.metric}
            | {"n": row["n"], "right": found}
            | {"per_sample": _over(row, row["n"]), "per_right": _over(row, found)}
        )
    return rows


def spent(told: pl.DataFrame) -> pl.DataFrame:
    """Return what some predictions took: a row per variant and perturbation, to be added up.

    `told` has the columns `RUN`, `KINDS`, `failed` and `correct`. A kind is null where an answered
    prediction does not say it.
    """
    failed = pl.col("failed")
    return told.group_by(RUN, maintain_order=True).agg(
        pl.len().alias("n"),
        (~failed).sum().alias("answered"),
        pl.col("correct").sum().alias("right"),
        *(total(kind, failed).alias(kind) for kind in KINDS),
    )


def total(kind: str, failed: pl.Expr) -> pl.Expr:
    """Return a column's sum, failed ones too; null where an answered one does not say.

    Tokens are kept in 32 bits, which the sum of a large run overflows.
    """
    untold = (pl.col(kind).is_null() & ~failed).any()
    wide = pl.col(kind).cast(pl.Float64 if kind == "seconds" else pl.Int64)
    return pl.when(~untold).then(wide.sum())


def _over(sums: Row, count: int | None) -> dict[str, float | None]:
    return {kind: None if sums[kind] is None or not count else sums[kind] / count for kind in KINDS}
