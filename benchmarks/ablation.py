"""What more variants of a program cost: 1, 2, 4 and 8 instructions behind pages of 1,024 tokens.

    python benchmarks/ablation.py [--pages N] [--repetitions N] [--keep FILE] [--models FOLDER]

12 pages with one question each and answers of one token, through `sgleval.evaluate`, on the server
that sgleval starts for a model of 358M language parameters. A variant is a text behind the
question, so the page is computed once for all of them. After one whole arm to warm up, the arms
take turns, each with pages that nobody has seen and an empty radix cache.

`ratio` is the median of the ratios to one variant within a repetition, `whole` the seconds of all
of `evaluate`. Tokens are by SGLang's own count. An arm of which other programs took more than 5 %
of the machine is measured again, three times at most. --keep appends what was measured to a file
and reports all that is in it, so that it can be done in pieces.
"""

from __future__ import annotations

import random
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import arms
import machine
import timed

from sgleval.runtime.connect import find_model

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

QUESTION = "What is the total?"
INSTRUCTIONS = (
    "",
    "\nAnswer with the text only.",
    "\nBe brief.",
    "\nCopy the answer from the page.",
    "\nGive the amount as it is printed.",
    "\nLook at the last lines first.",
    "\nIf it is not there, say no.",
    "\nOne line, please.",
)
NUMBERS = (1, 2, 4, 8)


def main() -> None:
    parser = timed.parser(__doc__, pages=12, side=896)
    given = parser.parse_args()
    print(f"{machine.described()}; {given.pages} pages of {given.side} pixels", flush=True)
    with tempfile.TemporaryDirectory(prefix="ablation-") as scratch:
        keep = given.keep or Path(scratch) / "measured.jsonl"
        measure(given, Path(scratch), keep)
        report(timed.kept(keep))


def measure(given: argparse.Namespace, scratch: Path, keep: Path) -> None:
    """Append to `keep` what each number of variants needs."""
    folder = arms.model_folder(given.models or scratch)
    model = find_model(str(folder))

    def prepare(number: int) -> Callable[[], tuple[float, float]]:
        pages = Path(tempfile.mkdtemp(dir=scratch)) / "pages"
        arms.fresh_pages(pages, given.pages, given.side, [QUESTION])
        labels = {str(place): {"instruction": INSTRUCTIONS[place]} for place in range(number)}
        return partial(arms.evaluated, served.model, pages, labels)

    with timed.serving(model, folder, [], scratch) as served:
        served.measure(("ablation", "warm-up", "8"), partial(prepare, 8))
        for _ in range(given.repetitions):
            repetition = time.strftime("%H:%M:%S")
            for number in random.sample(NUMBERS, len(NUMBERS)):  # what drifts hits all of them
                names = "ablation", repetition, str(number)
                measured = served.measure(names, partial(prepare, number))
                timed.append(keep, measured)


def report(measured: list[timed.Measured]) -> None:
    """Print a line for each number of variants."""
    by_arm: dict[str, dict[str, timed.Measured]] = {}
    for one in measured:
        by_arm.setdefault(one.arm, {})[one.repetition] = one
    row = "{:>8} {:>9} {:>9} {:>7} {:>9} {:>8} {:>9} {:>8} {:>8}"
    names = "seconds", "whole", "ratio", "prompt", "cached", "computed", "prefill", "batches"
    print(f"{len(by_arm['1'])} repetitions", end="; ")
    print(f"other programs took at most {max(one.others for one in measured):.0%} of the machine")
    print(row.format("variants", *names))
    for number in map(str, NUMBERS):
        each = by_arm[number]
        both = [one.seconds / by_arm["1"][when].seconds for when, one in each.items()]
        seconds, whole, *rest = timed.facts(each.values())
        print(row.format(number, seconds, whole, f"{median(both):.2f}", *rest))


if __name__ == "__main__":
    main()
