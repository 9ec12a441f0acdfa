"""A file of others' predictions as one side of a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from sgleval.compare.match import Tables
from sgleval.errors import UserError
from sgleval.foreign import cells
from sgleval.foreign.columns import KNOWN, conditions, has, listed
from sgleval.foreign.frames import LOOKED_AT, Taken, take
from sgleval.foreign.rows import read_rows
from sgleval.score import score
from sgleval.score.groups import CATEGORY, GROUP, tag

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sgleval.dataset.rows import Placed, Row
    from sgleval.foreign import Columns
    from sgleval.metrics.metric import Metric


def file_tables(
    path: Path, task: str, metrics: Sequence[Metric], columns: Columns, beside: Tables | None
) -> Tables:
    """Return the tables of a file of predictions, scored.

    Without a column of answers and a gold file it takes samples and answers from the run `beside`
    it, by id.

    Raises:
        UserError: something is missing or cannot be read; one line that opens with the place.
    """
    if beside is not None and columns.answers is None and columns.gold is None:
        rows = list(read_rows(path))
        if not any(has(_heads(rows), name) for name in KNOWN["answers"]):
            return _scored(path, task, metrics, _joined(path, rows, columns, beside.samples))
    with_choices = any(metric.wants_choices or metric.parser is not None for metric in metrics)
    taken, _ = take(path, columns, with_choices=with_choices)
    samples = retagged(taken.samples(), taken.columns)
    return _scored(path, task, metrics, (samples, taken.predictions()))


def retagged(samples: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """Return the samples with the two tags that scoring goes by, and no others."""
    group = tag(samples, columns.group or GROUP).alias(GROUP)
    category = tag(samples, columns.by or CATEGORY).alias(CATEGORY)
    return samples.with_columns(tags=pl.struct(group, category))


def _scored(
    path: Path, task: str, metrics: Sequence[Metric], tables: tuple[pl.DataFrame, pl.DataFrame]
) -> Tables:
    samples, predictions = tables
    scores = score(samples, predictions, metrics)
    return Tables(str(path), task, samples, predictions, scores, tuple(metrics), images_known=False)


def _heads(rows: Sequence[Placed]) -> list[Row]:
    return [row for _, row in rows[:LOOKED_AT]]


def _joined(
    path: Path, rows: Sequence[Placed], columns: Columns, samples: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the run's samples that a file has predictions for, and these."""
    heads = _heads(rows)
    names = {role: _column(role, columns, path, heads) for role in ("prediction", "id")}
    wanted, taken = conditions(columns, str(path), heads), Taken(columns)
    for where, row in rows:
        if all(condition.holds(row) for condition in wanted):
            taken.where.append(where)
            taken.id.append(cells.text(cells.cell(row, names["id"])) or where)
            taken.text.append(cells.prediction(cells.cell(row, names["prediction"])))
    predictions = taken.predictions().join(
        samples, on="sample_id", how="semi", maintain_order="left"
    )
    answered = samples.join(predictions, on="sample_id", how="semi", maintain_order="left")
    if answered.is_empty():
        raise UserError(
            f"{path}: none of its ids ({names['id']}, such as {taken.id[0]!r}) is a sample of the"
            " run; name the column with --id"
            if taken.id
            else f"{path}: no row is left; is --where right?"
        )
    return answered, predictions


def _column(role: str, columns: Columns, path: Path, heads: Sequence[Row]) -> str:
    named = getattr(columns, role)
    # The run's own tables, exported, say `sample_id`.
    known = (*KNOWN[role], *(("sample_id",) if role == "id" else ()))
    found = [name for name in ([named] if named else known) if has(heads, name)]
    if not found:
        raise UserError(f"{path}: name the column with --{role}; {listed(heads)}")
    return str(found[0])
