"""Stop when it is known: images in random order until the interval is narrow (`--until`)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sgleval.errors import UserError
from sgleval.plan import Plan, Request
from sgleval.stats.sequence import Sequence as Evidence
from sgleval.store import Journal
from sgleval.tables import prediction

FIRST, GROWTH = 8, 1.15
"""Images before the first look, and how their number grows from one look to the next."""


@dataclass
class Until:
    """Images of a plan in seeded random order, more of them until every interval is narrow.

    Of one variant it is the interval of the headline metric; of several those of each one's
    difference to the first. They are confidence sequences: true at every look at once, all of them
    together with 95 %.
    """

    plan: Plan
    journal: Journal
    width: float
    """How far apart the ends of an interval may be at the end."""
    taken: int = field(default=0, init=False)
    """Images, by their place in the random order."""
    _seen: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._refuse()
        keys = np.frombuffer(self.plan.scan.image_keys, dtype=np.uint64)
        chosen = np.frombuffer(self.plan.mask, dtype=np.uint8).astype(bool)
        distinct, places = np.unique(keys[chosen], return_inverse=True)
        order = np.random.RandomState(self.plan.seed).permutation(len(distinct))
        self.ranks = np.full(len(keys), len(distinct))
        """Each sample's image's place in the random order; beyond the last one if not chosen."""
        self.ranks[chosen] = order[places]
        self.images = len(distinct)
        self.known: dict[str, Evidence] = {}
        """By variant what is known of it, or of its difference to the first."""

    def stages(self) -> Iterator[Plan]:
        """Yield parts of the plan to be asked, until it is known; looks at answered images."""
        while self.taken < self.images and not self.is_known():
            begin, self.taken = self.taken, self._next_count()
            yield self._part(begin, self.taken)

    def _next_count(self) -> int:
        return min(self.images, max(FIRST, int(self.taken * GROWTH) + 1))

    def _part(self, begin: int, end: int) -> Plan:
        inside = (self.ranks >= begin) & (self.ranks < end)
        return replace(self.plan, mask=bytes(inside.astype(np.uint8)))

    def asked(self) -> Plan:
        """Return the plan of all the images that were taken."""
        return self._part(0, self.taken)
