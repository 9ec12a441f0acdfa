"""A confidence sequence: an interval that may be looked at after every image."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from sgleval.stats.interval import Bounds

Floats = NDArray[np.float64]

ERROR = 0.05
BETS = np.geomspace(0.005, 0.95, 12)
"""Shares of the wealth that are staked on each image: small ones win in the long run, large ones
early and where the spread is small. The wealth is spread over all of them."""

ROUNDING = 1e-9
"""The relative error that sums may have."""

STEPS = 16
"""Halvings of the range that find an end, to 0.00002 of it; the interval is wider by less."""


def sequence(
    numerators: ArrayLike,
    denominators: ArrayLike,
    bounds: Bounds,
    most: float,
    images: int | None = None,
    error: float = ERROR,
) -> tuple[float, float] | None:
    """Return the 95 % confidence sequence of Σ numerators / Σ denominators at the current image.

    The columns hold the sums of each image so far, in the random order in which images are asked;
    each numerator lies within `bounds` times its denominator, `most` is the greatest denominator
    that any image can have. With probability 0.95 the intervals after each image all hold the
    value, so a run may stop as soon as one is narrow, whenever it looks. A paired difference over
    equal denominators is one such column with `bounds` (-1, 1).

    With `images`, the number of images of the whole data set, the order is one without
    replacement, and the value is the one that the whole data set would give; the interval closes on
    it. Without, images are drawn from a population, and the value is the population's. None for an
    unbounded metric, whose next image may change everything. `error` is the probability that any
    interval is wrong; several sequences that have to hold together share 0.05 out.

    Each r is tested by betting (Waudby-Smith & Ramdas 2024, Estimating means of bounded random
    variables by betting; a finite set as in their section 5): if r is the value, the next image's
    x = numerator - r·denominator is expected to be 0, or without replacement -Σ x so far / images
    left. A gambler who stakes a share of his wealth on "more" multiplies it by 1 + share ·
    (x - expected) / (expected - least possible x) and reaches 2 / error times his wealth with
    probability error / 2 at most (Ville); an r at which he ever did is left out, and likewise for
    "less". His wealth falls as r grows, so halving finds where he stops to win.

    Raises:
        ValueError: a sum is out of the range that `bounds` and `most` allow.

    >>> sequence([5] * 100, [5] * 100, (0, 1), 5)  # doctest: +ELLIPSIS
    (0.9387..., 1.0)
    >>> sequence([5] * 100, [5] * 100, (0, 1), 5, images=150)  # doctest: +ELLIPSIS
    (0.9627..., 1.0)
    """
    lower, upper = bounds
    if upper is None:
        return None
    top, bottom = (np.asarray(column, dtype=np.float64) for column in (numerators, denominators))
    if not bottom.any():
        return float(lower), float(upper)
    above, below = top - lower * bottom, upper * bottom - top
    slack = ROUNDING * most
    if min(above.min(), below.min()) < -slack or bottom.max() > most + slack:
        raise ValueError(f"an image's sums are out of {bounds} times a denominator up to {most}")
    if images is not None and len(top) > images:
        raise ValueError(f"{len(top)} images out of {images}")
    sides = (End(side, bottom, most, images, 2 / error) for side in (above, below))
    ends = (side.refuted(upper - lower) for side in sides)
    low, high = ends
    return lower + low, upper - high


@dataclass(frozen=True, slots=True)
class End:
    """One end of the interval, seen from the same end of the range; so both are lower ends."""

    gains: Floats
    """Per image, how far the numerator is from its value at the range's end."""
    denominators: Floats
    most: float
    images: int | None
    wealth: float
    """What the gambler has to make of 1 for an end to be left out."""

    def refuted(self, width: float) -> float:
        """Return the greatest ratio found that is refuted, at most the ratio so far.

        `width` is that of the range.
        """
        gained, asked = float(self.gains.sum()), float(self.denominators.sum())
        low, high = 0.0, min(width, gained / asked)
        if self.images is not None:  # the images that are left may bring nothing more
            left = (self.images - len(self.gains)) * self.most
            low = gained / (asked + left) if gained else 0.0
        for _ in range(STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.refutes(middle) else (low, middle)
        return low

    def refutes(self, ratio: float) -> bool:
        """Say whether `ratio` was left out at any look so far."""
        gained, asked = _before(self.gains), _before(self.denominators)
        left = inf if self.images is None else self.images - np.arange(len(self.gains))
        # What the next image is at least below its expectation, and this one was above its least.
        room = ratio * (self.most + asked / left) - gained / left
        slack = ROUNDING * self.most
        if (room < -slack).any():  # so much has been gained that the whole must exceed it
            return True
        won = self.gains + ratio * (self.most - self.denominators) - room
        won = np.divide(won, room, out=np.zeros_like(won), where=room > slack)  # else no stake
        wealth = np.cumsum(np.log1p(BETS[:, None] * won), axis=1)
        rich = wealth[:, wealth.max(axis=0) >= log(self.wealth)]  # the mean is no more than this
        most = rich.max(axis=0, initial=0)
        return bool((most + np.log(np.exp(rich - most).mean(axis=0)) >= log(self.wealth)).any())


def _before(values: Floats) -> Floats:
    """Return the sums of what stands before each value."""
    return np.cumsum(values) - values
