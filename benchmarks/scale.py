"""Memory, time and resume of a run by its size, on a server that answers at once.

    python benchmarks/scale.py [--samples N ...] [--whole N] [--last N] [--scattered] [--folder DIR]

For each size `sgleval run scale_task.py` runs three times, each in a process of its own:

- `asks all`: nothing is in the journal. Above --whole samples that takes too long: the journal
  is filled by `Journal` itself with entries as this server gives them, all but the --last ones.
- `asks the last`: the journal lacks its last lines, as after a kill.
- `asks nothing`: the same command again.

Printed are the seconds of planning (until the first request may leave), requests/s while it asks,
the seconds of the whole command (tables and scores included), the most memory that it had resident,
and the journal's size. A page has ten questions; --scattered puts them far from each other.
"""

from __future__ import annotations

import argparse
import datetime as dt
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from stub_server import IMAGE_TOKENS, stub

TASK = Path(__file__).with_name("scale_task.py")
QUESTIONS = 10  # a page
SIDE = 8 * 28  # pixels: 8 x 8 image tokens
ROW = "{:>9} {:<14} {:>9} {:>9} {:>11} {:>9} {:>9} {:>10}"
ASKED_TO_FILL = 1000
SAMPLES = (10_000, 100_000, 1_000_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=int, nargs="+", default=SAMPLES)
    parser.add_argument("--whole", type=int, default=100_000, help="above it the journal is filled")
    parser.add_argument("--last", type=int, default=10_000, help="lines that are missing")
    parser.add_argument("--scattered", action="store_true", help="a page's questions far apart")
    parser.add_argument("--folder", type=Path, help="kept for the next time; else a passing one")
    given = parser.parse_args()
    heads = ("samples", "", "asked", "plan s", "requests/s", "whole s", "peak MB", "journal MB")
    print(ROW.format(*heads), flush=True)
    with tempfile.TemporaryDirectory(prefix="scale-", dir=given.folder) as passing:
        for samples in given.samples:
            of_size(given, samples, given.folder or Path(passing))


def of_size(given: argparse.Namespace, samples: int, where: Path) -> None:
    """Print the lines of one size."""
    data = where / f"{samples}{'-scattered' if given.scattered else ''}"
    if not data.is_dir():
        in_another_process(make_data, data, samples, scattered=given.scattered)
    model, prompt_tokens = in_another_process(facts)
    with stub(model, prompt_tokens) as url, tempfile.TemporaryDirectory(dir=where) as out:
        arguments = [str(TASK), "--data", str(data), "--model", url, "--out", out]
        journal = Path(out) / "journal.jsonl"
        if samples <= given.whole:
            report(samples, "asks all", command(arguments), journal, samples)
            drop_lines(journal, given.last)
        else:
            in_another_process(fill, data, url, out, samples - given.last)
        report(samples, "asks the last", command(arguments), journal, given.last)
        report(samples, "asks nothing", command(arguments), journal, 0)


