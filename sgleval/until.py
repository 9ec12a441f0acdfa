"""Stop when it is known: images in random order until the interval is narrow (`--until`)."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sgleval.errors import UserError
from sgleval.plan import Plan, Request
from sgleval.stats.sequence import ERROR, sequence
from sgleval.store import Journal
from sgleval.tables import headline, row_of

FIRST, GROWTH = 8, 1.1
"""Images before the first look, and how their number grows from one look to the next."""

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclass
class Until:
    """Images of a plan in seeded random order, more of them until every interval is narrow.

    Of one variant it is the interval of the headline metric; of several those of each one's
    difference to the first. They are confidence sequences (`stats.sequence`) of what the whole data
    would give: true at every look at once, all of them together with 95 %.
    """

    plan: Plan
    journal: Journal
    width: float
    """How far apart the ends of an interval may be at the end."""
    taken: int = field(default=0, init=False)
    """Images, the first ones of the random order."""
    looked: int = field(default=0, init=False)
    """Images that were complete at the last look."""
    ends: dict[str, tuple[float, float]] = field(default_factory=dict, init=False)
    """The interval by variant at the last look."""

    def __post_init__(self) -> None:
        self._refuse()
        keys = np.frombuffer(self.plan.scan.image_keys, dtype=np.uint64)
        chosen = np.frombuffer(self.plan.mask, dtype=np.uint8).astype(bool)
        distinct, places = np.unique(keys[chosen], return_inverse=True)
        self.images = len(distinct)
        order = np.random.RandomState(self.plan.seed).permutation(self.images)
        self.ranks = np.full(len(keys), self.images)
        self.ranks[chosen] = order[places]
        asked = np.bincount(order[places], minlength=self.images)
        self.most = int(asked.max())
        self._sums = {label: np.zeros(self.images) for label in self.plan.task.variants}
        self._left, self._asked = asked * len(self._sums), asked.astype(np.float64)

    def _refuse(self) -> None:
        metric = self.plan.task.measures[0]
        if not 0 < self.width < 1:
            raise UserError(f"--until {self.width:g}: give a width between 0 and 1, such as 0.02")
        if metric.bounds != (0, 1) or metric.group or metric.composite:
            raise UserError(
                f"--until: {metric.name} is no mean of values from 0 to 1, so nothing can be known"
                " before all is asked; put another metric first, or name it with --metric"
            )

    def stages(self) -> Iterator[Plan]:
        """Yield parts of the plan to be asked until it is known; each look is at what is there."""
        while self.taken < self.images and not self.is_known():
            begin = self.taken
            self.taken = min(self.images, max(FIRST, int(begin * GROWTH) + 1))
            yield self._part(begin, self.taken)

    def asked(self) -> Plan:
        """Return the plan of all the images that were taken."""
        return self._part(0, self.taken)

    def _part(self, begin: int, end: int) -> Plan:
        inside = (self.ranks >= begin) & (self.ranks < end)
        return replace(self.plan, mask=bytes(inside.astype(np.uint8)))

    def is_known(self) -> bool:
        """Look at the images that are answered, up to the first one that is not."""
        self._read()
        complete = self._left[: self.taken] == 0
        self.looked = int(complete.argmin()) if not complete.all() else self.taken
        if not self.looked:
            return False
        first, *others = self._sums
        base, asked = self._sums[first][: self.looked], self._asked[: self.looked]
        if not others:
            self.ends = {first: self._ends(base, asked, (0, 1), ERROR)}
        else:
            share = ERROR / len(others)
            self.ends = {
                label: self._ends(self._sums[label][: self.looked] - base, asked, (-1, 1), share)
                for label in others
            }
        return all(high - low <= self.width for low, high in self.ends.values())

    def _ends(
        self, sums: Floats, asked: Floats, bounds: tuple[float, float], error: float
    ) -> tuple[float, float]:
        found = sequence(sums, asked, bounds, self.most, self.images, error)
        assert found is not None  # the bounds are finite
        return found

    def _read(self) -> None:
        """Add what has been answered since the last look."""
        unread = (self.ranks < self.taken) & (
            self._left[np.minimum(self.ranks, self.images - 1)] > 0
        )
        part = replace(self.plan, mask=bytes(unread.astype(np.uint8)), perturbations=())
        ranks = np.repeat(self.ranks[unread], len(self._sums))
        sums = {label: np.zeros(self.images) for label in self._sums}
        left = np.bincount(ranks, minlength=self.images)
        for rank, request in zip(ranks.tolist(), part.requests(), strict=True):
            value = self._value(request)
            if value is not None:
                sums[request.variant][rank] += value
                left[rank] -= 1
        done = (left == 0) & (np.bincount(ranks, minlength=self.images) > 0)
        for label, column in sums.items():
            self._sums[label][done] = column[done]
        self._left[done] = 0

    def _value(self, request: Request) -> float | None:
        """Return what an answer scores, None before it is there; a failed one scores the worst."""
        entry = self.journal.read(request.key)
        if entry is None:
            return None
        task = self.plan.task
        share = headline(task, request, row_of(task, request, entry))
        if share.denominator != 1:
            name = task.measures[0].name
            raise UserError(f"--until: {name} does not count each sample once; name another")
        return share.numerator

    def summary(self) -> dict[str, Any]:
        """Return the key `until` of the summary."""
        known = self.is_known()
        samples, of = (int((self.ranks < count).sum()) for count in (self.taken, self.images))
        return {
            "width": self.width,
            "of_difference": len(self._sums) > 1,
            "known": known,
            "intervals": [
                {"variant": label, "low": low, "high": high}
                for label, (low, high) in self.ends.items()
            ],
            "images": self.taken,
            "of_images": self.images,
            "samples": samples,
            "of": of,
        }
