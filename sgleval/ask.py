"""Ask a model what the journal does not hold, and keep each answer as it comes."""

import math
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

from sgleval.cache_check import probe, recheck
from sgleval.ceiling import Ceiling, tokenizer_in
from sgleval.errors import RunError, UserError
from sgleval.metrics.metric import Ratio
from sgleval.plan import SAMPLING, Plan, Request
from sgleval.runtime.leaders import Place, places
from sgleval.runtime.model import pool_tokens
from sgleval.runtime.pace import Pace
from sgleval.runtime.record import first_prompt
from sgleval.runtime.run_batch import Outcome, run_once
from sgleval.runtime.sglang import SglangBackend
from sgleval.runtime.window import WORTH_AN_EMPTY_SLOT, Window, leader_first
from sgleval.store import Journal
from sgleval.tables import Row, prediction
from sgleval.task import Task

ROOM = 0.8  # of the cache for open groups; the rest is for what is being written
SIBLING_TOKENS = 64  # a question and its answer behind the shared prefix
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


@dataclass
class Sent:
    """What this command asked of the model, as the summary reports it."""

    ceiling: Ceiling | None = None
    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    cache_check: dict[str, Any] | None = None
    until: dict[str, Any] | None = None

    def add(self, request: Request, outcome: Outcome) -> None:
        """Count one program's requests."""
        tokens, prompt = outcome.tokens, request.prompt
        self.requests += outcome.requests or 0
        self.prompt_tokens += tokens.get("prompt_tokens") or 0
        self.cached_tokens += tokens.get("cached_tokens") or 0
        if self.ceiling and outcome.error is None:
            self.ceiling.known &= prompt is not None
            if prompt is not None:
                self.ceiling.add(
                    *(prompt.text, prompt.images),
                    image_tokens=tokens.get("image_tokens") or 0,
                    prompt_tokens=tokens.get("prompt_tokens") or 0,
                )

    @property
    def reuse(self) -> float | None:
        """The share of prompt tokens that the server had in its cache; None if it does not say."""
        return self.cached_tokens / self.prompt_tokens if self.prompt_tokens else None

    def summary(self, seconds: float) -> dict[str, Any]:
        """Return this command's part of the summary."""
        ceiling = self.ceiling.value if self.ceiling else None
        reuse = None if self.reuse is None else {"measured": self.reuse, "ceiling": ceiling}
        cost = {"sent": self.requests, "seconds": seconds}
        return {"cost": cost, "reuse": reuse, "cache_check": self.cache_check, "until": self.until}


def ask(
    plan: Plan,
    journal: Journal,
    concurrency: int,
    watch: Watch,
    *,
    planned: bool = True,
    recheck_of: int | None = None,
    stages: Iterable[Plan] | None = None,
) -> Sent:
    """Ask what the journal does not hold; keep each answer as it comes.

    `planned` sends leaders first; `recheck_of` answers are repeated cold at the end (see
    `cache_check.recheck`). `stages` are parts of the plan to be asked in this order, each read when
    its turn comes; without them it is the whole.
    """
    total, missing = 0, 0
    for request in plan.requests():
        total += 1
        missing += request.key not in journal
    watch.begin(total, total - missing)
    sent, errors, weights = Sent(_ceiling(plan)), Counter[str](), Weights()
    parts = chain([plan] if stages is None else stages)
    first = next(
        (part for part in parts if any(r.key not in journal for r in part.requests())), None
    )
    if first is None and recheck_of is None:
        return sent
    # polars takes Ctrl-C over such that a wait goes on after it, here until the next answer comes.
    signal.siginterrupt(signal.SIGINT, True)  # noqa: FBT003  (it takes nothing by name)
    groups = chain.from_iterable(
        _order(part, journal, planned=planned)
        for part in chain([] if first is None else [first], parts)
    )
    with plan.model.open(concurrency, watch.tell) as backend:
        probe(backend, plan.model.template)
        _warm(backend, plan)
        room = ROOM * (pool_tokens(backend) or math.inf)
        window = Window[Request, Outcome](groups, arranger(backend, plan), weights.of, room)
        outcomes = window.run(
            lambda request: run_once(plan.task.program, request.call, backend, SAMPLING),
            Pace(concurrency),
        )
        for done, (request, outcome) in enumerate(outcomes, start=1):
            weights.learn(request, outcome)
            entry = journal.append(
                *(request.key, request.variant, request.sample.id, outcome), request.perturbation
            )
            sent.add(request, outcome)
            row = prediction(
                *(request.sample, request.variant, entry),
                *(plan.task.answer_of(request.variant), plan.task.extract),
            )
            watch.answered(row, _headline(plan.task, row, request))
            if outcome.error is not None:
                errors[outcome.error] += 1
            _stop_early(done, errors)
        if recheck_of is not None:
            watch.tell("repeating answers with a cold cache")
            sent.cache_check = recheck(plan, journal, backend, recheck_of, concurrency)
    return sent


