"""The arms of `prefix.py`: SGLang's own `run_batch`, the same on our backend, sgleval, a replay."""

from __future__ import annotations

import base64
import contextlib
import json
import random
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import arms
from replay import replay

from sgleval.runtime.client import Client
from sgleval.runtime.sglang import SglangBackend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from timed import Measured, Served

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
WARM_UP = IN_ORDER  # computes the most tokens, so it touches the most memory


def arms_of(room: str, pages: int) -> list[str]:
    """Return all arms; the replay has several, the best of which is the floor."""
    third = pages // 3
    replays = {
        "all": [(window, pages) for window in (8, 16, 32)],
        "third": [(32, max(1, third * part // 8)) for part in (4, 6, 7)],
    }
    return [
        *(IN_ORDER, SHUFFLED),
        *("run_batch on our backend, in order", "run_batch on our backend, shuffled"),
        *(SGLEVAL, "sgleval, shuffled"),
        *(f"replay, {window} at once of {open_} pages" for window, open_ in replays[room]),
    ]


@dataclass
class Bench:
    """What the arms of one setting share."""

    served: Served
    stock: subprocess.Popen[str]
    scratch: Path
    pages: int
    side: int
    made: int = 0

    def measure(self, room: str, repetition: str, arm: str) -> Measured:
        """Run one arm over pages of its own."""

        def prepare() -> Callable[[], tuple[float, float]]:
            folder = self.scratch / str(self.made)
            self.made += 1
            rows = arms.fresh_pages(folder, self.pages, self.side, QUESTIONS)
            if arm.endswith("shuffled"):
                random.Random(repetition).shuffle(rows)  # alike in all arms of a repetition
                arms.write_rows(folder, rows)
            return self.run(arm, folder, rows)

        return self.served.measure((room, repetition, arm), prepare)

    def run(self, arm: str, folder: Path, rows: arms.Rows) -> Callable[[], tuple[float, float]]:
        """Return what asks."""
        if arm.startswith("sgleval"):
            return partial(arms.evaluated, self.served.model, folder)
        calls = [{name: row[name] for name in ("image", "question")} for row in rows]
        if arm.startswith("replay"):
            window, pages = map(int, re.findall(r"\d+", arm))
            ask = partial(replay, self.served.url, self.bodies(calls), window, pages)
        elif "our" in arm:
            ask = partial(self.ask_on_ours, calls)
        else:
            return lambda: (self.ask_stock(calls),) * 2
        return partial(clocked, ask)

    def ask_on_ours(self, calls: arms.Rows) -> None:
        """Run SGLang's `run_batch` over our backend."""
        backend = SglangBackend(Client(self.served.url, THREADS), self.served.model.template)
        states = arms.read_page.run_batch(calls, temperature=0, backend=backend)
        if failed := [state.error() for state in states if state.error()]:
            raise SystemExit(f"{len(failed)} requests failed: {failed[0]}")

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

    def bodies(self, calls: arms.Rows) -> list[list[bytes]]:
        """Return what sgleval would post, page by page."""
        pages: dict[str, list[bytes]] = {}
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
            pages.setdefault(call["image"], []).append(json.dumps(body).encode())
        return list(pages.values())


def clocked(ask: Callable[[], None]) -> tuple[float, float]:
    began = time.perf_counter()
    ask()
    return (time.perf_counter() - began,) * 2


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
