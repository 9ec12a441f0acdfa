"""Ask a model what the journal does not hold, and keep each answer as it comes."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any, Protocol

from sgleval.errors import RunError
from sgleval.metrics.metric import Ratio
from sgleval.plan import SAMPLING, Plan, Request
from sgleval.runtime.run_batch import Call, Outcome, run_batch
from sgleval.store import Journal
from sgleval.tables import Row, prediction
from sgleval.task import Task

FIRST = 20  # of the first requests …
MOST_FAILED = 0.5  # … may fail before the run stops


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


@dataclass
class Sent:
    """What this command asked of the model, as the summary reports it."""

    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0

    def add(self, outcome: Outcome) -> None:
        """Count one program's requests."""
        self.requests += outcome.requests or 0
        self.prompt_tokens += outcome.tokens.get("prompt_tokens") or 0
        self.cached_tokens += outcome.tokens.get("cached_tokens") or 0

    @property
    def reuse(self) -> float | None:
        """The share of prompt tokens that the server had in its cache; None if it does not say."""
        return self.cached_tokens / self.prompt_tokens if self.prompt_tokens else None

    def summary(self, seconds: float) -> dict[str, Any]:
        """Return this command's part of the summary."""
        measured = None if self.reuse is None else {"measured": self.reuse, "ceiling": None}
        return {"cost": {"sent": self.requests, "seconds": seconds}, "reuse": measured}


def ask(plan: Plan, journal: Journal, concurrency: int, watch: Watch) -> Sent:
    """Ask what the journal does not hold; keep each answer as it comes."""
    total = sum(plan.mask) * len(plan.task.variants)
    missing = sum(request.key not in journal for request in plan.requests())
    watch.begin(total, total - missing)
    sent, open_requests, errors = Sent(), dict[int, Request](), Counter[str]()
    if not missing:
        return sent

    def calls() -> Iterator[Call]:
        wanted = (request for request in plan.requests() if request.key not in journal)
        for position, request in enumerate(wanted):
            open_requests[position] = request
            yield request.call

    with plan.model.open(concurrency, watch.tell) as backend:
        outcomes = run_batch(
            plan.task.program, calls(), backend, concurrency=concurrency, **SAMPLING
        )
        for done, (position, outcome) in enumerate(outcomes, start=1):
            request = open_requests.pop(position)
            entry = journal.append(request.key, request.variant, request.sample.id, outcome)
            sent.add(outcome)
            row = prediction(
                request.sample, request.variant, entry, plan.task.answer, plan.task.extract
            )
            watch.answered(row, _headline(plan.task, row, request))
            if outcome.error is not None:
                errors[outcome.error] += 1
            _stop_early(done, errors)
    return sent


def _headline(task: Task, row: Row, request: Request) -> Ratio:
    metric, sample = task.measures[0], request.sample
    letters = dict(zip(ascii_uppercase, sample.choices, strict=False))
    options = [letters] if metric.wants_choices else []
    return metric(row.get("answer"), sample.answers, *options)


def _stop_early(done: int, errors: Counter[str]) -> None:
    """Stop a run of which most of the first requests fail, instead of burning the night."""
    if done == FIRST and errors.total() > MOST_FAILED * FIRST:
        [(error, _)] = errors.most_common(1)
        raise RunError(f"{errors.total()} of the first {FIRST} requests failed, most with: {error}")
