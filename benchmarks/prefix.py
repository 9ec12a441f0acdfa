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
import json
import random
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from statistics import median

import arms
import prefix_arms
from prefix_arms import IN_ORDER, ROOMS, SGLEVAL, SHUFFLED, WARM_UP, Bench, Measured, arms_of

from sgleval.runtime.connect import find_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--room", choices=ROOMS, help="for all pages or a third; both otherwise")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--pages", type=int, default=24)
    parser.add_argument("--side", type=int, default=448, help="pixels of a page [448]")
    parser.add_argument("--arm", action="append", help="one by its name; all otherwise")
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
        flags = [
            "--max-total-tokens",
            str(given.pages // 3 * prefix_arms.page_tokens(model, given.side)),
        ]
    with (
        arms.serving(model, folder, flags, scratch) as served,
        prefix_arms.stock_at(served.url) as stock,
    ):
        bench = Bench(served, stock, scratch, given.pages, given.side)
        bench.measure(WARM_UP, room, "warm-up")
        Bench(served, stock, scratch / "first", 2, given.side).measure(SGLEVAL, room, "warm-up")
        for _ in range(given.repetitions):
            repetition = time.strftime("%H:%M:%S")
            names = given.arm or arms_of(room, given.pages)
            random.shuffle(names)  # what drifts hits all of them
            for arm in names:
                measured = bench.measure(arm, room, repetition)
                with keep.open("a") as file:
                    file.write(json.dumps(asdict(measured)) + "\n")


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
    print(f"{len(by_arm[floor])} repetitions, floor: {floor}")
    row = "{:<36} {:>8} {:>8} {:>9} {:>9} {:>7} {:>7} {:>8} {:>9} {:>8} {:>8}"
    names = "in order", "shuffled", "to floor", "prompt", "cached", "computed", "prefill", "batches"
    print(row.format("", "seconds", "whole", *names))
    for arm, each in sorted(by_arm.items()):
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
