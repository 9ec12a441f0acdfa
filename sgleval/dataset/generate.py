"""Rows that a function yields: sets inside a PyPI package, rendered sets."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sgleval.dataset.rows import Placed, raised
from sgleval.errors import UserError

RowsOf = Callable[[int], Iterable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Generated:
    """A function `rows(seed)` that yields dicts, the same ones for the same seed."""

    function: RowsOf

    def __post_init__(self) -> None:
        try:
            inspect.signature(self.function).bind(0)
        except TypeError as error:
            raise UserError(f"{self.name}() cannot take a seed: write `def rows(seed)`") from error

    @property
    def name(self) -> str:
        """The function's name."""
        return getattr(self.function, "__name__", type(self.function).__name__)

    @property
    def folder(self) -> Path | None:
        """No folder: a generator gives bytes or absolute paths."""
        return None

    def located(self, folder: Path) -> Self:  # noqa: ARG002  (nothing here is relative)
        """Return itself."""
        return self

    def rows(self, seed: int) -> Iterator[Placed]:
        """Yield what the function yields, numbered from 1."""
        for number, row in enumerate(self._yielded(seed), start=1):
            where = f"{self.name}() row {number}"
            if not isinstance(row, dict):
                raise UserError(f"{where}: is {row!r:.60}; yield dicts")
            yield where, row

    def _yielded(self, seed: int) -> Iterator[Any]:
        """Yield the same; whatever the user's function raises becomes a line."""
        number = 0
        try:
            for row in self.function(seed):
                number += 1
                yield row
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"{raised(f'{self.name}()', error)} after {number} rows") from error
