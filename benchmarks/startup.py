"""How soon the first question leaves for a server that is already up.

    python benchmarks/startup.py [--url URL] [--repetitions N]

The bar is 3 s from the command to the first question. `sgleval run` asks 20 pictures of a task, as
a process of its own, nothing kept from before; the first question's start is what its journal says.
Beside it what Python needs for the plain `import sglang`. The server is that of the demo model,
started here, or the one at --url. Medians; the first turn reads everything from the disk, and does
not count.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import machine

from sgleval.demo import MODEL
from sgleval.runtime.server import Server

SGLEVAL = str(Path(sys.executable).with_name("sgleval"))
PROGRAMS = Path(__file__).parents[1] / "programs"
TASKS = ("easy_vqa.py", "receipts.py")
ROW = "{:<28} {:>14} {:>9} {:>9}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--url", help="of a server that is up; else one is started")
    parser.add_argument("--repetitions", type=int, default=5)
    given = parser.parse_args()
    print(machine.described(), flush=True)
    print(ROW.format("", "first question", "at most", "whole"))
    server = Server("demo", str(MODEL), [], "startup")
    with contextlib.nullcontext(given.url) if given.url else server.running() as url:
        for name in TASKS:
            took = [run(name, url) for _ in range(given.repetitions + 1)][1:]
            firsts = [first for first, _ in took]
            report(f"sgleval run {name}", firsts, [whole for _, whole in took])
    imports = [plain_import() for _ in range(given.repetitions + 1)][1:]
    report("python -c 'import sglang'", [], imports)


def run(name: str, url: str) -> tuple[float, float]:
    """Return the seconds from the command to its first question, and to its end."""
    with tempfile.TemporaryDirectory(prefix="startup-") as out:
        command = [SGLEVAL, "run", str(PROGRAMS / name), "--model", url, "--out", out]
        began, clock = dt.datetime.now(dt.UTC), time.perf_counter()
        subprocess.run([*command, "--limit", "20i"], check=True, capture_output=True)
        whole = time.perf_counter() - clock
        with (Path(out) / "journal.jsonl").open() as lines:
            starts = [dt.datetime.fromisoformat(json.loads(line)["started_at"]) for line in lines]
    return (min(starts) - began).total_seconds(), whole


def plain_import() -> float:
    """Return the seconds of a process that does no more than import SGLang."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import sglang"], check=True, capture_output=True)
    return time.perf_counter() - began


def report(name: str, firsts: list[float], wholes: list[float]) -> None:
    """Print one line."""
    first, most = (f"{of(firsts):.2f} s" if firsts else "" for of in (median, max))
    print(ROW.format(name, first, most, f"{median(wholes):.2f} s"), flush=True)


if __name__ == "__main__":
    main()
