"""The tables of a run folder, of any length: written and read some of their rows at a time."""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import polars as pl

ROWS = 10_000
"""So many of a table are in memory at once."""


@dataclass
class Writer:
    """Writes a Parquet file, which is there when the block ends."""

    path: Path
    schema: pl.Schema
    _rows: list[Mapping[str, Any]] = field(default_factory=list, init=False)
    _frames: list[pl.DataFrame] = field(default_factory=list, init=False)
    _parts: int = field(default=0, init=False)

    def __enter__(self) -> Self:
        self._stack = contextlib.ExitStack()
        folder = tempfile.TemporaryDirectory(prefix=f".{self.path.name}-", dir=self.path.parent)
        self._folder = Path(self._stack.enter_context(folder))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._stack:
            if kind is not None:
                return
            self._flush()
            if self._parts == 1:
                (self._folder / "0.parquet").replace(self.path)
            else:
                parts = [self._folder / f"{number}.parquet" for number in range(self._parts)]
                pl.scan_parquet(parts, glob=False).sink_parquet(self.path)

    def add(self, row: Mapping[str, Any]) -> None:
        """Take one row; a column that it lacks is null."""
        self._rows.append(row)
        if len(self._rows) == ROWS:
            self._flush()

    def put(self, frame: pl.DataFrame) -> None:
        """Take some rows at once."""
        self._frames.append(frame)
        if sum(frame.height for frame in self._frames) >= ROWS:
            self._flush()

    def _flush(self) -> None:
        """Write what waits, at least once."""
        waiting = [*self._frames, pl.DataFrame(self._rows, schema=self.schema)]
        frame = pl.concat(waiting)
        if frame.is_empty() and self._parts:
            return
        frame.write_parquet(self._folder / f"{self._parts}.parquet")
        self._rows.clear()
        self._frames.clear()
        self._parts += 1


class Chunk(NamedTuple):
    """Some samples, all their predictions, and what perturbations made of their texts."""

    samples: pl.DataFrame
    predictions: pl.DataFrame
    copies: pl.DataFrame | None


@dataclass(frozen=True)
class Stored:
    """The samples and predictions of a run folder; predictions stand in the samples' order."""

    folder: Path

    @property
    def samples(self) -> pl.LazyFrame:
        """All of `samples.parquet`."""
        return pl.scan_parquet(self.folder / "samples.parquet", glob=False)

    @property
    def predictions(self) -> pl.LazyFrame:
        """All of `predictions.parquet`."""
        return pl.scan_parquet(self.folder / "predictions.parquet", glob=False)

    @property
    def copies(self) -> pl.LazyFrame | None:
        """All of `copies.parquet`, where the run has perturbations."""
        path = self.folder / "copies.parquet"
        return pl.scan_parquet(path, glob=False) if path.is_file() else None

    @cached_property
    def n(self) -> int:
        """How many samples there are."""
        return int(self.samples.select(pl.len()).collect().item())

    @cached_property
    def labels(self) -> dict[str, list[str]]:
        """The variants and the perturbations, as they first come."""
        keys = ("variant", "perturbation")
        return {
            key: self.predictions.select(pl.col(key).unique(maintain_order=True))
            .collect(engine="streaming")[key]
            .to_list()
            for key in keys
        }

    def tables(self, *, whole: bool = False) -> Iterator[pl.DataFrame]:
        """Yield the samples, some at a time or all at once."""
        size = self.n if whole else ROWS
        for begin in range(0, self.n, size):
            yield self.samples.slice(begin, size).collect()

    def chunks(self, *, whole: bool = False) -> Iterator[Chunk]:
        """Yield samples with their predictions, some at a time or all at once."""
        most = max(1, len(self.labels["variant"]) * len(self.labels["perturbation"]))
        size, read = self.n if whole else max(1, ROWS // most), 0
        for begin in range(0, self.n, size):
            samples = self.samples.slice(begin, size).collect()
            ahead = self.predictions.slice(read, size * most).collect()
            theirs = int(ahead["sample_id"].is_in(samples["sample_id"].implode()).sum())
            read += theirs
            yield Chunk(samples, ahead.head(theirs), self._copies_of(samples))

    def _copies_of(self, samples: pl.DataFrame) -> pl.DataFrame | None:
        if self.copies is None:
            return None
        ids = samples.lazy().select("sample_id")
        return self.copies.join(ids, on="sample_id", how="semi", maintain_order="left").collect()
