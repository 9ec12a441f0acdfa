"""What the plan gains end to end: SGLang's own `run_batch`, sgleval, and the floor, on one server.

    python benchmarks/prefix.py [--room all|third] [--repetitions N] [--keep FILE] [--models FOLDER]

24 pages of 256 image tokens with 6 questions each and answers of one token, on the server that
sgleval starts for a model of 358M language parameters: with room in its KV pool for all pages, and
for a third of them. SGLang's `run_batch` over its own `RuntimeEndpoint` and over sgleval's backend,
in the dataset's order and shuffled; sgleval on the same rows; and the floor: requests that are
ready, in the ideal order, by a minimal client, with the best of three windows. After one whole arm
to warm up, the arms take turns, each with pages that nobody has seen and an empty radix cache.

Ratios are medians of the ratios within a repetition. Tokens are by SGLang's own count. `prefill` is
the share of an arm's wall time in which the model computed prefill batches. An arm of which other
programs took more than 5 % of the machine is measured again, three times at most. --keep appends
what was measured to a file and reports all that is in it, so that it can be done in pieces.
"""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import arms
import machine
import prefix_arms
import timed
from prefix_arms import IN_ORDER, ROOMS, SGLEVAL, SHUFFLED, WARM_UP, Bench, arms_of

from sgleval.runtime.connect import find_model

if TYPE_CHECKING:
    import argparse

KINDS = ("run_batch,", "run_batch on our", "sgleval", "replay")


def main() -> None:
    parser = timed.parser(__doc__, pages=24, side=448)
    parser.add_argument("--room", choices=ROOMS, help="for all pages or a third; both otherwise")
    parser.add_argument("--arm", action="append", help="one by its name; all otherwise")
    given = parser.parse_args()
    print(f"{machine.described()}; {given.pages} pages of {given.side} pixels", flush=True)
    with tempfile.TemporaryDirectory(prefix="prefix-") as scratch:
        keep = given.keep or Path(scratch) / "measured.jsonl"
        for room in [given.room] if given.room else ROOMS:
            measure_room(given, room, Path(scratch) / room, keep)
        report(timed.kept(keep))


def measure_room(given: argparse.Namespace, room: str, scratch: Path, keep: Path) -> None:
    """Append to `keep` what each arm needs with this room in the KV pool."""
    scratch.mkdir()
    folder = arms.model_folder(given.models or scratch)
    model = find_model(str(folder))
    third = given.pages // 3 * prefix_arms.page_tokens(model, given.side)
    flags = ["--max-total-tokens", str(third)] if room == "third" else []
    with (
        timed.serving(model, folder, flags, scratch) as served,
        prefix_arms.stock_at(served.url) as stock,
    ):
        bench = Bench(served, stock, scratch, given.pages, given.side)
        bench.measure(room, "warm-up", WARM_UP)
        Bench(served, stock, scratch / "first", 2, given.side).measure(room, "warm-up", SGLEVAL)
        for _ in range(given.repetitions):
            repetition = time.strftime("%H:%M:%S")
            names = given.arm or arms_of(room, given.pages)
            random.shuffle(names)  # what drifts hits all of them
            for arm in names:
                measured = bench.measure(room, repetition, arm)
                timed.append(keep, measured)


def report(measured: list[timed.Measured]) -> None:
    """Print a table for each room."""
    for room in ROOMS:
        here = [one for one in measured if one.setting == room and one.repetition != "warm-up"]
        if here:
            report_room(room, here)


def report_room(room: str, here: list[timed.Measured]) -> None:
    by_arm: dict[str, dict[str, timed.Measured]] = {}
    for one in here:
        by_arm.setdefault(one.arm, {})[one.repetition] = one
    seconds = {arm: median(one.seconds for one in each.values()) for arm, each in by_arm.items()}
    floor = min((arm for arm in by_arm if arm.startswith("replay")), key=seconds.get)
    print(f"\nroom for {'all pages' if room == 'all' else 'a third of the pages'}:", end=" ")
    print(f"{len(by_arm[floor])} repetitions, floor: {floor}", end="; ")
    print(f"other programs took at most {max(one.others for one in here):.0%} of the machine")
    row = "{:<36} {:>8} {:>8} {:>9} {:>9} {:>7} {:>7} {:>8} {:>9} {:>8} {:>8}"
    names = "in order", "shuffled", "to floor", "prompt", "cached", "computed", "prefill", "batches"
    print(row.format("", "seconds", "whole", *names))
    for arm, each in sorted(by_arm.items(), key=lambda one: kind(one[0])):
        facts = timed.facts(each.values())
        ratios = [ratio(each, by_arm.get(to, {})) for to in (IN_ORDER, SHUFFLED, floor)]
        print(row.format(arm, *facts[:2], *ratios, *facts[2:]))


def kind(arm: str) -> int:
    """Return where an arm stands in the table."""
    return next(place for place, start in enumerate(KINDS) if arm.startswith(start))


def ratio(each: dict[str, timed.Measured], to: dict[str, timed.Measured]) -> str:
    """Return the median of the ratios within each repetition."""
    both = [one.seconds / to[when].seconds for when, one in each.items() if when in to]
    return f"{median(both):.2f}" if both else ""


if __name__ == "__main__":
    main()
