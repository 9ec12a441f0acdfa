"""Rows that share a column's value, sorted or not, as one group each."""

import json
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sgleval.dataset.keys import key_of
from sgleval.dataset.rows import Placed, Row, columns_of
from sgleval.errors import UserError

Group = tuple[str, list[Row]]
"""Where the group's first row stands, and its rows in order."""


def groups(read: Callable[[], Iterable[Placed]], column: str) -> Iterator[Group]:
    """Yield the rows that share a value of `column`, groups in the order of their first rows.

    The rows are read twice: first for where each group ends (8 bytes a row), then to hand a group
    on as soon as it and all before it are complete. Sorted rows are never held back.

    Raises:
        UserError: a row lacks the column.
    """
    keys = array("Q", (_key(where, row, column) for where, row in read()))
    last = _last_positions(keys)
    open_groups: OrderedDict[int, Group] = OrderedDict()
    complete: set[int] = set()
    for position, (where, row) in enumerate(read()):
        key = keys[position]
        open_groups.setdefault(key, (where, []))[1].append(row)
        if last[position]:
            complete.add(key)
        while open_groups and (first := next(iter(open_groups))) in complete:
            complete.remove(first)
            yield open_groups.pop(first)


def _last_positions(keys: "array[int]") -> bytearray:
    """Mark with 1 the last position of each key."""
    import numpy as np

    marks = bytearray(len(keys))
    if keys:
        reverse = np.frombuffer(keys, dtype=np.uint64)[::-1]
        last = len(keys) - 1 - np.unique(reverse, return_index=True)[1]
        np.frombuffer(marks, dtype=np.uint8)[last] = 1
    return marks


def _key(where: str, row: Row, column: str) -> int:
    cell: Any = row.get(column)
    if cell is None:
        raise UserError(f"{where}: has no {column!r} to group by; {columns_of(row)}")
    if isinstance(cell, dict) and cell.get("bytes") is not None:
        cell = cell["bytes"]
    return key_of(cell if isinstance(cell, bytes) else json.dumps(cell, default=repr))
