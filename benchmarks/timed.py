"""A server as sgleval starts it whose work is measured: times, tokens, and what disturbed it."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import sys
import time
import urllib.request
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from sgleval.runtime.model import speaking
from sgleval.runtime.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from sgleval.runtime.model import Model

QUIET = 0.05  # of the machine: what other programs may take of it while an arm runs
TRIES = 3  # for an arm that other programs disturbed


class TimedServer(Server):
    """The server that sgleval starts, with all its flags, and a clock; see `timed_server`."""

    @property
    def command(self) -> list[str]:
        """The usual command line with another program in place of `-m sgleval.runtime.launch`."""
        program = Path(__file__).with_name("timed_server.py")
        return [sys.executable, str(program), *super().command[3:]]


@dataclass(frozen=True)
class Counters:
    """What has been done so far, or between two moments."""

    prompt: float
    cached: float
    """Tokens, by SGLang's own count."""
    prefill: float
    """Wall seconds in which the model computed prefill batches."""
    decode: float
    batches: float
    others: float
    """CPU seconds of programs that are neither the server nor of this benchmark."""

    def __sub__(self, before: Counters) -> Counters:
        pairs = zip(astuple(self), astuple(before), strict=True)
        return Counters(*(now - then for now, then in pairs))


@dataclass(frozen=True)
class Measured:
    """One arm in one repetition."""

    setting: str
    repetition: str
    arm: str
    seconds: float
    """Of the requests."""
    whole: float
    """Of the whole call, of which only sgleval's has more in it."""
    prompt: float
    cached: float
    prefill: float
    batches: float
    others: float
    """The share of the machine that other programs took."""


def facts(kept: Collection[Measured]) -> list[str]:
    """Return medians: seconds, whole, tokens, share cached, computed, share of prefill, batches."""
    return [
        f"{median(one.seconds for one in kept):.2f}",
        f"{median(one.whole for one in kept):.2f}",
        f"{median(one.prompt for one in kept):,.0f}",
        f"{median(one.cached / one.prompt for one in kept):.3f}",
        f"{median(one.prompt - one.cached for one in kept):,.0f}",
        f"{median(one.prefill / one.seconds for one in kept):.2f}",
        f"{median(one.batches for one in kept):.0f}",
    ]


@dataclass(frozen=True)
class Served:
    """One server for all arms."""

    server: TimedServer
    model: Model
    """What `--model FOLDER` means to sgleval, on this server."""
    totals: Path
    """Where the server writes its times."""

    @property
    def url(self) -> str:
        """The server's address."""
        return self.server.url

    def measure(
        self,
        names: tuple[str, str, str],
        prepare: Callable[[], Callable[[], tuple[float, float]]],
    ) -> Measured:
        """Measure what `prepare` returns; again, with what it then returns, if it was disturbed.

        `names` are setting, repetition and arm. What is measured asks, with an empty radix cache,
        and returns the seconds of the requests and of the whole call.
        """
        for _ in range(TRIES):
            run = prepare()
            self.flush()
            before, began = self.counters(), time.perf_counter()
            seconds, whole = run()
            did, all_cpus = self.counters() - before, time.perf_counter() - began
            all_cpus *= os.cpu_count() or 1
            others = did.others / all_cpus
            if others < QUIET:
                break
        tokens = did.prompt, did.cached
        return Measured(*names, seconds, whole, *tokens, did.prefill, did.batches, others)

    def counters(self) -> Counters:
        """Return what has been done so far."""
        with urllib.request.urlopen(self.url + "/metrics", timeout=60) as reply:
            text = reply.read().decode()
        prompt, cached = (
            sum(float(n) for n in re.findall(rf"^sglang:{name}_total\{{.*\}} (\S+)$", text, re.M))
            for name in ("prompt_tokens", "cached_tokens")
        )
        assert self.server.process is not None
        others = busy() - busy_in({os.getpgrp(), self.server.process.pid})
        return Counters(prompt, cached, *map(float, self.totals.read_text().split()), others)

    def flush(self) -> None:
        """Empty the radix cache; the server refuses while something runs."""
        request = urllib.request.Request(self.url + "/flush_cache?timeout=10", method="POST")
        for _ in range(60):
            with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=60) as reply:
                if reply.status == 200:
                    return
            time.sleep(0.5)
        raise SystemExit("the server does not flush its cache")


def busy() -> float:
    """Return the CPU seconds that the machine has worked so far."""
    user, nice, system, _, _, *interrupts = Path("/proc/stat").read_text().split()[1:9]
    return sum(map(int, (user, nice, system, *interrupts))) / os.sysconf("SC_CLK_TCK")


def busy_in(groups: set[int]) -> float:
    """Return the CPU seconds of all that runs in some process groups."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[2]) in groups:
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def serving(model: Model, folder: Path, flags: Sequence[str], scratch: Path) -> Iterator[Served]:
    """Start the server that sgleval would start for a model's folder, and end it."""
    totals = scratch / "seconds"
    totals.write_text("0 0 0")
    os.environ["FORWARD_SECONDS"] = str(totals)
    server = TimedServer(model.name, str(folder), list(flags), model.facts["weight_version"])
    with server.running() as url:

        def speak(connections: int, _: object) -> contextlib.AbstractContextManager[Any]:
            return speaking(url, model.template, connections, server.restart)

        yield Served(server, replace(model, open=speak), totals)


def parser(doc: str | None, *, pages: int, side: int) -> argparse.ArgumentParser:
    """Return the options of every benchmark of whole runs; its text opens with what it shows."""
    made = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    made.add_argument("--repetitions", type=int, default=3)
    made.add_argument("--pages", type=int, default=pages)
    made.add_argument("--side", type=int, default=side, help=f"pixels of a page [{side}]")
    made.add_argument("--keep", type=Path, help="append to this file, report all that is in it")
    made.add_argument("--models", type=Path, help="where the model is, or shall be, kept")
    return made


def append(path: Path, measured: Measured) -> None:
    """Add a line to a file of --keep."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(measured)) + "\n")


def kept(path: Path) -> list[Measured]:
    """Return all that a file of --keep holds."""
    return [Measured(**json.loads(line)) for line in path.read_text("utf-8").splitlines()]
