"""One arm: a whole command against a server of ours, and what it cost on both sides."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from typing import TYPE_CHECKING, Any, Self

import urllib3

from sgleval.runtime.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FLAGS = ("--log-requests", "--log-requests-level", "0")
"""So that the log has a line when a request comes; "Prefill batch" is logged when one is done."""

POST = re.compile(r'"POST /(?:generate|v1/chat/completions) HTTP/[\d.]+" (\d+)')
LOOK_SECONDS = 0.02
LONGEST_SECONDS = 900
MOST_FOREIGN = 0.1
"""Of the arm's own CPU seconds; what others take beyond it makes the wall time void."""

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Cost:
    """What one arm cost; seconds of wall time unless they are called CPU seconds."""

    total_s: float
    """The whole process."""
    before_s: float
    """From its start to the first request that asks for an answer."""
    phase_s: float
    """From there to the last answer."""
    posts: int
    failed: int
    prompt_tokens: int
    cached_tokens: int
    server_cpu_s: float
    client_cpu_s: float
    busy_cpu_s: float
    """The whole machine's, with what its host takes away."""

    @property
    def void(self) -> bool:
        """Say whether somebody else worked beside the arm, which makes its wall time worthless."""
        return self.busy_cpu_s > (1 + MOST_FOREIGN) * (self.server_cpu_s + self.client_cpu_s)


@dataclass
class LogWatch:
    """Notes when lines of a server's log appear, while it is entered."""

    log: Path
    first: float | None = None
    last: float | None = None
    statuses: list[int] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Look from the log's present end on."""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._follow, args=(self.log.stat().st_size,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Read what there is to the end."""
        self._end.set()
        self._thread.join()

    def _follow(self, offset: int) -> None:
        with self.log.open("rb") as file:
            file.seek(offset)
            rest, ended = b"", False
            while not ended:
                ended = self._end.wait(LOOK_SECONDS)
                *lines, rest = (rest + file.read()).split(b"\n")
                for line in lines:
                    self._note(line.decode(errors="replace"))

    def _note(self, line: str) -> None:
        if self.first is None and "Receive: obj=" in line:
            self.first = time.monotonic()
        if found := POST.search(line):
            self.last = time.monotonic()
            self.statuses.append(int(found[1]))


@contextmanager
def serving(model: Path, tokens: int) -> Iterator[Server]:
    """Run a server of ours with room for so many tokens."""
    server = Server("m", str(model), [*FLAGS, "--max-total-tokens", str(tokens)], "peers")
    with server.running():
        yield server


def flush(server: Server) -> None:
    """Empty the prefix cache, which the server refuses while a request is left."""
    for _ in range(100):
        if urllib3.request("POST", f"{server.url}/flush_cache", retries=False).status == 200:
            return
        time.sleep(0.2)
    raise RuntimeError(f"{server.url} does not flush its cache")


def measure(server: Server, command: list[str], environment: Mapping[str, str], out: Path) -> Cost:
    """Run a command in a folder of its own, from an empty prefix cache, and say what it cost.

    Raises:
        RuntimeError: it failed, or asked nothing; the message closes with the end of its output.
    """
    flush(server)
    out.mkdir(parents=True)
    before, began = _counters(server), time.monotonic()
    with LogWatch(server.log) as watch:
        _run(command, environment, out)
        ended = time.monotonic()
        spent = {name: value - before[name] for name, value in _counters(server).items()}
        time.sleep(0.3)  # for the log's last lines
    if watch.first is None or watch.last is None:
        raise RuntimeError(f"{command[0]} asked nothing: {_tail(out)}")
    return Cost(
        total_s=ended - began,
        before_s=watch.first - began,
        phase_s=watch.last - watch.first,
        posts=len(watch.statuses),
        failed=sum(status != 200 for status in watch.statuses),
        prompt_tokens=round(spent["prompt_tokens"]),
        cached_tokens=round(spent["cached_tokens"]),
        server_cpu_s=spent["server"],
        client_cpu_s=spent["client"],
        busy_cpu_s=spent["busy"],
    )


def _run(command: list[str], environment: Mapping[str, str], out: Path) -> None:
    with (out / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=out,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(LONGEST_SECONDS)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    if code:
        raise RuntimeError(f"{command[0]} ended with exit code {code}: {_tail(out)}")


def _tail(out: Path) -> str:
    return (out / "output.txt").read_text("utf-8", errors="replace")[-3000:]


def _counters(server: Server) -> dict[str, float]:
    """Return counters of tokens and of CPU seconds that only grow."""
    assert server.process is not None
    mine, children = getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN)
    return {
        **tokens(server.url),
        "server": group_cpu_seconds(server.process.pid),
        "client": mine.ru_utime + mine.ru_stime + children.ru_utime + children.ru_stime,
        "busy": busy_seconds(),
    }


def tokens(url: str) -> dict[str, float]:
    """Return a server's counts of prompt tokens and of those that its cache had."""
    page = urllib3.request("GET", f"{url}/metrics", retries=False).data.decode()
    return {
        name: sum(
            float(value)
            for value in re.findall(rf"^sglang:{name}_total(?:{{.*}})? (\S+)$", page, re.MULTILINE)
        )
        for name in ("prompt_tokens", "cached_tokens")
    }


def group_cpu_seconds(group: int) -> float:
    """Return the CPU seconds of a process group's living members and their ended children."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            facts = path.read_text("utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if int(facts[2]) == group:
            ticks += sum(map(int, facts[11:15]))
    return ticks / TICKS


def busy_seconds() -> float:
    """Return the CPU seconds in which the machine was not idle, since its start."""
    first = Path("/proc/stat").read_text("utf-8").splitlines()[0].split()
    user, nice, system, _, _, irq, softirq, steal = map(int, first[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


def facts_of(cost: Cost) -> dict[str, Any]:
    """Return a cost as numbers for a line of JSON."""
    rounded = {k: round(v, 3) if isinstance(v, float) else v for k, v in vars(cost).items()}
    return rounded | {"void": cost.void}
