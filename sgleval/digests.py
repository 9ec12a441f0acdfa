"""SHA-256 digests of files, kept between runs so that a resume reads no image again."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from functools import cache
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
    table = sqlite3.connect(
        user_folder("cache") / "digests.sqlite", timeout=30, isolation_level=None, check_same_thread=False
    )
    table.execute("PRAGMA journal_mode=WAL")
    table.execute("PRAGMA synchronous=OFF")  # a lost digest is only computed again
    table.execute("CREATE TABLE IF NOT EXISTS digest (path TEXT PRIMARY KEY, stamp TEXT, sha256 TEXT)")
    return table


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hex, from the cache while its size and time are unchanged."""
    path = path.resolve()
    stat = path.stat()
    stamp = f"{stat.st_size} {stat.st_mtime_ns}"
    row = _kept().execute("SELECT stamp, sha256 FROM digest WHERE path = ?", (str(path),)).fetchone()
    if row is not None and row[0] == stamp:
        return str(row[1])
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    _kept().execute("INSERT OR REPLACE INTO digest VALUES (?, ?, ?)", (str(path), stamp, digest))
    return digest


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 over the names and contents of all files below a folder, in hex."""
    whole = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        whole.update(f"{path.relative_to(folder).as_posix()}\0{file_digest(path)}\n".encode())
    return whole.hexdigest()
