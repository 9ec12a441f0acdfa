"""Rows of files that others wrote: JSON Lines, JSON, CSV, TSV, Excel and Parquet."""

from __future__ import annotations

import csv
import functools
import json
from typing import TYPE_CHECKING

from sgleval.dataset.files import LONGEST_CELL, read_jsonl, read_parquet, utf8_lines
from sgleval.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sgleval.dataset.rows import Placed

TEXT_CELLS = frozenset({".csv", ".tsv", ".xlsx"})
"""Files whose cells are all text: what is a list, only the text can say."""

WANTED = "give a .jsonl, .json, .csv, .tsv, .xlsx or .parquet file"


def read_rows(path: Path) -> Iterator[Placed]:
    """Yield each row of `path` with where it stands, in file order.

    A cell of CSV, TSV or Excel is text, the empty text too; what a short record lacks is absent.

    Raises:
        UserError: the file is missing, broken or of another kind; opens with FILE, and LINE or row.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None or path.is_dir():
        raise UserError(f"{path} is no file of predictions; {WANTED}")
    try:
        yield from reader(path)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; {WANTED}") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error


def read_json(path: Path) -> Iterator[Placed]:
    """Yield the objects of a JSON array, or of an object that holds one; rows count from 1."""
    text = "".join(utf8_lines(path))
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}:{error.colno}: {error.msg}; is it JSON?") from error
    if isinstance(content, dict):
        lists = [value for value in content.values() if isinstance(value, list)]
        content = lists[0] if len(lists) == 1 else None
    if not isinstance(content, list):
        raise UserError(f"{path}: holds no list of rows; write one array of objects")
    for number, row in enumerate(content, start=1):
        if not isinstance(row, dict):
            raise UserError(f"{path}: row {number} is {row!r:.60}; write objects")
        yield f"{path}: row {number}", row


def read_table(path: Path, delimiter: str) -> Iterator[Placed]:
    """Yield one row per record under a header; cells are text."""
    csv.field_size_limit(LONGEST_CELL)
    records = csv.reader(utf8_lines(path), strict=True, delimiter=delimiter)
    header: list[str] | None = None
    line = 1
    try:
        for cells in records:
            where, line = f"{path}:{line}", records.line_num + 1
            if not cells:
                continue
            if header is None:
                header = cells
            elif len(cells) > len(header):
                found = f"{len(cells)} cells under {len(header)} columns"
                raise UserError(f"{where}: {found}; is the quoting right?")
            else:
                yield where, dict(zip(header, cells, strict=False))
    except csv.Error as error:
        raise UserError(f"{path}:{records.line_num}: {error}; is the quoting right?") from error


def read_sheet(path: Path) -> Iterator[Placed]:
    """Yield the rows of an Excel file's first sheet, as VLMEvalKit writes it; cells are text."""
    import polars as pl
    from fastexcel import FastExcelError

    path.stat()  # a missing file is told as for the others
    try:
        sheet = pl.read_excel(path, engine="calamine", infer_schema_length=0)
    except (FastExcelError, pl.exceptions.PolarsError) as error:
        reason = (str(error).splitlines() or ["?"])[0]
        raise UserError(f"{path}: cannot be read as an Excel file ({reason})") from error
    rows = sheet.cast(pl.String).fill_null("").iter_rows(named=True)
    for number, row in enumerate(rows, start=2):  # row 1 is the header
        yield f"{path}: row {number}", row


READERS: dict[str, Callable[[Path], Iterator[Placed]]] = {
    ".jsonl": read_jsonl,
    ".json": read_json,
    ".csv": functools.partial(read_table, delimiter=","),
    ".tsv": functools.partial(read_table, delimiter="\t"),
    ".xlsx": read_sheet,
    ".parquet": read_parquet,
}
