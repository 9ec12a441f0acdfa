"""What was computed last, kept up to a budget: pictures that many questions ask about."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Kept = TypeVar("Kept")


class Recent(Generic[Kept]):
    """Values by key, the ones used last, up to a budget; threads may share it.

    Two threads that miss at once both compute, which is harmless: values depend on the key alone.
    """

    def __init__(self, budget: int, weigh: Callable[[Kept], int] = lambda _: 1) -> None:
        self._budget, self._weigh, self._weight = budget, weigh, 0
        self._values: OrderedDict[str, Kept] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str, compute: Callable[[], Kept]) -> Kept:
        """Return what is kept under `key`, else compute and keep it."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = compute()
        with self._lock:
            if key not in self._values:
                self._values[key] = value
                self._weight += self._weigh(value)
            while self._weight > self._budget:
                self._weight -= self._weigh(self._values.popitem(last=False)[1])
        return value
