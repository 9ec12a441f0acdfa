"""Rows of files: JSON Lines, CSV and Parquet, alone or in a folder beside their images."""

import contextlib
import csv
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson

from sgleval.dataset.rows import Placed, Row
from sgleval.errors import UserError

_DECODER = json.JSONDecoder()
LONG_NUMBER = re.compile(r"[0-9]{19}")
LONGEST_CELL = 2**31 - 1  # a data URL is longer than the 128 KiB that the csv module allows


@dataclass(frozen=True, slots=True)
class Files:
    """A data file, or a folder that holds one beside its images."""

    path: Path
    default: bool = False
    """Whether a task file names it, so that `--data` can replace it."""

    @property
    def name(self) -> str:
        """The folder's name, or the file's where it says more than `data` or `metadata`."""
        path = self.path.resolve()
        if path.suffix.lower() in READERS:
            return path.parent.name if path.stem in ("data", "metadata") else path.stem
        return path.name

    @property
    def folder(self) -> Path:
        """The folder of the data file, which the images' paths stay in."""
        return self.data_file().parent

    def located(self, folder: Path) -> Self:
        """Return the source with its relative path starting at the task file's folder."""
        return type(self)(folder / self.path, default=True)

    def data_file(self) -> Path:
        """Return the one data file that `path` is or holds.

        Raises:
            UserError: there is none, or more than one.
        """
        if not self.path.exists():
            way_out = "give it with --data PATH" if self.default else f"give {WANTED}"
            raise UserError(f"{self.path} is missing; {way_out}")
        if self.path.is_dir():
            return _only_data_file(self.path)
        if self.path.suffix.lower() not in READERS:
            raise UserError(f"{self.path} is no data file; give {WANTED}")
        return self.path

    def rows(self, seed: int) -> Iterator[Placed]:  # noqa: ARG002  (files draw nothing)
        """Yield each row with its FILE:LINE, in file order; `file_name` counts as `image`.

        Raises:
            UserError: the file is missing or broken; opens with FILE, and LINE if known.
        """
        path = self.data_file()
        try:
            for where, row in READERS[path.suffix.lower()](path):
                yield where, _with_image(row)
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror or error}") from error


def read_jsonl(path: Path) -> Iterator[Placed]:
    """Yield one row per line of `path` (JSON Lines, UTF-8) in file order, blank lines skipped.

    Raises:
        UserError: a line is no JSON object; the message opens with FILE:LINE:COLUMN, from 1.
    """
    name = str(path)
    for number, line in enumerate(utf8_lines(path), start=1):
        if line.isspace():
            continue
        try:
            row = _decoded(line)
        except json.JSONDecodeError as error:
            where = f"{name}:{number}:{error.colno}"
            raise UserError(f"{where}: {error.msg}; write one JSON object per line") from error
        if not isinstance(row, dict):
            found = type(row).__name__
            raise UserError(f"{name}:{number}:1: found a {found}; write one JSON object per line")
        yield f"{name}:{number}", row


def _decoded(line: str) -> Any:
    """Return what a line holds, by the quicker reader where both say the same.

    The other one also reads whole numbers beyond 64 bits, NaN, and half of a surrogate pair, and
    names the column of a mistake.
    """
    if LONG_NUMBER.search(line) is None:
        with contextlib.suppress(orjson.JSONDecodeError):
            return orjson.loads(line)
    return _DECODER.decode(line.rstrip("\r\n"))  # behind it columns begin again


def read_csv(path: Path) -> Iterator[Placed]:
    """Yield one row per record of `path` (UTF-8, a header row); empty cells are absent.

    A cell is a list only where it is a JSON array; `id` and `question` are always text.

    Raises:
        UserError: a record is broken or has more cells than the header; opens with FILE:LINE.
    """
    csv.field_size_limit(LONGEST_CELL)
    records = csv.reader(utf8_lines(path), strict=True)  # else an open quote eats the file
    header: list[str] | None = None
    line = 1
    try:
        for cells in records:
            where, line = f"{path}:{line}", records.line_num + 1
            if not cells:
                continue
            if header is None:
                header = _header(where, cells)
            elif len(cells) > len(header):
                raise UserError(
                    f"{where}: {len(cells)} cells under {len(header)} columns; quote commas in text"
                )
            else:
                yield where, _csv_row(header, cells)
    except csv.Error as error:
        raise UserError(f"{path}:{records.line_num}: {error}; is the quoting right?") from error


def read_parquet(path: Path) -> Iterator[Placed]:
    """Yield one row per record of a Parquet file; rows are numbered from 1.

    Raises:
        UserError: the file is no Parquet file or is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=64):  # rows may hold whole images
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path}: row {number}", row
    except (pa.ArrowException, EOFError) as error:
        words = str(error).partition("\n")[0]
        raise UserError(f"{path}: broken after row {number}: {words}; write it again") from error


READERS: dict[str, Callable[[Path], Iterator[Placed]]] = {
    ".jsonl": read_jsonl,
    ".csv": read_csv,
    ".parquet": read_parquet,
}
WANTED = "a .jsonl, .csv or .parquet file or a folder with one"


def utf8_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 file without its byte order mark; only a newline ends a line.

    Raises:
        UserError: a byte is not UTF-8; the message opens with FILE:LINE:COLUMN.
    """
    with path.open("rb") as file:  # not splitlines(): it also breaks at U+2028
        for number, line in enumerate(file, start=1):
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                column = len(line[: error.start].decode()) + 1
                raise UserError(
                    f"{path}:{number}:{column}: byte 0x{line[error.start]:02X} is not UTF-8; "
                    "save the file as UTF-8"
                ) from error
            yield text.removeprefix("\ufeff") if number == 1 else text


def _only_data_file(folder: Path) -> Path:
    found = sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in READERS and file.is_file() and not file.name.startswith(".")
    )
    for stem in ("data", "metadata"):
        named = [file for file in found if file.stem == stem]
        if len(named) == 1:
            return named[0]
    if not found:
        raise UserError(f"{folder} holds no data file; put data.jsonl beside the images")
    if len(found) > 1:
        names = ", ".join(file.name for file in found[:5])
        raise UserError(f"{folder} holds several data files ({names}); give one of them")
    return found[0]


def _with_image(row: Row) -> Row:
    """Rename `file_name`, the image's column in Hugging Face image folders."""
    if row.get("file_name") is None or "image" in row or "images" in row:
        return row
    return {"image" if column == "file_name" else column: cell for column, cell in row.items()}


def _header(where: str, cells: list[str]) -> list[str]:
    twice = sorted({name for name in cells if name and cells.count(name) > 1})
    if twice:
        raise UserError(f"{where}: column {twice[0]!r} is there twice; rename one")
    return cells


def _csv_row(header: list[str], cells: list[str]) -> Row:
    named = zip(header, cells, strict=False)  # a short record ends in absent cells
    return {name: _csv_cell(name, cell) for name, cell in named if name and cell}


def _csv_cell(name: str, cell: str) -> Any:
    if cell.lstrip().startswith("[") and name not in ("id", "question"):
        try:
            return json.loads(cell)
        except json.JSONDecodeError:
            return cell
    return cell
