"""Rows that share a column's value, sorted or not, as one group each."""

import json
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from sgleval.dataset.keys import key_of
from sgleval.dataset.rows import Placed, Row, columns_of
from sgleval.errors import UserError

if TYPE_CHECKING:
    import numpy as np

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
    last = last_positions(keys)
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


def last_positions(keys: "array[int]") -> bytearray:
    """Mark with 1 the last position of each key."""
    import numpy as np

    marks = bytearray(len(keys))
    if keys:
        reverse = np.frombuffer(keys, dtype=np.uint64)[::-1]
        last = len(keys) - 1 - np.unique(reverse, return_index=True)[1]
        np.frombuffer(marks, dtype=np.uint8)[last] = 1
    return marks


def passes(keys: "array[int]", mask: bytes, most: int) -> Iterator[bytes]:
    """Split a mask over samples with these keys into several, each with all samples of some keys.

    Who reads the samples of one mask and waits for the last one of each key waits with about `most`
    of them at once. Sorted samples need one mask.
    """
    import numpy as np

    part, count = _parts(keys, mask, most)
    for number in range(count):
        yield (part == number).astype(np.uint8).tobytes()


def _parts(keys: "array[int]", mask: bytes, most: int) -> "tuple[np.ndarray[Any, Any], int]":
    """Return each sample's number of a mask, which is -1 outside of the given one, and how many."""
    import numpy as np

    part = np.full(len(mask), -1, dtype=np.int32)
    chosen = np.flatnonzero(np.frombuffer(mask, dtype=np.uint8))
    distinct, first, group = np.unique(
        np.frombuffer(keys, dtype=np.uint64)[chosen], return_index=True, return_inverse=True
    )
    last, gone = np.empty(len(distinct), dtype=np.int64), np.zeros(len(chosen), dtype=np.int64)
    last[group] = np.arange(len(chosen))  # of equal indices the last one counts
    gone[last] = np.bincount(group)
    waiting = np.arange(1, len(chosen) + 1) - np.cumsum(gone)
    count = max(1, -(-int(waiting.max(initial=0)) // most))
    rank = np.empty(len(distinct), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(distinct))
    part[chosen] = rank[group] * count // max(1, len(distinct))
    return part, count


def _key(where: str, row: Row, column: str) -> int:
    cell: Any = row.get(column)
    if cell is None:
        raise UserError(f"{where}: has no {column!r} to group by; {columns_of(row)}")
    if isinstance(cell, dict) and cell.get("bytes") is not None:
        cell = cell["bytes"]
    return key_of(cell if isinstance(cell, bytes) else json.dumps(cell, default=repr))
