"""Which samples of several runs are the same: one id, and the same question, images and answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from sgleval.compare.arms import Row, answered_by_all
from sgleval.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sgleval.metrics.metric import Metric

REASONS = {
    "question": "another question",
    "images": "other images",
    "choices": "other options",
    "answers": "other accepted answers",
    "absent": "not in every run, or unanswered",
}
"""Why samples are left out, by the key under which they are counted."""


@dataclass(frozen=True, slots=True)
class Tables:
    """A stored run, or a file of others' predictions, as frames."""

    name: str
    task: str
    samples: pl.DataFrame
    predictions: pl.DataFrame
    scores: pl.DataFrame
    metrics: tuple[Metric, ...]
    images_known: bool = True
    """Whether `image_ids` are digests of the images; a file of predictions has names at best."""


def shared_samples(
    runs: Sequence[Tables], answers: Sequence[pl.DataFrame]
) -> tuple[pl.DataFrame, list[Row]]:
    """Return the samples that all runs have, the same and answered, and who left out how many.

    `answers` are the tables of answers that have to include a sample. The samples are those of the
    first run that knows its images. A row of the second has `run`, its `samples`, those `left_out`,
    and of these the number per key of `REASONS`.

    Raises:
        UserError: no sample is left.
    """
    first = next((run for run in runs if run.images_known), runs[0])
    differ = {run.name: differing(first, run) for run in runs}
    common = answered_by_all(first.samples, (run.samples for run in runs))
    for table in differ.values():
        common = common.join(table, on="sample_id", how="anti", maintain_order="left")
    common = answered_by_all(common, answers)
    # What differs between the first and any other is the first one's, too.
    all_differ = pl.concat(differ.values()).unique("sample_id", keep="first", maintain_order=True)
    rows = [
        _left_out(run, all_differ if run is first else differ[run.name], common) for run in runs
    ]
    if common.is_empty():
        raise UserError(_nothing(rows))
    return common, rows


def _left_out(run: Tables, differing: pl.DataFrame, common: pl.DataFrame) -> Row:
    counts = dict(differing.group_by("reason").len().iter_rows())
    left = run.samples.height - common.height
    counts["absent"] = left - sum(counts.values())
    head = {"run": run.name, "samples": run.samples.height, "left_out": left}
    return head | {reason: counts.get(reason, 0) for reason in REASONS}


def _nothing(rows: Sequence[Row]) -> str:
    names = " and ".join(row["run"] for row in rows)
    most = max(REASONS, key=lambda reason: max(row[reason] for row in rows))
    why = "" if most == "absent" else f" ({rows[-1][most]} with {REASONS[most]})"
    return f"{names}: no samples in common{why}; compare runs on the same data"


def differing(first: Tables, other: Tables) -> pl.DataFrame:
    """Return `sample_id, reason` of the samples that are not the same although the id is."""
    columns = {"question": "question", "choices": "choices", "answers": "answers"}
    if first.images_known and other.images_known:
        columns["images"] = "image_ids"
    known = [
        (reason, columns[reason])
        for reason in REASONS
        if (name := columns.get(reason)) in first.samples.columns and name in other.samples.columns
    ]
    names = ["sample_id", *(column for _, column in known)]
    both = first.samples.select(names).join(
        other.samples.select(names), on="sample_id", suffix="_b", maintain_order="left", how="inner"
    )
    reason = pl.coalesce(
        pl.lit(None, pl.String),
        *(pl.when(_unlike(column)).then(pl.lit(reason)) for reason, column in known),
    )
    return both.select("sample_id", reason=reason).drop_nulls("reason")


def _unlike(column: str) -> pl.Expr:
    mine, other = pl.col(column), pl.col(f"{column}_b")
    if column == "choices":  # a file may be read without them
        return (mine.list.len() > 0) & (other.list.len() > 0) & mine.ne_missing(other)
    if column == "answers":  # their order means nothing
        return mine.list.sort().ne_missing(other.list.sort())
    return mine.ne_missing(other)
