"""What the plan gains end to end: SGLang's own `run_batch`, sgleval, and the floor, on one server.

    python benchmarks/prefix.py [--room all|third] [--repetitions N] [--keep FILE] [--models FOLDER]

24 pages of 256 image tokens with 6 questions each and answers of one token, on the server that
sgleval starts for a model of 358M language parameters, with room in its KV pool for all pages and
for a third of them. After a whole arm that warms up, the arms take turns; each has pages that no
other one had, and an empty radix cache. Tokens are SGLang's own count. `prefill` is the share of an
arm's wall time in which the model computed prefill batches, `server` that of prefill in what the
server's processes took of the CPU. Ratios are medians over the repetitions. --keep appends what was
measured to a file and prints the table of all that is in it, so that a long measurement can be done
in pieces.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import arms
from replay import Group, replay

from sgleval.runtime.client import Client
from sgleval.runtime.connect import find_model
from sgleval.runtime.sglang import SglangBackend

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sgleval.runtime.model import Model

QUESTIONS = (
    "What is the total?",
    "What is the date?",
    "Who sent it?",
    "What is the address?",
    "How much is the tax?",
    "How was it paid?",
)
ROOMS = ("all", "third")
THREADS = 96  # what `num_threads="auto"` means on up to six cores
IN_ORDER, SHUFFLED = "run_batch, in order", "run_batch, shuffled"
SGLEVAL = "sgleval, in order"
ARMS = (
    *(IN_ORDER, SHUFFLED),
    *("run_batch on our backend, in order", "run_batch on our backend, shuffled"),
    *(SGLEVAL, "sgleval, shuffled"),
    *("replay, 4 in flight", "replay, 8 in flight", "replay, 16 in flight"),
)
WARM_UP = IN_ORDER  # computes the most tokens, so it touches the most memory


@dataclass(frozen=True)
class Measured:
    """One arm in one repetition."""

    room: str
    repetition: str
    arm: str
    seconds: float
    """Of the requests."""
    whole: float
    """Of all of `sgleval.evaluate`; elsewhere as `seconds`."""
    prompt: float
    cached: float
    prefill: float
    """Seconds in which the model computed prefill batches."""
    batches: float


@dataclass
class Bench:
    """What the arms of one setting share."""

    served: arms.Served
    stock: subprocess.Popen[str]
    scratch: Path
    pages: int
    side: int
    done: int = 0

    def measure(self, arm: str, room: str, repetition: str) -> Measured:
        """Run one arm over pages of its own."""
        folder = self.scratch / str(self.done)
        self.done += 1
        rows = arms.fresh_pages(folder, self.pages, self.side, QUESTIONS)
        if arm.endswith("shuffled"):
            random.Random(repetition).shuffle(rows)  # alike in all arms of a repetition
            arms.write_rows(folder, rows)
        self.served.flush()
        before = self.served.counters()
        seconds, whole = self.run(arm, folder, rows)
        did = self.served.counters() - before
        return Measured(
            *(room, repetition, arm, seconds, whole),
            *(did.prompt, did.cached, did.prefill, did.batches),
        )

    def run(self, arm: str, folder: Path, rows: arms.Rows) -> tuple[float, float]:
        """Return the seconds of the requests and of the whole call."""
        if arm.startswith("sgleval"):
            return arms.evaluated(self.served, folder)
        calls = [{name: row[name] for name in ("image", "question")} for row in rows]
        if arm.startswith("replay"):
            groups = self.bodies(calls)
            began = time.perf_counter()
            replay(self.served.url, groups, window=int(arm.split()[1]))
        elif "our" in arm:
            began = time.perf_counter()
            client = Client(self.served.url, THREADS)
            backend = SglangBackend(client, self.served.model.template)
            states = arms.read_page.run_batch(calls, temperature=0, backend=backend)
            if any(state.error() for state in states):
                raise SystemExit(f"{arm}: a request failed")
        else:
            return (self.ask_stock(calls),) * 2
        return (time.perf_counter() - began,) * 2

    def ask_stock(self, calls: arms.Rows) -> float:
        """Return the seconds that SGLang's own `run_batch` took in its own process."""
        assert self.stock.stdin is not None
        assert self.stock.stdout is not None
        self.stock.stdin.write(json.dumps(calls) + "\n")
        self.stock.stdin.flush()
        said = self.stock.stdout.readline()
        if not said:
            raise SystemExit("SGLang's run_batch failed")
        return float(said)

    def bodies(self, calls: arms.Rows) -> list[Group]:
        """Return what sgleval would post, page by page."""
        groups: dict[str, Group] = {}
        for call in calls:
            picture = base64.b64encode(Path(call["image"]).read_bytes()).decode()
            body = {
                "text": arms.prompt(self.served.model, call["question"]),
                "image_data": [f"data:image/png;base64,{picture}"],
                "sampling_params": {
                    "max_new_tokens": 1,
                    "temperature": 0.0,
                    "stop": list(self.served.model.template.stop),
                },
            }
            groups.setdefault(call["image"], []).append(json.dumps(body).encode())
        return list(groups.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--room", choices=ROOMS, help="for all pages or a third; both otherwise")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--pages", type=int, default=24)
    parser.add_argument("--side", type=int, default=448, help="pixels of a page [448]")
    parser.add_argument("--arm", action="append", choices=ARMS, help="one of them; all otherwise")
    parser.add_argument("--keep", type=Path, help="append to this file, report all that is in it")
    parser.add_argument("--models", type=Path, help="where the model is, or shall be, kept")
    given = parser.parse_args()
    print(f"{arms.machine()}; {given.pages} pages of {given.side} pixels", flush=True)
    with tempfile.TemporaryDirectory(prefix="prefix-") as scratch:
        keep = given.keep or Path(scratch) / "measured.jsonl"
        for room in [given.room] if given.room else ROOMS:
            measure_room(given, room, Path(scratch) / room, keep)
        report([Measured(**json.loads(line)) for line in keep.read_text().splitlines()])