def in_another_process(function, *arguments, **named):
    """Call a function where what it imports and holds does not count: children inherit the peak."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as another:
        return another.submit(function, *arguments, **named).result()


@dataclass
class Ran:
    """What one command took."""

    plan: float
    whole: float
    peak: float
    """Megabytes (10^6 bytes) of resident memory."""


def command(arguments: list[str]) -> Ran:
    """Run `sgleval run` and watch it."""
    began = time.perf_counter()
    line = [str(Path(sys.executable).with_name("sgleval")), "run", *arguments]
    planned = 0.0
    with subprocess.Popen(line, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        said = []
        for text in run.stderr:
            said.append(text)
            if "connecting" in text or "all kept from before" in text:
                planned = time.perf_counter() - began
        _, status, usage = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
    if run.returncode:
        sys.exit(f"sgleval run failed: {''.join(said)}")
    return Ran(planned, time.perf_counter() - began, usage.ru_maxrss * 1024 / 1e6)


def report(samples: int, name: str, ran: Ran, journal: Path, asked: int) -> None:
    rate = f"{asked / asking_seconds(journal, asked):,.0f}" if asked else "-"
    figures = f"{ran.plan:.1f}", rate, f"{ran.whole:.1f}", f"{ran.peak:.0f}"
    size = f"{journal.stat().st_size / 1e6:.0f}"
    print(ROW.format(f"{samples:,}", name, f"{asked:,}", *figures, size), flush=True)


def asking_seconds(journal: Path, asked: int) -> float:
    """Return the seconds from the first to the last of the latest requests."""
    with journal.open("rb") as lines:
        lines.seek(at_last_lines(journal, asked))
        starts = [dt.datetime.fromisoformat(json.loads(line)["started_at"]) for line in lines]
    return (max(starts) - min(starts)).total_seconds()


def drop_lines(journal: Path, count: int) -> None:
    """Cut the last lines off."""
    os.truncate(journal, at_last_lines(journal, count))


def at_last_lines(journal: Path, count: int) -> int:
    """Return where the last lines begin."""
    with journal.open("rb") as lines:
        places, offset = [], 0
        for line in lines:
            places.append(offset)
            offset += len(line)
    return places[-count]


def make_data(folder: Path, samples: int, *, scattered: bool) -> None:
    """Write the rows and a page for every ten of them."""
    from PIL import Image

    folder.mkdir(parents=True)
    pages = samples // QUESTIONS
    for page in range(pages):
        file = io.BytesIO()
        color = page & 255, page >> 8 & 255, page >> 16
        Image.new("RGB", (SIDE, SIDE), color).save(file, "PNG")
        place = folder / "pages" / f"{page // 1000}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{page}.png").write_bytes(file.getvalue())
    with (folder / "data.jsonl").open("w") as rows:
        for n in range(pages * QUESTIONS):
            page = n % pages if scattered else n // QUESTIONS
            row = {
                "id": f"sample-{n:07}",
                "image": f"pages/{page // 1000}/{page}.png",
                "question": f"What is field {n:07} of this page?",
                "answers": [f"{n % 1000}.{n % 10}0"],
                "field": f"field {n % QUESTIONS}",
            }
            rows.write(json.dumps(row) + "\n")


def facts() -> tuple[str, int]:
    """Return the folder of the demo model and the tokens of every prompt of this task."""
    from tokenizers import Tokenizer

    from sgleval.demo import MODEL
    from sgleval.runtime.jinja import from_folder

    template = from_folder(MODEL)
    user = template.image + "What is field 0000000 of this page?"
    text = template.compose([("system", "You read scanned pages."), ("user", user)])
    ids = Tokenizer.from_file(str(MODEL / "tokenizer.json")).encode(text).ids
    return str(MODEL), len(ids) - 1 + IMAGE_TOKENS


def fill(data: Path, url: str, out: str, count: int) -> None:
    """Keep answers to the first `count` requests of the plan: what the server says to the first."""
    from dataclasses import replace

    from sgleval.evaluation import chosen
    from sgleval.plan import SAMPLING, make_plan
    from sgleval.runtime.connect import find_model
    from sgleval.runtime.run_batch import run_once
    from sgleval.store import Journal

    plan = make_plan(chosen(TASK, data, (), ()), find_model(url), None, 0)
    outcomes = []
    with (
        plan.model.open(1, lambda _: None) as backend,
        Journal(Path(out) / "journal.jsonl") as journal,
    ):
        for place, request in zip(range(count), plan.requests(), strict=False):
            if place < ASKED_TO_FILL:
                outcomes.append(run_once(plan.task.program, request.call, backend, SAMPLING))
            now = dt.datetime.now(dt.UTC)
            outcome = replace(outcomes[place % ASKED_TO_FILL], started_at=now)
            journal.append(request.key, request.variant, request.sample.id, outcome)


if __name__ == "__main__":
    main()
