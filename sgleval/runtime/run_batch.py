"""SGLang's `run_batch` with its meaning kept and its body replaced.

The stock one can hang for ever after a failed call, loses a whole batch to one bad item, has no
time-outs and keeps every image in memory. Here the same programs run, each with
`run(..., use_thread=False)`, in a bounded sliding window: the next one starts when one ends.
"""

import datetime as dt
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sgleval.errors import RunError, UserError
from sgleval.runtime.inline import run_inline
from sgleval.runtime.ledger import Ledger
from sgleval.sample import Image, Sample

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a program: its arguments, and the sample they came from where there is one."""

    arguments: Mapping[str, Any]
    """An `Image`, or a sequence of them, becomes its bytes when its turn comes."""
    sample: Sample | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one call: the program's variables, or the error that ended it."""

    variables: dict[str, str]
    meta: dict[str, dict[str, Any]]
    """SGLang's `meta_info` of each variable."""
    error: str | None
    seconds: float
    started_at: dt.datetime
    requests: int | None = None
    tokens: dict[str, int | None] = field(default_factory=dict)


def run_batch(
    program: Any, calls: Iterable[Call], backend: Any, *, concurrency: int, **sampling: Any
) -> Iterator[tuple[int, Outcome]]:
    """Run a program once per call; yield (the call's position, its outcome) as each one finishes.

    At most `concurrency` programs are open and `calls` is read no further than that, so memory
    holds the images of the window. A call that fails is an outcome with an error and touches no
    other one.

    Raises:
        RunError: the server is gone for good; what was yielded stays true.
        UserError: the program asks for what the model's template does not have.
    """
    groups = ([(position, call)] for position, call in enumerate(calls))
    window = Window(groups, lambda numbered: numbered[1])
    for (position, _), outcome in window.run(program, backend, concurrency, **sampling):
        yield position, outcome


@dataclass
class Window(Generic[Item]):
    """The sliding window over groups: of each the first goes ahead, its siblings follow.

    Siblings that start together would all miss what the first one computes. They go before a new
    group, since their prefix is in the cache now; no group waits for another one's stragglers.
    """

    groups: Iterable[Sequence[Item]]
    """Read no further than the window; a group is what shares a prefix."""
    call: Callable[[Item], Call]
    weigh: Callable[[Sequence[Item]], float] = lambda _: 0.0
    """How much room a group takes while it is open, such as tokens of the server's cache."""
    room: float = math.inf
    """What open groups may weigh together; one may always be open."""
    _ready: deque[tuple[Item, "Group[Item]"]] = field(default_factory=deque, init=False)
    _next: "Sequence[Item] | None" = field(default=None, init=False)
    _open: float = field(default=0.0, init=False)

    def run(
        self, program: Any, backend: Any, concurrency: int, **sampling: Any
    ) -> Iterator[tuple[Item, Outcome]]:
        """Yield each item with its outcome as it finishes; raises what `run_batch` does."""
        groups = iter(self.groups)
        live: dict[Future[Outcome], tuple[Item, Group[Item]]] = {}
        pool = ThreadPoolExecutor(concurrency, thread_name_prefix="program")
        try:
            while True:
                while len(live) < concurrency and (start := self._start(groups)) is not None:
                    future = pool.submit(run_once, program, self.call(start[0]), backend, sampling)
                    live[future] = start
                if not live:
                    break
                done_now = wait(live, return_when=FIRST_COMPLETED).done
                for done in sorted(done_now, key=_raised):  # what is answered, before the end
                    item, group = live.pop(done)
                    outcome = done.result()
                    self._finish(group)
                    yield item, outcome
        finally:
            pool.shutdown(wait=not live, cancel_futures=True)  # on the way out, nobody waits

    def _start(self, groups: Iterator[Sequence[Item]]) -> "tuple[Item, Group[Item]] | None":
        """Return what to run next: a sibling whose leader is done, else a new group's leader."""
        if self._ready:
            return self._ready.popleft()
        self._next = self._next or next(groups, None)
        if self._next is None:
            return None
        weight = self.weigh(self._next)
        if self._open and self._open + weight > self.room:
            return None
        group, self._next = Group(self._next, weight, len(self._next)), None
        self._open += weight
        return group.items[0], group

    def _finish(self, group: "Group[Item]") -> None:
        if not group.led:
            group.led = True
            self._ready.extend((item, group) for item in group.items[1:])
        group.left -= 1
        if not group.left:
            self._open -= group.weight


@dataclass
class Group(Generic[Item]):
    """One group while it is open."""

    items: Sequence[Item]
    weight: float
    left: int
    led: bool = False
    """Whether the first one is done, so that its prefix is in the cache."""


def run_once(program: Any, call: Call, backend: Any, sampling: Mapping[str, Any]) -> Outcome:
    """Run one program inline; every failure but the run's own end is its own."""
    began, started_at = time.monotonic(), dt.datetime.now(dt.UTC)
    view = getattr(
        backend, "opened", None
    )  # a user's own SGLang backend has neither view nor ledger
    opened = view(call.sample) if view else backend
    ledger: Ledger = getattr(opened, "ledger", Ledger())
    variables, meta, error = {}, {}, None
    try:
        arguments = {name: _loaded(value) for name, value in call.arguments.items()}
        executor = run_inline(program, arguments, opened, sampling)
        variables, meta = dict(executor.variables), dict(executor.meta_info)
    except (RunError, UserError):
        raise
    except Exception as problem:  # noqa: BLE001  (a program is the user's code: one row fails, not the run)
        error = f"{type(problem).__name__}: {problem}"
    return Outcome(
        variables={name: value for name, value in variables.items() if isinstance(value, str)},
        meta=meta,
        error=error,
        seconds=time.monotonic() - began,
        started_at=started_at,
        requests=ledger.requests if hasattr(opened, "ledger") else len(meta),
        tokens=dict(ledger.tokens),
    )


def _raised(done: Future[Outcome]) -> bool:
    return done.exception() is not None


def _loaded(value: Any) -> Any:
    if isinstance(value, Image):
        return value.bytes
    if isinstance(value, (tuple, list)) and any(isinstance(item, Image) for item in value):
        return [_loaded(item) for item in value]
    return value