def measure_room(given: argparse.Namespace, room: str, scratch: Path, keep: Path) -> None:
    """Append to `keep` what each arm needs with this room in the KV pool."""
    scratch.mkdir()
    folder = arms.model_folder(given.models or scratch)
    model = find_model(str(folder))
    flags = []
    if room == "third":
        flags = ["--max-total-tokens", str(given.pages // 3 * page_tokens(model, given.side))]
    with arms.serving(model, folder, flags, scratch) as served, stock_at(served.url) as stock:
        bench = Bench(served, stock, scratch, given.pages, given.side)
        bench.measure(WARM_UP, room, "warm-up")
        Bench(served, stock, scratch / "first", 2, given.side).measure(SGLEVAL, room, "warm-up")
        for _ in range(given.repetitions):
            repetition = time.strftime("%H:%M:%S")
            names = list(given.arm or ARMS)
            random.shuffle(names)  # what drifts hits all of them
            for arm in names:
                measured = bench.measure(arm, room, repetition)
                with keep.open("a") as file:
                    file.write(json.dumps(asdict(measured)) + "\n")


def page_tokens(model: Model, side: int) -> int:
    """Return the tokens of a page with all its questions, which is what the cache holds of it."""
    before, _, _ = arms.prompt(model, QUESTIONS[0]).partition(QUESTIONS[0])
    shared = arms.tokens(model, before, side)
    return shared + sum(arms.tokens(model, arms.prompt(model, q), side) - shared for q in QUESTIONS)


@contextlib.contextmanager
def stock_at(url: str) -> Iterator[subprocess.Popen[str]]:
    """Start a process that has SGLang's own frontend, and end it."""
    program = Path(__file__).with_name("stock_run_batch.py")
    command = [sys.executable, str(program), url]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise SystemExit("SGLang's own frontend does not start")
        yield process
        process.terminate()


def report(measured: list[Measured]) -> None:
    """Print a table for each room."""
    for room in ROOMS:
        here = [one for one in measured if one.room == room and one.repetition != "warm-up"]
        if here:
            report_room(room, here)


def report_room(room: str, here: list[Measured]) -> None:
    by_arm: dict[str, dict[str, Measured]] = {}
    for one in here:
        by_arm.setdefault(one.arm, {})[one.repetition] = one
    seconds = {arm: median(one.seconds for one in each.values()) for arm, each in by_arm.items()}
    floor = min((arm for arm in by_arm if arm.startswith("replay")), key=seconds.get)
    print(f"\nroom for {'all pages' if room == 'all' else 'a third of the pages'}:", end=" ")
    print(f"{len(by_arm[floor])} repetitions, the floor is {floor!r}")
    row = "{:<36} {:>8} {:>8} {:>9} {:>9} {:>7} {:>7} {:>7} {:>9} {:>8}"
    names = ("seconds", "in order", "shuffled", "floor", "prompt", "cached", "computed")
    print(row.format("", *names[:1], "whole", *names[1:], "prefill", "batches"))
    for arm in ARMS:
        if each := by_arm.get(arm):
            ratios = [ratio(each, by_arm.get(to, {})) for to in (IN_ORDER, SHUFFLED, floor)]
            print(row.format(arm, *facts(each)[:2], *ratios, *facts(each)[2:]))


def ratio(each: dict[str, Measured], to: dict[str, Measured]) -> str:
    """Return the median of the ratios within each repetition."""
    both = [one.seconds / to[when].seconds for when, one in each.items() if when in to]
    return f"{median(both):.2f}" if both else ""


def facts(each: dict[str, Measured]) -> list[str]:
    """Return an arm's medians: seconds, whole, tokens, share cached, computed, share of prefill."""
    kept = each.values()
    return [
        f"{median(one.seconds for one in kept):.2f}",
        f"{median(one.whole for one in kept):.2f}",
        f"{median(one.prompt for one in kept):,.0f}",
        f"{median(one.cached / one.prompt for one in kept):.3f}",
        f"{median(one.prompt - one.cached for one in kept):,.0f}",
        f"{median(one.prefill / one.seconds for one in kept):.2f}",
        f"{median(one.batches for one in kept):.0f}",
    ]


if __name__ == "__main__":
    main()
