"""The servers that `sgleval serve` keeps up: where later commands find them."""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sgleval.digests import user_folder
from sgleval.runtime.client import Client, RequestError


@dataclass(frozen=True)
class Served:
    """One server that is up: a line in the user's state folder."""

    url: str
    process: int
    weight_version: str
    """What the server reports of its weights and of the flags that can change an answer."""
    flags: list[str]
    """All flags that the user passed through, harmless ones included."""


def _folder() -> Path:
    folder = user_folder("state") / "servers"
    folder.mkdir(exist_ok=True)
    return folder


@contextlib.contextmanager
def recorded(served: Served) -> Iterator[None]:
    """Let later commands find a server as long as the block runs."""
    path = _folder() / f"{served.process}.json"
    path.write_text(json.dumps(asdict(served)))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find_served(weight_version: str, flags: Sequence[str]) -> Served | None:
    """Return a server that is up with this model and these flags; stale records are removed."""
    for path in sorted(_folder().glob("*.json")):
        try:
            served = Served(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            continue  # being written, or of another release
        if not _alive(served.process):
            path.unlink(missing_ok=True)
        elif (served.weight_version, served.flags) == (weight_version, list(flags)) and _up(served):
            return served
    return None


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return True


def _up(served: Served) -> bool:
    """Say whether it answers now: one that `sgleval serve` starts again keeps its record."""
    try:
        info = Client(served.url, seconds=10).get("/model_info")
    except RequestError:
        return False
    return isinstance(info, dict) and info.get("weight_version") == served.weight_version
