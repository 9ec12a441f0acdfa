"""From a foreign file to the frames of samples and predictions that scoring takes."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import polars as pl

from sgleval.answers.prose import without_reasoning
from sgleval.errors import UserError
from sgleval.foreign import cells
from sgleval.foreign.cells import cell
from sgleval.foreign.columns import Columns, conditions, found, has, listed
from sgleval.foreign.rows import TEXT_CELLS, read_rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sgleval.dataset.rows import Placed, Row

T = TypeVar("T")

LOOKED_AT = 100
"""The rows whose columns are known before the first one is taken."""

IMAGE = ("image", "images", "image_id", "image_path", "doc.image_id")
LONGEST_NAME = 500
"""A longer text under `image` is the picture itself."""

VLMEVALKIT = frozenset({"index", "prediction", "answer"})


@dataclass(slots=True)
class Taken:
    """The rows that were taken, a list per column."""

    columns: Columns
    where: list[str] = field(default_factory=list)
    id: list[str] = field(default_factory=list)
    text: list[str | None] = field(default_factory=list)
    answers: list[list[str]] = field(default_factory=list)
    choices: list[list[str]] = field(default_factory=list)
    image: list[str] = field(default_factory=list)
    group: list[str | None] = field(default_factory=list)
    by: list[str | None] = field(default_factory=list)

    def samples(self) -> pl.DataFrame:
        """Return the columns of `samples.parquet`, one sample per row of the file."""
        names = {"by": self.columns.by, "group": self.columns.group}
        tags = {name: getattr(self, role) for role, name in names.items() if name is not None}
        texts = pl.String
        tagged = pl.DataFrame(tags or {"_": [None] * len(self.id)}).select(pl.all().cast(texts))
        frame = pl.DataFrame(
            {
                "sample_id": self._distinct_ids(),
                "image_ids": _lists([[image] for image in self.image]),
                "answers": _lists(self.answers),
                "choices": _lists(self.choices),
            }
        )
        return frame.with_columns(tagged.to_struct("tags"))

    def predictions(self) -> pl.DataFrame:
        """Return those columns of `predictions.parquet` that scoring takes."""
        answers = [None if text is None else without_reasoning(text) for text in self.text]
        return pl.DataFrame(
            {"sample_id": self._distinct_ids(), "answer": answers, "text": self.text},
            schema=dict.fromkeys(("sample_id", "answer", "text"), pl.String),
        ).with_columns(
            variant=pl.lit("default"),
            perturbation=pl.lit("none"),
            rule=pl.lit(None, pl.String),
            error=pl.when(pl.col("text").is_null()).then(pl.lit("no prediction")),
            finish_reason=pl.lit(None, pl.String),
        )

    def _distinct_ids(self) -> list[str]:
        """Return the ids, with the place where several rows have one (answers of two models)."""
        if len(set(self.id)) == len(self.id):
            return self.id
        times = Counter(self.id)
        return [
            name if times[name] == 1 else f"{name} ({where})"
            for name, where in zip(self.id, self.where, strict=True)
        ]


def _lists(texts: list[list[str]]) -> pl.Series:
    """Return a column of lists, by way of Arrow: polars makes a series of each list first."""
    import pyarrow as pa

    return pl.Series(pa.array(texts, pa.list_(pa.large_string())))


def take(path: Path, columns: Columns, *, with_choices: bool) -> tuple[Taken, int]:
    """Read the rows that meet all conditions, and count those of the gold file without any.

    Raises:
        UserError: a file or a column is missing, a cell is not what its column is read as, an id of
            the gold file is there twice or one of the predictions' is not. Opens with the place.
    """
    gold = list(read_rows(columns.gold)) if columns.gold else []
    rows = read_rows(path)
    first = list(itertools.islice(rows, LOOKED_AT))
    heads, known = [row for _, row in first], [row for _, row in gold[:LOOKED_AT]]
    columns = found(columns, str(path), heads, known)
    wanted = conditions(columns, str(path), [*heads, *known])
    reader = _Reader(columns, path, _by_id(gold, columns), known, literal=_is_vlmevalkit(heads))
    for placed in itertools.chain(first, rows):
        line = reader.joined(placed)
        if all(condition.holds(line.whole) for condition in wanted):
            reader.take(line, with_choices=with_choices)
    if not reader.taken.id:
        reason = "is --where right?" if wanted else listed(heads)
        raise UserError(f"{path}: no row is left to score; {reason}")
    return reader.taken, len(reader.gold.keys() - reader.used)


def _is_vlmevalkit(heads: list[Row]) -> bool:
    return bool(heads) and heads[0].keys() >= VLMEVALKIT


def _by_id(gold: list[Placed], columns: Columns) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for where, row in gold:
        name = cells.text(cell(row, columns.id or ""))
        if name is None:
            raise UserError(f"{where}: has no {columns.id}; give each row of the gold file one")
        if name in rows:
            raise UserError(f"{where}: {columns.id} {name!r} is there twice; keep one")
        rows[name] = row
    return rows


class _Line(NamedTuple):
    """One row of the file, alone and with what the gold file has of its id."""

    where: str
    name: str
    own: Row
    right: Row
    """The row of the gold file; without a gold file the row itself, empty where there is none."""
    whole: Row


class _Reader:
    """Takes row after row."""

    def __init__(
        self, columns: Columns, path: Path, gold: dict[str, Row], known: list[Row], *, literal: bool
    ) -> None:
        self.columns, self.gold, self.literal = columns, gold, literal
        self.taken, self.used = Taken(columns), set[str]()
        self.own_text = path.suffix.lower() in TEXT_CELLS
        self.gold_text = columns.gold is not None and columns.gold.suffix.lower() in TEXT_CELLS
        self.of_gold = {
            role for role in ("answers", "choices") if has(known, getattr(columns, role) or "A")
        }

    def joined(self, placed: Placed) -> _Line:
        """Return a row with what the gold file knows of it."""
        where, row = placed
        given = cell(row, self.columns.id) if self.columns.id else None
        name = _read(where, self.columns.id, cells.text, given) or where
        if not self.gold:
            return _Line(where, name, row, row, row)
        right = self.gold.get(name, {})
        return _Line(where, name, row, right, right | row)

    def take(self, line: _Line, *, with_choices: bool) -> None:
        """Append one row to the columns."""
        columns, taken = self.columns, self.taken
        if not line.right and self.gold:
            named = f"{columns.id} {line.name!r}"
            raise UserError(f"{line.where}: {columns.gold} has no row of the {named}")
        self.used.add(line.name)
        taken.where.append(line.where)
        taken.id.append(line.name)
        taken.image.append(_image(line.whole) or line.name)
        said = cell(line.own, columns.prediction or "")
        taken.text.append(_read(line.where, columns.prediction, cells.prediction, said))
        taken.answers.append(self._answers(line))
        taken.choices.append(self._choices(line) if with_choices else [])
        taken.group.append(_label(line, columns.group))
        taken.by.append(_label(line, columns.by))

    def _answers(self, line: _Line) -> list[str]:
        source, is_text = self._source("answers", line)
        read = partial(cells.answers, listed=is_text, literal=self.literal)
        given = cell(source, self.columns.answers or "")
        found = _read(line.where, self.columns.answers, read, given)
        if not found:
            raise UserError(f"{line.where}: {self.columns.answers} is empty; give an answer")
        return found

    def _choices(self, line: _Line) -> list[str]:
        source, is_text = self._source("choices", line)
        if self.columns.choices is None:
            return cells.lettered(source)
        read = partial(cells.options, listed=is_text)
        return _read(line.where, self.columns.choices, read, cell(source, self.columns.choices))

    def _source(self, role: str, line: _Line) -> tuple[Row, bool]:
        """Return the row that a role's column stands in, and whether its cells are all text."""
        if role in self.of_gold:
            return line.right, self.gold_text
        return line.own, self.own_text


def _label(line: _Line, column: str | None) -> str | None:
    return (
        None if column is None else _read(line.where, column, cells.text, cell(line.whole, column))
    )


def _read(where: str, column: str | None, read: Callable[[Any], T], value: Any) -> T:
    try:
        return read(value)
    except UserError as error:
        raise UserError(f"{where}: {column} {error}") from error


def _image(row: Row) -> str | None:
    """Return what names a row's image, or its images together."""
    for column in IMAGE:
        value = cell(row, column)
        names = value if isinstance(value, list) else [value]
        if names and all(isinstance(name, (str, int)) for name in names):
            joined = "+".join(map(str, names))
            return joined if len(joined) <= LONGEST_NAME else None
    return None
