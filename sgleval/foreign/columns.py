"""Which column of a foreign file means what: as named, or as the known tools write them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import NoneType
from typing import TYPE_CHECKING, Any

from sgleval.errors import UserError
from sgleval.foreign.cells import cell, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sgleval.dataset.rows import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns to read, each COL or COL.KEY; None is found by `KNOWN`, or does not exist."""

    prediction: str | None = None
    answers: str | None = None
    choices: str | None = None
    """A list of options or letter → text; without one the columns A, B, C … where they exist."""
    group: str | None = None
    """Which rows count together, within each value of `by`."""
    by: str | None = None
    """The categories: a row of the table for each, and what composites go by."""
    id: str | None = None
    where: tuple[str, ...] = ()
    """COL=VALUE, or COL=@COL to compare two columns; all of them hold for a row that is scored."""
    gold: Path | None = None
    """A file with the answers, joined by `id`."""


KNOWN = {
    "prediction": ("prediction", "filtered_resps", "resps", "text"),
    "answers": ("answers", "doc.answers", "answer", "target", "doc.answer"),
    "choices": ("choices", "doc.choices"),
    "group": ("group", "g_index"),
    "by": ("category", "doc.category"),
    "id": ("id", "index", "question_id", "doc_id"),
}
"""The names looked for, in this order: sgleval's own, VLMEvalKit's, lmms-eval's."""

NEEDED = frozenset({"prediction", "answers"})
LABELS = frozenset({"group", "by", "id"})
"""What is not taken unasked where it is no text or number."""


def found(columns: Columns, where: str, rows: Sequence[Row], gold: Sequence[Row]) -> Columns:
    """Return `columns` with those filled in that the first rows have under a known name.

    Raises:
        UserError: a named column, or one that is needed, is in none of the rows.
    """
    names: dict[str, Any] = {}
    for role in KNOWN:
        # The gold file says what is right, and nothing of what was predicted.
        searched = rows if role == "prediction" else [*gold, *rows]
        names[role] = _found(role, getattr(columns, role), where, searched)
    name = names["id"]
    if columns.gold and not (name and has(rows, name) and has(gold, name)):
        raise UserError(
            f"{where}: name with --id the column that it shares with {columns.gold}; {listed(rows)}"
        )
    return replace(columns, **names)


def _found(role: str, named: str | None, where: str, rows: Sequence[Row]) -> str | None:
    if named is not None:
        if not has(rows, named):
            raise UserError(f"{where}: --{role}: no column {named!r}; {listed(rows)}")
        return named
    for name in KNOWN[role]:
        if has(rows, name) and (role not in LABELS or _are_labels(rows, name)):
            return name
    if role in NEEDED:
        raise UserError(f"{where}: name the column with --{role}; {listed(rows)}")
    return None


def _are_labels(rows: Iterable[Row], name: str) -> bool:
    return all(isinstance(cell(row, name), (str, int, NoneType)) for row in rows)


def listed(rows: Iterable[Row]) -> str:
    """Return the half-sentence that lists the columns of some rows."""
    names = dict.fromkeys(name for row in rows for name in row)
    return f"its columns are {', '.join(names)}" if names else "there are no rows"


def has(rows: Iterable[Row], name: str) -> bool:
    """Say whether one of the rows has a column, or a value at a path into one."""
    return any(name in row or cell(row, name) is not None for row in rows)


@dataclass(frozen=True, slots=True)
class Condition:
    """`column` is the text `value`, or equals the cell of the column `other`."""

    column: str
    value: str
    other: str | None

    def holds(self, row: Row) -> bool:
        """Say whether a row meets it; booleans are `true` and `false`, null equals nothing."""
        said = text(cell(row, self.column))
        wanted = self.value if self.other is None else text(cell(row, self.other))
        return said is not None and said == wanted


def conditions(columns: Columns, where: str, rows: Sequence[Row]) -> list[Condition]:
    """Return the conditions of `columns.where`, with columns that the first rows have.

    Raises:
        UserError: one has no `=`, or names a column that is not there.
    """
    read = []
    for given in columns.where:
        column, equals, value = given.partition("=")
        if not equals:
            raise UserError(f"--where {given}: write COL=VALUE, or COL=@COL for two columns")
        other = value[1:] if value.startswith("@") else None
        for name in (column, *([other] if other is not None else [])):
            if not has(rows, name):
                raise UserError(f"{where}: --where {given}: no column {name!r}; {listed(rows)}")
        read.append(Condition(column, value, other))
    return read
