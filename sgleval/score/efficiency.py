"""What an answer costs, and what a right one costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from sgleval.score.groups import parted

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
    keys, rows = ["variant", "perturbation"], []
    for key, group in parted(told.predictions, keys):
        found = None if told.metric is None else int(group["correct"].sum())
        sums = {kind: total(group[kind], group["failed"]) for kind in KINDS}
        rows.append(
            dict(zip(keys, key, strict=True))
            | {"metric": told.metric}
            | {"n": group.height, "right": found}
            | {"per_sample": _over(sums, group.height), "per_right": _over(sums, found)}
        )
    return rows


def total(values: pl.Series, failed: pl.Series) -> Any:
    """Return a column's sum, failed ones too; None where an answered one does not say, or none is.

    Tokens are kept in 32 bits, which the sum of a large run overflows.
    """
    answered = values.filter(~failed)
    if answered.is_empty() or answered.null_count():
        return None
    return (values.cast(pl.Int64) if values.dtype.is_integer() else values).sum()


def _over(sums: dict[str, float | None], count: int | None) -> dict[str, float | None]:
    return {
        kind: total / count if total is not None and count else None for kind, total in sums.items()
    }
