"""What a program costs the client: sgleval and SGLang's `run_batch`, the server answers at once.

    python benchmarks/overhead.py [--programs N] [--repetitions N]

The same program over the same rows: SGLang's `run_batch` over its `RuntimeEndpoint` in a process of
its own, with its own number of threads and with fewer; sgleval's `run_batch`; and `evaluate`, which
also plans, keeps every answer and scores it. The arms take turns, alone on the machine at best; the
ratio is to the quickest stock arm of the same repetition, its median over the repetitions counts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from scale import QUESTIONS, TASK, facts, in_another_process, make_data
from stub_server import stub

if TYPE_CHECKING:
    from collections.abc import Iterator

THREADS = ("auto", 8, 16, 32)
ROW = "{:<46} {:>11} {:>14}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--programs", type=int, default=2000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--arm", nargs=4, metavar=("ARM", "URL", "DATA", "WITH"), help="just one")
    given = parser.parse_args()
    if given.arm:
        print(json.dumps(ONE[given.arm[0]](*given.arm[1:])))
        return
    model, prompt_tokens = in_another_process(facts)
    rates, ratios = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    with tempfile.TemporaryDirectory(prefix="overhead-") as scratch:
        data = Path(scratch) / "data"
        in_another_process(make_data, data, given.programs, scattered=False)
        with stub(model, prompt_tokens) as url:
            for _ in range(given.repetitions):
                seconds = dict(arms(url, data, Path(scratch)))
                best = min(took for arm, took in seconds.items() if arm.startswith("SGLang"))
                for arm, took in seconds.items():
                    rates[arm].append(given.programs / took)
                    ratios[arm].append(best / took)
    print(
        f"{given.programs} programs, {QUESTIONS} questions a page; medians of {given.repetitions}"
    )
    print(ROW.format("", "programs/s", "to best stock"))
    for arm in rates:
        print(ROW.format(arm, f"{median(rates[arm]):,.0f}", f"{median(ratios[arm]):.2f}"))


def arms(url: str, data: Path, scratch: Path) -> Iterator[tuple[str, float]]:
    """Yield the seconds that each arm took, start-up left out."""
    for threads in THREADS:
        yield f"SGLang's run_batch, {threads} threads", in_a_process("stock", url, data, threads)
    yield "sgleval's run_batch, 8 at once", in_a_process("ours", url, data, 8)
    requests, whole = in_a_process("evaluate", url, data, tempfile.mkdtemp(dir=scratch))
    yield "sgleval, the requests of evaluate()", requests
    yield "sgleval, the whole of evaluate()", whole


def in_a_process(*arm: object) -> Any:
    """Return what one arm measures in a process of its own."""
    command = [sys.executable, __file__, "--arm", *map(str, arm)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def stock(url: str, data: str, threads: str) -> float:
    """Return the seconds of SGLang's own `run_batch`."""
    import sglang as sgl  # before anything of sgleval, so as it is

    program, rows = program_and_rows(Path(data))
    backend = sgl.RuntimeEndpoint(url)
    number = int(threads) if threads.isdecimal() else threads
    began = time.perf_counter()
    states = program.run_batch(rows, temperature=0, backend=backend, num_threads=number)
    took = time.perf_counter() - began
    if failed := [state.error() for state in states if state.error()]:
        raise SystemExit(f"{len(failed)} requests failed: {failed[0]}")
    return took


def ours(url: str, data: str, at_once: str) -> float:
    """Return the seconds of sgleval's `run_batch`."""
    from sgleval.runtime.connect import find_model
    from sgleval.runtime.run_batch import Call, run_batch
    from sgleval.sample import Image

    program, rows = program_and_rows(Path(data))
    calls = [Call(row | {"image": Image(Path(row["image"]))}) for row in rows]
    with find_model(url).open(int(at_once), lambda _: None) as backend:
        began = time.perf_counter()
        outcomes = list(run_batch(program, calls, backend, concurrency=int(at_once), temperature=0))
        took = time.perf_counter() - began
    if failed := [outcome.error for _, outcome in outcomes if outcome.error]:
        raise SystemExit(f"{len(failed)} requests failed: {failed[0]}")
    return took


def program_and_rows(data: Path) -> tuple[Any, list[dict[str, str]]]:
    """Return the program of `scale_task.py` and its arguments for every row."""
    from scale_task import task

    rows = [json.loads(line) for line in (data / "data.jsonl").read_text().splitlines()]
    return task.program, [
        {"image": str(data / row["image"]), "question": row["question"]} for row in rows
    ]


def whole_run(url: str, data: str, out: str) -> tuple[float, float]:
    """Return the seconds of the requests and of all that `evaluate` does."""
    from sgleval import evaluate

    summary = evaluate(TASK, url, data=data, out=out).summary
    if summary["failed"]:
        raise SystemExit(f"{summary['failed']} requests failed")
    return summary["speed"]["request_seconds"], summary["cost"]["seconds"]


ONE = {"stock": stock, "ours": ours, "evaluate": whole_run}

if __name__ == "__main__":
    main()
