"""The run folder: the journal that survives a crash, and the tables made from it."""

import contextlib
import fcntl
import io
import json
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import orjson

from sgleval.answers.probabilities import FORBIDDEN
from sgleval.dataset.keys import Places
from sgleval.errors import RunError, UserError
from sgleval.fingerprint import half_of
from sgleval.runtime.ledger import TOKENS
from sgleval.runtime.run_batch import Outcome

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Entry = dict[str, Any]
OK = b'"ok": true'
HALF = len('{"key": "') + 16, len('{"key": "') + 32
"""Where the half of a line's key stands that `half_of` takes."""
STATE = HALF[1] + len('", '), HALF[1] + len('", ') + len(OK)
"""Where a line says whether it was answered."""
NO_DIGIT = 16  # beside the sixteen
BLOCK = 1 << 22
"""Bytes of a journal that are indexed at once."""
META = (
    *("finish_reason", *TOKENS),
    *("output_token_logprobs", "output_top_logprobs"),
    *("e2e_latency", "queue_time", "first_token_latency"),
)


@dataclass
class Journal:
    """One line of JSON per finished sample, appended and flushed as it finishes; the last counts.

    In memory stand only half of each key and the place of its line, some 40 bytes. A torn last line
    is cut off when it is opened.
    """

    path: Path
    _places: Places = field(default_factory=Places, init=False)
    """Where the line of a key begins, times two, and one more where it failed."""

    def __enter__(self) -> Self:
        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # No buffer: after a refused write it would hold half a line and write it on closing.
            self._file = self.path.open("ab", buffering=0)
        except OSError as error:
            raise UserError(f"{folder}: {error.strerror}; give another --out") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise UserError(
                f"{folder}: another sgleval writes here; wait or give another --out"
            ) from error
        self._lines = self.path.open("rb")
        self._index()
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._file.close()

    def _index(self) -> None:
        keys, places, offset, torn = array("Q"), array("Q"), 0, b""
        while block := self._lines.read(BLOCK):
            lines, newline, torn = (torn + block).rpartition(b"\n")
            found = _indexed(lines + newline, offset)
            for kept, new in zip((keys, places), found, strict=True):
                kept.frombytes(new.tobytes())
            offset += len(lines + newline)
        if torn:  # the process died while it wrote
            self._cut(offset)
        self._end, self._places = offset, Places.of(keys, places)

    def __contains__(self, key: str) -> bool:
        """Say whether a key is answered; a failed one is asked again."""
        return self.has(half_of(key))

    def has(self, half: int) -> bool:
        """Say so by half of the key (`fingerprint.half_of`)."""
        place = self._places.get(half)
        return place is not None and place % 2 == 0

    def have(self, halves: "array[int]") -> "NDArray[np.bool_]":
        """Say so of many at once."""
        there: NDArray[np.bool_] = self._places.of_all(halves) % 2 == 0  # ABSENT is odd, too
        return there

    def clear(self) -> None:
        """Start over."""
        self._cut(0)
        self._end = 0
        self._places = Places()

    def append(
        self, key: str, variant: str, sample_id: str, outcome: Outcome, perturbation: str = "none"
    ) -> Entry:
        """Keep one finished sample and return what was kept.

        Raises:
            RunError: the disk refuses; what was kept before stays whole.
        """
        entry: Entry = {
            "key": key,
            "ok": outcome.error is None,
            "sample_id": sample_id,
            "variant": variant,
            "perturbation": perturbation,
            "error": outcome.error,
            "variables": outcome.variables,
            "meta": {name: _slim(meta) for name, meta in outcome.meta.items()},
            "requests": outcome.requests,
            "tokens": outcome.tokens,
            "seconds": round(outcome.seconds, 6),
            "started_at": outcome.started_at.isoformat(),
        }
        line = json.dumps(entry).encode() + b"\n"
        try:
            self._write(line)
        except OSError as error:
            with contextlib.suppress(OSError):
                self._cut(self._end)  # half a line must not swallow the next one
            raise RunError(
                f"{self.path}: {error.strerror}; make room and run the command again"
            ) from error
        self._places.set(half_of(key), 2 * self._end + (outcome.error is not None))
        self._end += len(line)
        return entry

    def _cut(self, end: int) -> None:
        self._file.truncate(end)
        self._lines.seek(0, io.SEEK_END)  # the one seek that forgets what was read ahead

    def _write(self, line: bytes) -> None:
        while line:  # a disk that fills up takes a part first and refuses the rest
            line = line[self._file.write(line) :]

    def forget(self) -> None:
        """Let go of the keys: nothing is read or kept any more, but nobody else may write yet."""
        self._places = Places()

    def read(self, key: str) -> Entry | None:
        """Return what was kept under a key, answered or failed, or None."""
        place = self._places.get(half_of(key))
        if place is None:
            return None
        self._lines.seek(place // 2)
        return _parsed(self._lines.readline())


def _indexed(lines: bytes, offset: int) -> "tuple[NDArray[np.uint64], NDArray[np.uint64]]":
    """Return half of each line's key, and its place; `offset` is that of the first line.

    A line that is none of ours is left out: what it held is asked again.
    """
    import numpy as np

    text = np.frombuffer(lines, np.uint8)
    ends = np.flatnonzero(text == ord("\n"))
    begins = np.concatenate(([0], ends + 1))[:-1]
    begins = begins[ends - begins >= STATE[1]]
    worth = np.full(256, NO_DIGIT, np.uint8)  # of each byte as a hex digit
    worth[list(b"0123456789abcdef")] = range(16)
    digits = worth[text[begins[:, None] + np.arange(*HALF)]]
    ours = (digits != NO_DIGIT).all(axis=1)
    begins, digits = begins[ours], digits[ours]
    packed = np.ascontiguousarray(digits[:, ::2] << 4 | digits[:, 1::2])
    said = text[begins[:, None] + np.arange(*STATE)]
    failed = (said != np.frombuffer(OK, np.uint8)).any(axis=1)
    places = (offset + begins).astype(np.uint64) * 2 + failed
    return packed.view(">u8").ravel().astype(np.uint64), places.astype(np.uint64)


def _parsed(line: bytes) -> Entry:
    try:
        return dict(orjson.loads(line))  # in a quarter of the time
    except orjson.JSONDecodeError:  # NaN, half of a surrogate pair
        return dict(json.loads(line))


def _slim(meta: Mapping[str, Any]) -> Entry:
    """Return what tables are made of out of SGLang's `meta_info`.

    Tokens that a constraint forbade (-3.4e38) are left out of the top lists.
    """
    kept = {name: meta[name] for name in META if meta.get(name) is not None}
    if tops := kept.get("output_top_logprobs"):
        allowed = [[token for token in top or () if token[0] > FORBIDDEN] for top in tops]
        kept["output_top_logprobs"] = allowed
    return kept
