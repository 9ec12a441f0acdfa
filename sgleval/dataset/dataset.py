"""Dataset: a source of rows and the function that makes samples of them."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from sgleval.answers.answer import Answer
from sgleval.dataset.choices import lettering
from sgleval.dataset.files import Files
from sgleval.dataset.generate import Generated, RowsOf
from sgleval.dataset.grouping import Group, groups
from sgleval.dataset.images import ImageCells
from sgleval.dataset.rows import Row, Source, ToSample, called, standard_sample
from sgleval.errors import UserError
from sgleval.sample import Sample

if TYPE_CHECKING:
    from sgleval.dataset.scan import Scan


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows and how they become samples; nothing is read before `scan` or `samples`."""

    source: Source
    to_sample: ToSample | None = None
    """None for rows in the standard shape (`rows.standard_sample`)."""
    group_by: str | None = None
    """The column whose value the rows that `to_sample` gets together share."""
    name: str = ""
    revision: str | None = None

    def __post_init__(self) -> None:
        if self.group_by is not None and self.to_sample is None:
            raise UserError(f"group_by={self.group_by!r} needs a to_sample that takes a list")
        object.__setattr__(self, "name", self.name or self.source.name)

    @classmethod
    def files(
        cls,
        path: str | Path,
        *,
        to_sample: ToSample | None = None,
        group_by: str | None = None,
        name: str | None = None,
        revision: str | None = None,
    ) -> Self:
        """Take rows from a JSONL, CSV or Parquet file, or a folder with one beside its images.

        In a task file a relative path starts at the task file.
        """
        return cls(Files(Path(path).expanduser()), to_sample, group_by, name or "", revision)

    @classmethod
    def generate(
        cls,
        rows: RowsOf,
        *,
        to_sample: ToSample | None = None,
        group_by: str | None = None,
        name: str | None = None,
        revision: str | None = None,
    ) -> Self:
        """Take rows from a function `rows(seed)`, which yields the same dicts for the same seed.

        Images in them are bytes or absolute paths.
        """
        return cls(Generated(rows), to_sample, group_by, name or "", revision)

    def located(self, folder: Path) -> Self:
        """Return the dataset of a task file in `folder`, where its relative path starts."""
        source = self.source.located(folder)
        named = self.name != self.source.name  # else "." would keep the working folder's name
        return replace(self, source=source, name=self.name if named else source.name)

    def replaced_by_files(self, path: str | Path) -> Self:
        """Return the dataset with its rows from other files (`--data`); `to_sample` stays.

        A relative path starts at the working folder.
        """
        source = Files(Path(path).expanduser())
        return replace(self, source=source, name=source.name, revision=None)

    def scan(
        self,
        *,
        seed: int,
        answer: Answer | None = None,
        each: Callable[[Sample], None] | None = None,
    ) -> "Scan":
        """Read every row once and keep what planning needs of it (the first pass).

        `each` is called with every good sample: for a progress bar, for statistics.

        Raises:
            UserError: something is wrong; one line per problem, with file and row.
        """
        from sgleval.dataset.scan import scanned

        scan = scanned(self, seed=seed, answer=answer, each=each)
        if scan.problems:
            raise UserError(str(scan.problems))
        return scan

    def samples(
        self, *, seed: int, answer: Answer | None = None, chosen: bytes | None = None
    ) -> Iterator[Sample]:
        """Yield the samples in the dataset's order (the second pass).

        Positions are those of the scan; `chosen` is 1 at those to take. With the answer type
        `Choice` answers are letters.

        Raises:
            UserError: a row cannot be read any more.
        """
        lettered = lettering(answer)
        for where, made in self.made(seed, chosen):
            try:
                if isinstance(made, UserError):
                    raise made
                sample = made if answer is None else lettered(made)
            except UserError as error:
                raise UserError(f"{where}: {error}") from error
            yield sample

    def made(
        self, seed: int, chosen: bytes | None = None
    ) -> Iterator[tuple[str, Sample | UserError]]:
        """Yield for each row (or group) where it stands and its sample, or what is wrong with it.

        Raises:
            UserError: the source itself cannot be read further.
        """
        cells = ImageCells(self.source.folder)
        marks = itertools.repeat(1) if chosen is None else chosen
        for (where, rows), mark in zip(self._groups(seed), marks, strict=chosen is not None):
            if mark:
                yield where, self._made(rows, cells)

    def _groups(self, seed: int) -> Iterator[Group]:
        if self.group_by is not None:
            return groups(lambda: self.source.rows(seed), self.group_by)
        return ((where, [row]) for where, row in self.source.rows(seed))

    def _made(self, rows: list[Row], cells: ImageCells) -> Sample | UserError:
        try:
            converted = [cells.converted(row) for row in rows]
            if self.to_sample is None:
                return standard_sample(converted[0])
            return called(self.to_sample, converted if self.group_by else converted[0])
        except UserError as error:
            return error
