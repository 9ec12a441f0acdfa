"""SHA-256 digests and sizes, kept between runs so that a resume reads no image again."""

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path


def user_folder(kind: str) -> Path:
    """Return sgleval's folder of a kind (`cache` or `state`) under the user's XDG home, made."""
    default = {"cache": ".cache", "state": ".local/state"}[kind]
    home = os.environ.get(f"XDG_{kind.upper()}_HOME") or Path.home() / default
    folder = Path(home) / "sgleval"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@cache
def _kept() -> sqlite3.Connection:
    try:
        return _table(str(user_folder("cache") / "digests.sqlite"))
    except (OSError, sqlite3.Error):  # a home that cannot be written costs time, not the run
        return _table(":memory:")


def _table(path: str) -> sqlite3.Connection:
    table = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        table.execute("PRAGMA journal_mode=WAL")
        table.execute("PRAGMA synchronous=OFF")  # a lost digest is only computed again
        table.execute(
            "CREATE TABLE IF NOT EXISTS digest (path TEXT PRIMARY KEY, stamp TEXT, sha256 TEXT)"
        )
        table.execute(
            "CREATE TABLE IF NOT EXISTS picture"
            " (sha256 TEXT PRIMARY KEY, width INTEGER, height INTEGER) WITHOUT ROWID"
        )
    except sqlite3.Error:
        table.close()
        raise
    return table


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hex, from the cache while its size and time are unchanged.

    Raises:
        OSError: the file is missing or cannot be read.
    """
    real = real_path(path)
    stat = os.stat(real)  # noqa: PTH116
    stamp = f"{stat.st_size} {stat.st_mtime_ns}"
    kept = _recall(real)
    if kept is not None and kept[0] == stamp:
        return kept[1]
    with open(real, "rb") as file:  # noqa: PTH123
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with contextlib.suppress(sqlite3.Error):  # a full disk or a lock: computed again next time
        _kept().execute(
            "INSERT OR REPLACE INTO digest VALUES (?, ?, ?)", (os.fsencode(real), stamp, digest)
        )
    return digest


def _recall(path: str) -> tuple[str, str] | None:
    with contextlib.suppress(sqlite3.Error):
        question = "SELECT stamp, sha256 FROM digest WHERE path = ?"
        row: tuple[str, str] | None = _kept().execute(question, (os.fsencode(path),)).fetchone()
        return row
    return None


def picture_size(sha256: str, measure: Callable[[], tuple[int, int]]) -> tuple[int, int]:
    """Return width and height of the picture with this digest; measured the first time only."""
    with contextlib.suppress(sqlite3.Error):
        question = "SELECT width, height FROM picture WHERE sha256 = ?"
        row: tuple[int, int] | None = _kept().execute(question, (sha256,)).fetchone()
        if row is not None:
            return row
    size = measure()
    with contextlib.suppress(sqlite3.Error):
        _kept().execute("INSERT OR REPLACE INTO picture VALUES (?, ?, ?)", (sha256, *size))
    return size


def real_path(path: Path) -> str:
    """Return `path.resolve()` as text, which asks about every folder above, in a tenth of the time.

    Text, since a million paths take long to be made and compared.
    """
    folder, name = os.path.split(path)
    if name in ("", ".", "..") or "\0" in name or os.path.islink(path):  # noqa: PTH114  (raises nothing)
        return str(path.resolve())
    if not folder.startswith(os.sep):
        folder = f"{Path.cwd()}{os.sep}{folder}"
    return os.path.join(_real_folder(folder), name)  # noqa: PTH118


@lru_cache(maxsize=1024)
def _real_folder(folder: str) -> str:  # a text: paths are slow to compare
    return str(Path(folder).resolve())


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 over the names and contents of all files below a folder, in hex."""
    whole = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = os.fsencode(path.relative_to(folder).as_posix())
        whole.update(name + b"\0" + file_digest(path).encode() + b"\n")
    return whole.hexdigest()