def _order(plan: Plan, journal: Journal, *, planned: bool) -> Iterator[list[Request]]:
    """Yield what of a plan the journal does not hold, in groups."""
    order = plan.groups if planned else plan.ungrouped
    return order(lambda request: request.key not in journal)


def _warm(backend: Any, plan: Plan) -> None:
    """Have the constant text before the first image computed, which the first leaders all need."""
    request = next(plan.requests())
    prompt = first_prompt(plan.task.program, request.call, plan.model.template)
    if prompt and isinstance(backend, SglangBackend):
        backend.cache_prefix(prompt.text.partition(plan.model.template.image)[0])


def _ceiling(plan: Plan) -> Ceiling | None:
    """Return what counts the ceiling of reuse, where one request a program makes it knowable."""
    template = plan.model.template
    if plan.generations != 1 or template.folder is None:
        return None
    return Ceiling.of(template.folder, template.image)


def arranger(backend: Any, plan: Plan) -> Callable[[Sequence[Request]], Sequence[Place]]:
    """Return what says which request of a group waits for which one.

    Where prompts part after the last image is read in the model's tokens, or else in words.
    """
    template = plan.model.template
    if not isinstance(backend, SglangBackend):  # a user's own model has no cache of prefixes
        return leader_first
    tokenizer = tokenizer_in(template.folder) if template.folder else None

    def tokens(text: str) -> Sequence[int] | Sequence[str]:
        return tokenizer.encode(text).ids if tokenizer else re.findall(r"\s?\w+|\W", text)

    def arrange(group: Sequence[Request]) -> Sequence[Place]:
        prompts = [request.prompt for request in group if request.prompt is not None]
        if len(prompts) < len(group) or len(group) == 1:
            return leader_first(group)
        tails = [tokens(prompt.text.rpartition(template.image)[2]) for prompt in prompts]
        return places(tails, shared=WORTH_AN_EMPTY_SLOT if prompts[0].images else 0)

    return arrange


@dataclass
class Weights:
    """How many tokens of the server's cache a group needs: guessed from pixels, then learned."""

    scale: float = 1.0
    """The most that a prompt had over the guess."""

    def of(self, group: Sequence[Request]) -> float:
        """Return the tokens that a group holds while it is open."""
        return self.scale * _guess(group[0]) + len(group) * SIBLING_TOKENS

    def learn(self, request: Request, outcome: Outcome) -> None:
        """Correct the scale by an answered prompt."""
        tokens = outcome.tokens.get("prompt_tokens")
        if tokens and outcome.requests == 1:
            self.scale = max(self.scale, tokens / _guess(request))


def _guess(request: Request) -> float:
    """Return a prompt's tokens at 28 times 28 pixels and four characters each."""
    pixels = sum(width * height for width, height in (i.size for i in request.sample.images))
    return pixels / 784 + len(request.sample.question) / 4 + 1


def _headline(task: Task, row: Row, request: Request) -> Ratio:
    metric = task.measures[0]
    try:
        return metric.of(row.get("text" if metric.parser else "answer"), request.sample)
    except UserError:  # scoring will name it; until then the answers are worth having
        return Ratio(0.0, 0.0)


def _stop_early(done: int, errors: Counter[str]) -> None:
    """Stop a run of which most of the first requests fail, instead of burning the night."""
    if done == FIRST and errors.total() > MOST_FAILED * FIRST:
        [(error, _)] = errors.most_common(1)
        raise RunError(f"{errors.total()} of the first {FIRST} requests failed, most with: {error}")
