"""Questions clustered on images, drawn again and again: what `statistics.py` prints.

An image is easy or hard, so its questions are right or wrong together: the share of right answers
on an image is drawn from a beta distribution whose spread makes two questions of one image
correlate by `ALIKE`. Everything is seeded; the table is the same every time.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from sgleval.stats import described_interval, mcnemar, permutation, sequence
from sgleval.stats.interval import UPPER_TAIL
from sgleval.stats.sequence import ERROR, End

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DRAWS = 2_000
ALIKE = 0.3
SWAPS = 1_999
"""Swaps per permutation test: enough to know on which side of 0.05 a p-value lies."""
ASKED = np.full(1_000, 10)
"""Questions per image where it is looked at after each one."""
FIRST_LOOK = 10
"""Images before a plain interval is looked at; with fewer it errs even more often."""


def images(rng: np.random.Generator, accuracy: float, questions: NDArray[np.int64]) -> Floats:
    """Return the right answers on each image, which has as many questions."""
    spread = 1 / ALIKE - 1
    shares = rng.beta(accuracy * spread, (1 - accuracy) * spread, size=len(questions))
    return rng.binomial(questions, shares).astype(float)


def sizes(rng: np.random.Generator, count: int, most: int = 9) -> NDArray[np.int64]:
    return rng.integers(1, most + 1, size=count)


def coverage(rng: np.random.Generator, accuracy: float, count: int) -> tuple[bool, bool]:
    """Say whether the clustered and the unclustered interval of all images hold the accuracy."""
    questions = sizes(rng, count)
    right = images(rng, accuracy, questions).astype(int)
    trials = np.concatenate([np.arange(n) < r for n, r in zip(questions, right, strict=True)])
    image = np.repeat(np.arange(len(questions)), questions)
    ones = np.ones(len(trials))
    found = (
        described_interval(trials.astype(float), ones, clusters, (0, 1))
        for clusters in (image, np.arange(len(trials)))
    )
    clustered, alone = (low <= accuracy <= high for low, high, *_ in found)
    return clustered, alone


def rejections(rng: np.random.Generator, accuracy: float) -> tuple[bool, bool]:
    """Say whether the permutation test and McNemar's see a difference where there is none.

    Both runs find an image as easy as the other by chance: half of what makes it easy is the run's.
    """
    count = 100
    questions = sizes(rng, count)
    shared = rng.normal(size=count)
    logit = np.log(accuracy / (1 - accuracy))
    right = []
    for _ in "ab":
        share = 1 / (1 + np.exp(-(logit + shared + rng.normal(size=count))))
        right.append([rng.random(n) < p for n, p in zip(questions, share, strict=True)])
    a, b = (np.array([one.sum() for one in run], dtype=float) for run in right)
    p = permutation((a, b), (questions, questions), draws=SWAPS, seed=int(rng.integers(2**31)))
    flat_a, flat_b = (np.concatenate(run) for run in right)
    plain = mcnemar(int((flat_a & ~flat_b).sum()), int((~flat_a & flat_b).sum()))
    return p <= ERROR, plain <= ERROR


def one_run(rng: np.random.Generator, accuracy: float, width: float) -> tuple[float, ...]:
    """Look at the accuracy of one run after each of 1,000 images of ten questions."""
    return looks(images(rng, accuracy, ASKED), (0, 1), width)


def two_runs(rng: np.random.Generator, accuracy: float, width: float) -> tuple[float, ...]:
    """Look at the difference of two runs that are equally good."""
    a, b = (images(rng, accuracy, ASKED) for _ in "ab")
    return looks(b - a, (-1, 1), width)


def looks(sums: Floats, bounds: tuple[int, int], width: float) -> tuple[float, ...]:
    """Look after each image, in random order, at what all of them will give.

    Return whether the confidence sequence left it out at any look; whether the interval at which
    the sequence is `width` narrow does; whether a plain clustered t interval did at any look; and
    the share of the questions that was asked until then.
    """
    count, most, (lower, upper) = len(sums), int(ASKED.max()), bounds
    asked = ASKED.astype(float)
    value = sums.sum() / asked.sum()
    sides = ((sums - lower * asked, value - lower), (upper * asked - sums, upper - value))
    ever = any(End(gains, asked, most, count, 2 / ERROR).refutes(at) for gains, at in sides)

    def at(seen: int) -> tuple[float, float]:
        ends = sequence(sums[:seen], asked[:seen], bounds, most, count)
        assert ends is not None
        return ends

    stopped = first(lambda seen: -float(np.subtract(*at(seen))) <= width, count)
    low, high = at(stopped)
    missed = not low - 1e-9 <= value <= high + 1e-9
    return ever, missed, plain_misses(sums, asked, value), stopped / count


def first(holds: Callable[[int], bool], last: int) -> int:
    """Return the first number up to `last` for which it holds; it holds for all beyond."""
    low, high = 1, last
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def plain_misses(sums: Floats, asked: Floats, value: float) -> bool:
    """Say whether the clustered t interval, looked at after each image, ever misses `value`."""
    seen = np.arange(1, len(sums) + 1)
    top, bottom = sums.cumsum(), asked.cumsum()
    ratio = top / bottom
    squares = (sums**2).cumsum() - 2 * ratio * (sums * asked).cumsum()
    squares += ratio**2 * (asked**2).cumsum()
    inside = slice(FIRST_LOOK - 1, None)
    degrees = seen[inside] - 1
    error = np.sqrt(seen[inside] / degrees * squares[inside].clip(0)) / bottom[inside]
    reach = stdtrit(degrees, UPPER_TAIL) * error
    return bool((np.abs(ratio[inside] - value) > reach + 1e-12).any())


def repeat(
    draw: Callable[..., tuple[float, ...]], draws: int, *given: float
) -> tuple[NDArray[np.float64], float]:
    """Return what `draw` says on average and how long all draws took, each with its own seed."""
    begin = time.perf_counter()
    seeds = np.random.SeedSequence(9).spawn(draws)
    # Not forked: polars has threads, and a fork takes over their locks but not them.
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        found = list(pool.map(partial(seeded, draw, given), seeds, chunksize=50))
    return np.mean(found, axis=0), time.perf_counter() - begin


def seeded(
    draw: Callable[..., tuple[float, ...]],
    given: tuple[float, ...],
    seed: np.random.SeedSequence,
) -> tuple[float, ...]:
    return draw(np.random.default_rng(seed), *given)


def main() -> None:
    parser = argparse.ArgumentParser(description="How often intervals and tests err.")
    parser.add_argument("--draws", type=int, default=DRAWS, help=f"per line (default {DRAWS})")
    draws = parser.parse_args().draws
    print(f"{draws:,} draws a line; the questions of an image are alike.\n")
    print("95 % intervals that hold the accuracy    clustered  unclustered  seconds")
    for accuracy, count in ((0.5, 200), (0.7, 200), (0.9, 200), (0.9, 1_000)):
        (clustered, alone), seconds = repeat(coverage, draws, accuracy, count)
        name = f"{accuracy}, {count:,} images of 1 to 9 questions"
        print(f"{name:39} {clustered:10.1%} {alone:12.1%} {seconds:8.0f}")
    print("\np <= 0.05 where there is no difference   permutation  McNemar  seconds")
    for accuracy in (0.5, 0.7, 0.9):
        (swapped, plain), seconds = repeat(rejections, draws, accuracy)
        name = f"{accuracy}, 100 images of 1 to 9 questions"
        print(f"{name:39} {swapped:12.1%} {plain:8.1%} {seconds:8.0f}")
    print("\na look after each of 1,000 images        wrong at  wrong at  plain t:  asked  seconds")
    print("of 10 questions                          any look  the stop  any look")
    for name, draw, accuracy, width in (
        ("accuracy", one_run, 0.99, 0.02),
        ("accuracy", one_run, 0.8, 0.05),
        ("difference of two runs of", two_runs, 0.9, 0.05),
    ):
        (ever, missed, plain, share), seconds = repeat(draw, draws, accuracy, width)
        line = f"{name} {accuracy}, until {width}"
        print(f"{line:40} {ever:8.1%} {missed:9.1%} {plain:9.1%} {share:6.1%} {seconds:8.0f}")


if __name__ == "__main__":
    main()
