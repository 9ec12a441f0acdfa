"""64-bit keys of texts, and a set of them that a million rows can afford."""

import hashlib
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from sgleval.sample import Image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ABSENT = 2**64 - 1


def key_of(content: str | bytes) -> int:
    """Return the first 64 bits of BLAKE2b: the same on every machine and every day.

    Two of a million texts share a key once in some 40 million datasets.
    """
    content = content.encode(errors="surrogatepass") if isinstance(content, str) else content
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")


def key_of_images(images: Sequence[Image]) -> int:
    """Return the key of the images of one sample, in their order."""
    return key_of("\n".join(image.digest for image in images))


class Seen:
    """A set of 64-bit keys in 12 to 24 bytes each, where Python's own takes 64 to 100."""

    def __init__(self, expected: int = 0) -> None:
        self._slots = _free(max(1024, 2 ** (3 * expected // 2).bit_length()))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, key: int) -> bool:
        """Add a key; say whether it is new."""
        slot = self._slot(key)
        if self._slots[slot]:
            return False
        self._fill(slot, key)
        return True

    def _fill(self, slot: int, key: int) -> None:
        self._slots[slot] = key or 1
        self._count += 1
        if 3 * self._count > 2 * len(self._slots):
            self._grow()

    def _slot(self, key: int) -> int:
        """Return where a key stands, or the free slot where it would."""
        key = key or 1  # 0 marks a free slot
        slots, mask = self._slots, len(self._slots) - 1
        slot = key & mask
        while slots[slot] and slots[slot] != key:
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        kept = self._slots
        self._slots = _free(2 * len(kept))
        for key in kept:
            if key:
                self._slots[self._slot(key)] = key


class Places(Seen):
    """A map from 64-bit keys to numbers below 2^64 - 1, in 24 to 48 bytes each."""

    def __init__(self, expected: int = 0) -> None:
        super().__init__(expected)
        self._numbers = _free(len(self._slots))

    @classmethod
    def of(cls, keys: "array[int]", numbers: "array[int]") -> Self:
        """Make the map of many keys at once; of equal ones the last number counts."""
        import numpy as np

        places = cls(len(keys))
        if not keys:
            return places
        latest_first = np.maximum(np.frombuffer(keys, np.uint64)[::-1], 1)
        distinct, latest = np.unique(latest_first, return_index=True)
        wanted = np.frombuffer(numbers, np.uint64)[::-1][latest]
        slots, held = (np.frombuffer(of, np.uint64) for of in (places._slots, places._numbers))
        mask = len(slots) - 1
        slot, waiting = (distinct & np.uint64(mask)).astype(np.int64), np.arange(len(distinct))
        while waiting.size:  # all at once what `_slot` and `_fill` do
            free = waiting[slots[slot[waiting]] == 0]
            taken, one = np.unique(slot[free], return_index=True)
            slots[taken], held[taken] = distinct[free[one]], wanted[free[one]]
            waiting = waiting[slots[slot[waiting]] != distinct[waiting]]
            slot[waiting] = (slot[waiting] + 1) & mask
        places._count = len(distinct)
        return places

    def get(self, key: int) -> int | None:
        """Return the number of a key, or None where it has none."""
        slot = self._slot(key)
        return self._numbers[slot] if self._slots[slot] else None

    def of_all(self, keys: "array[int]") -> "NDArray[np.uint64]":
        """Return what `get` returns of many keys, `ABSENT` for those without a number."""
        import numpy as np

        wanted = np.maximum(np.frombuffer(keys, np.uint64), 1)
        slots, held = (np.frombuffer(of, np.uint64) for of in (self._slots, self._numbers))
        mask = len(slots) - 1
        slot, waiting = (wanted & np.uint64(mask)).astype(np.int64), np.arange(len(wanted))
        found = np.full(len(wanted), ABSENT, np.uint64)
        while waiting.size:
            there = slots[slot[waiting]]
            hit = there == wanted[waiting]
            found[waiting[hit]] = held[slot[waiting[hit]]]
            waiting = waiting[~hit & (there != 0)]
            slot[waiting] = (slot[waiting] + 1) & mask
        return found

    def set(self, key: int, number: int) -> None:
        """Give a key a number in place of the one it had."""
        slot = self._slot(key)
        self._numbers[slot] = number  # first, since a new key may move all the others
        if not self._slots[slot]:
            self._fill(slot, key)

    def _grow(self) -> None:
        kept, numbers = self._slots, self._numbers
        self._numbers = _free(2 * len(kept))
        super()._grow()
        for key, number in zip(kept, numbers, strict=True):
            if key:
                self._numbers[self._slot(key)] = number


def _free(slots: int) -> "array[int]":
    return array("Q", [0]) * slots
