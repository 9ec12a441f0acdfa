"""Ask a model what the journal does not hold, and keep each answer as it comes."""

import signal
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

from sgleval.cache_check import probing, recheck
from sgleval.ceiling import Ceiling
from sgleval.dispatch import ROOM, answering, arranger, tails, warm, weights
from sgleval.errors import RunError, UserError
from sgleval.metrics.metric import Ratio
from sgleval.plan import Plan, Request
from sgleval.runtime.model import ServerSays
from sgleval.runtime.pace import MOST, Pace
from sgleval.runtime.run_batch import Outcome
from sgleval.runtime.sglang import SglangBackend
from sgleval.runtime.traffic import Traffic
from sgleval.runtime.window import Window
from sgleval.sent import Sent
from sgleval.store import Journal
from sgleval.tables import Row, headline, row_of
from sgleval.task import Task

if TYPE_CHECKING:
    from array import array

FIRST = 20  # of the first requests ...
MOST_FAILED = 0.5  # ... may fail before the run stops


class Watch(Protocol):
    """Who looks on while a run goes: a progress bar, or nobody."""

    def tell(self, text: str) -> None:
        """Hear what is going on, such as a server that loads."""

    def begin(self, total: int, kept: int) -> None:
        """Hear how many answers the table needs and how many are there already."""

    def answered(self, row: Row, ratio: Ratio) -> None:
        """See one finished prediction and its score."""


class Nobody:
    """A watch that does not look."""

    def tell(self, text: str) -> None: ...  # noqa: D102
    def begin(self, total: int, kept: int) -> None: ...  # noqa: D102
    def answered(self, row: Row, ratio: Ratio) -> None: ...  # noqa: D102


def ask(  # noqa: PLR0913  (what a command may want of it, by keyword)
    plan: Plan,
    journal: Journal,
    concurrency: int | None,
    watch: Watch,
    *,
    planned: bool = True,
    recheck_of: int | None = None,
    stages: Iterable[Plan] | None = None,
) -> Sent:
    """Ask what the journal does not hold; keep each answer as it comes.

    `concurrency` programs are open at once, or as many as suit the server (see `Pace`). `planned`
    sends leaders first; `recheck_of` answers are repeated cold at the end (see
    `cache_check.recheck`). `stages` are parts of the plan to be asked in this order, each read when
    its turn comes; without them it is the whole.
    """
    total, kept, missing = _missing(plan, journal)
    watch.begin(total, kept)
    sent, errors, tail = Sent(_ceiling(plan)), Counter[str](), tails(plan)
    weighed = weights(plan, tail)
    staged = [missing] if stages is None else (_missing(stage, journal)[2] for stage in stages)
    parts = (part for part in staged if any(part.mask))
    first = next(parts, None)
    if first is None and recheck_of is None:
        return sent
    # polars takes Ctrl-C over such that a wait goes on after it, here until the next answer comes.
    signal.siginterrupt(signal.SIGINT, True)  # noqa: FBT003  (it takes nothing by name)
    groups = chain.from_iterable(
        _order(part, journal, planned=planned)
        for part in chain([] if first is None else [first], parts)
    )
    with plan.model.open(concurrency or MOST, watch.tell) as backend:
        alone, says = warm(backend, plan), ServerSays.of(backend)
        believe = probing(backend, plan.model.template)
        pace = _pace(concurrency, backend, plan)
        window = Window[Request, Outcome](
            *(groups, arranger(plan, backend, tail), weighed.of, ROOM * says.pool_tokens),
            alone=alone,
        )
        if isinstance(backend, SglangBackend):
            sent.traffic = backend.client.traffic = Traffic()
        answer = answering(plan, backend, early=says.streams_whole_texts)
        outcomes = window.run(answer, pace)
        for done, (request, outcome) in enumerate(outcomes, start=1):
            believe()
            weighed.learn(request, outcome)
            entry = journal.append(
                *(request.key, request.variant, request.sample.id, outcome), request.perturbation
            )
            sent.add(request, outcome)
            row = row_of(plan.task, request, entry)
            watch.answered(row, _headline(plan.task, request, row))
            if outcome.error is not None:
                errors[outcome.error] += 1
            _stop_early(done, errors)
        believe()
        if recheck_of is not None:
            watch.tell("repeating answers with a cold cache")
            sent.cache_check = recheck(plan, journal, backend, recheck_of, pace.size)
    return sent


def _missing(plan: Plan, journal: Journal) -> tuple[int, int, Plan]:
    """Return how many answers a plan needs, how many are there, and the plan of the others."""
    if plan.keys is not None:
        return _missing_of_many(plan, plan.keys, journal)
    total, kept, mask = 0, 0, bytearray(len(plan.mask))
    for position, halves in plan.keyed():
        there = sum(map(journal.has, halves))
        total, kept, mask[position] = total + len(halves), kept + there, there < len(halves)
    return total, kept, replace(plan, mask=bytes(mask))


def _missing_of_many(plan: Plan, keys: "array[int]", journal: Journal) -> tuple[int, int, Plan]:
    """Return the same where the keys of all samples are known, in a twentieth of the time."""
    import numpy as np

    chosen = np.frombuffer(plan.mask, np.bool_)
    there = journal.have(keys).reshape(len(chosen), -1)
    lacking = chosen & ~there.all(axis=1)
    kept = there[chosen]
    return kept.size, int(kept.sum()), replace(plan, mask=lacking.tobytes())


def _order(plan: Plan, journal: Journal, *, planned: bool) -> Iterator[list[Request]]:
    """Yield what of a plan the journal does not hold, in groups."""
    order = plan.groups if planned else plan.ungrouped
    return order(lambda request: request.key not in journal)


def _pace(concurrency: int | None, backend: Any, plan: Plan) -> Pace:
    """Return the number of programs that the user fixed, or one that adapts to the server."""
    adapts = concurrency is None and isinstance(backend, SglangBackend)
    pace = Pace(concurrency or plan.model.concurrency, adapts)
    if adapts:
        pace.refusals = lambda: backend.client.traffic.refusals
    return pace


def _ceiling(plan: Plan) -> Ceiling | None:
    """Return what counts the ceiling of reuse, where one request a program makes it knowable."""
    template = plan.model.template
    if plan.generations != 1 or template.folder is None:
        return None
    return Ceiling.of(template.folder, template.image)


def _headline(task: Task, request: Request, row: Row) -> Ratio:
    try:
        return headline(task, request, row)
    except UserError:  # scoring will name it; until then the answers are worth having
        return Ratio(0.0, 0.0)


def _stop_early(done: int, errors: Counter[str]) -> None:
    """Stop a run of which most of the first requests fail, instead of burning the night."""
    if done == FIRST and errors.total() > MOST_FAILED * FIRST:
        [(error, _)] = errors.most_common(1)
        raise RunError(f"{errors.total()} of the first {FIRST} requests failed, most with: {error}")
