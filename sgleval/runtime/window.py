"""A sliding window over groups of work: of each group one goes ahead and others follow."""

import contextlib
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from sgleval.runtime.connection import Begun
from sgleval.runtime.leaders import Place, places
from sgleval.runtime.pace import Pace

Item = TypeVar("Item")
Result = TypeVar("Result")
WORTH_AN_EMPTY_SLOT = 64
"""From so many shared tokens on a follower waits even while slots are empty."""


def leader_first(group: Sequence[object]) -> list[Place]:
    """Return the places where all that is known is that the group shares something long."""
    return places([()] * len(group), shared=WORTH_AN_EMPTY_SLOT)


@dataclass(eq=False, slots=True)
class _Group:
    weight: float
    left: int


@dataclass(eq=False, slots=True)
class _Step(Generic[Item]):
    item: Item
    group: _Group
    gain: int
    """What its leader saves it, in tokens."""
    followers: "list[_Step[Item]]" = field(default_factory=list)
    """Held back until it says that they may start, or is done; who gains least is the last."""


@dataclass
class Window(Generic[Item, Result]):
    """Runs the items of groups, at most so many at once as its pace says.

    What starts together with the first one that needs a prefix would compute it once more. So it
    waits, and other groups fill the slots; those that are open go before a new one, since their
    prefix is in the cache now. No group waits for another one's stragglers. For a few tokens no
    more than half of the slots are left empty.
    """

    groups: Iterable[Sequence[Item]]
    """Read no further than the window; a group is what shares a prefix."""
    arrange: Callable[[Sequence[Item]], Sequence[Place]] = leader_first
    """Says which item of a group waits for which one."""
    weigh: Callable[[Sequence[Item]], float] = lambda _: 0.0
    """How much room a group takes while it is open, such as tokens of the server's cache."""
    room: float = math.inf
    """What open groups may weigh together; one may always be open."""
    alone: bool = False
    """Whether the very first item goes ahead of all groups, since they share something long."""
    _live: dict[_Step[Item], None] = field(default_factory=dict, init=False)
    _ready: deque[_Step[Item]] = field(default_factory=deque, init=False)
    _next: "Sequence[Item] | None" = field(default=None, init=False)
    _open: float = field(default=0.0, init=False)

    def run(
        self, work: Callable[[Item, Begun | None], Result], pace: Pace
    ) -> Iterator[tuple[Item, Result]]:
        """Yield each item with what `work` returns for it, as it finishes.

        Where others wait for an item, `work` gets what it may call as soon as they need not wait
        any longer. What it raises ends the run, once all that is finished by then has been yielded.
        """
        groups = iter(self.groups)
        heard: SimpleQueue[_Heard] = SimpleQueue()
        finished: list[_Done] = []
        pool = ThreadPoolExecutor(pace.most, thread_name_prefix="program")
        try:
            while True:
                if not any(map(_raised, finished)):
                    for step in self._starting(groups, pace.size):
                        begun = partial(heard.put, (step, None)) if step.followers else None
                        future = pool.submit(work, step.item, begun)
                        future.add_done_callback(partial(_put, heard, step))
                finished.sort(key=_raised)  # what is answered, before the end
                for step, future in finished:
                    yield step.item, future.result()
                if not self._live:
                    break
                finished = []
                for step, ended in _all_of(heard):
                    self._release(step)
                    if ended is not None:
                        finished.append((step, ended))
                        self._finish(step)
                        pace.finished()
        finally:
            pool.shutdown(wait=not self._live, cancel_futures=True)  # on the way out nobody waits

    def _starting(self, groups: Iterator[Sequence[Item]], size: int) -> "Iterator[_Step[Item]]":
        """Yield what to run next, until so many are live or nothing may start."""
        while len(self._live) < size:
            step = self._ready.popleft() if self._ready else self._ahead(groups)
            if step is None and len(self._live) < size / 2:
                step = self._impatient()
            if step is None:
                return
            self._live[step] = None
            yield step

    def _ahead(self, groups: Iterator[Sequence[Item]]) -> "_Step[Item] | None":
        """Open a new group if there is one and room for it; return the item that goes ahead."""
        self._next = self._next or next(groups, None)
        if self._next is None or (self.alone and self._live):
            return None
        weight = self.weigh(self._next)
        if self._open and self._open + weight > self.room:
            return None
        items, self._next = self._next, None
        self._open += weight
        return _first_step(items, self.arrange(items), weight)

    def _impatient(self) -> "_Step[Item] | None":
        """Return a follower that gains little by waiting."""
        for leader in self._live:
            if leader.followers and leader.followers[-1].gain < WORTH_AN_EMPTY_SLOT:
                return leader.followers.pop()
        return None

    def _release(self, step: "_Step[Item]") -> None:
        """Let start what has waited for it."""
        self.alone = False
        for follower in step.followers:
            if follower.followers:  # the sooner it is done, the sooner they may start
                self._ready.appendleft(follower)
            else:
                self._ready.append(follower)
        step.followers.clear()

    def _finish(self, step: "_Step[Item]") -> None:
        del self._live[step]
        step.group.left -= 1
        if not step.group.left:
            self._open -= step.group.weight


def _first_step(items: Sequence[Item], arranged: Sequence[Place], weight: float) -> "_Step[Item]":
    """Make the steps of a group; return the one that waits for none."""
    group = _Group(weight, len(items))
    steps = [_Step(item, group, place.gain) for item, place in zip(items, arranged, strict=True)]
    [first] = (step for step, place in zip(steps, arranged, strict=True) if place.leader is None)
    for step, place in zip(steps, arranged, strict=True):
        if place.leader is not None:
            steps[place.leader].followers.append(step)
    for step in steps:
        step.followers.sort(key=lambda follower: -follower.gain)
    return first


_Done = tuple[_Step[Any], Future[Any]]
_Heard = tuple[_Step[Any], Future[Any] | None]  # None: those that wait for it may start


def _put(heard: "SimpleQueue[_Heard]", step: "_Step[Any]", future: Future[Any]) -> None:
    heard.put((step, future))


def _all_of(heard: "SimpleQueue[_Heard]") -> list[_Heard]:
    """Wait until something is heard; return it with all that is there besides."""
    found = [heard.get()]
    with contextlib.suppress(Empty):
        while True:
            found.append(heard.get_nowait())
    return found


def _raised(done: _Done) -> bool:
    return done[1].exception() is not None
