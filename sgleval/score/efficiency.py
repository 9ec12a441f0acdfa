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
        sums = {kind: _sum(group, kind) for kind in KINDS}
        rows.append(
            dict(zip(keys, key, strict=True))
            | {"metric": told.metric}
            | {"n": group.height, "right": found}
            | {"per_sample": _over(sums, group.height), "per_right": _over(sums, found)}
        )
    return rows


def _sum(group: pl.DataFrame, kind: str) -> float | None:
    answered = group.filter(~group["failed"])
    known = answered.height > 0 and answered[kind].null_count() == 0
    return float(group[kind].cast(pl.Float64).sum()) if known else None  # 32 bits would overflow


def _over(sums: dict[str, float | None], count: int | None) -> dict[str, float | None]:
    return {
        kind: total / count if total is not None and count else None for kind, total in sums.items()
    }
