"""Which answers a command is about, and which of them have to be asked."""

from collections.abc import Iterator
from dataclasses import dataclass
from string import ascii_uppercase

from sgleval import bind
from sgleval.dataset.limit import limited
from sgleval.dataset.scan import Scan
from sgleval.errors import UserError
from sgleval.fingerprint import answer_key, arguments_of, digest, program_digest
from sgleval.metrics.metric import Metric
from sgleval.runtime.model import Model
from sgleval.runtime.run_batch import Call
from sgleval.sample import Sample
from sgleval.task import Task

SAMPLING = {"temperature": 0.0}
"""What a program's `gen` gets unless it says otherwise."""


@dataclass(frozen=True)
class Request:
    """One sample under one variant: its key in the journal and the call that answers it."""

    key: str
    variant: str
    sample: Sample
    call: Call


@dataclass(frozen=True)
class Plan:
    """The samples times variants of a command, in the order in which they are asked."""

    task: Task
    model: Model
    seed: int
    scan: Scan
    mask: bytes
    """1 at the positions of the samples that the limit takes."""
    identity: str
    """What makes answers the same, whatever the samples: program, model, sampling, seed."""

    def samples(self) -> Iterator[Sample]:
        """Yield the chosen samples in the dataset's order; read anew each time, so none is held."""
        every = self.task.dataset.samples(seed=self.seed, answer=self.task.answer)
        return (sample for sample, chosen in zip(every, self.mask, strict=True) if chosen)

    def requests(self) -> Iterator[Request]:
        """Yield a request per chosen sample and variant."""
        program, known = self.task.program, frozenset(self.scan.tags)
        variants = [
            (
                label,
                arguments,
                arguments_of(label, arguments),
                bind.tags_taken(program, arguments, known),
            )
            for label, arguments in self.task.variants.items()
        ]
        clean = self.model.template.clean
        for sample in self.samples():
            for label, arguments, encoded, tags in variants:
                call = Call(bind.bind(program, arguments, sample, clean), sample)
                yield Request(answer_key(self.identity, sample, tags, encoded), label, sample, call)


def make_plan(task: Task, model: Model, limit: str | int | None, seed: int) -> Plan:
    """Read the data once, check that it fills the program's parameters, and choose the samples.

    Raises:
        UserError: something is wrong with data, program or limit; a line each.
    """
    scan = task.dataset.scan(seed=seed, answer=task.answer)
    partial = frozenset(scan.partial_tags)
    found = bind.Tags(frozenset(scan.tags) - partial, frozenset(scan.tags), scan.most_images)
    bind.check(task.program, task.variants, found)
    identity = [program_digest(task.program), model.identity, SAMPLING, model.constrained, seed]
    plan = Plan(task, model, seed, scan, limited(scan, limit), digest(identity))
    _rehearse(plan)
    return plan


def _rehearse(plan: Plan) -> None:
    """Run each variant's program once without a model, on the first sample.

    Raises:
        UserError: it fails before it asks anything, has no variable `answer`, or asks for what the
            model cannot see.
    """
    from sgleval.answers import JsonSchema
    from sgleval.runtime.record import rehearse

    task, where = plan.task, f"program {plan.task.program.func.__name__}"
    generations = 0
    first = next(plan.samples())
    for metric in task.measures:
        _try_without_answer(metric, first)
    for request in plan.requests():
        if request.sample.id != first.id:
            break
        recorder, outcome = rehearse(task.program, request.call, plan.model.template)
        generations = max(generations, len(recorder.prompts))
        if outcome.error and not recorder.prompts:
            raise UserError(f"{where}: {outcome.error}; mend it, it failed before its first gen")
        if outcome.error is None and task.extract is None and "answer" not in outcome.variables:
            raise UserError(
                f"{where}: no variable `answer`; name a gen so, or give the task extract="
            )
    plan.model.examine(
        f"{where} generates {generations} times" if generations > 1 else "",
        f"{where} answers in JSON" if isinstance(task.answer.constraint, JsonSchema) else "",
        f"{len(task.variants)} variants are to be compared" if len(task.variants) > 1 else "",
    )


def _try_without_answer(metric: Metric, sample: Sample) -> None:
    """Raise `UserError` where a metric cannot score a sample that failed."""
    options = (
        [dict(zip(ascii_uppercase, sample.choices, strict=False))] if metric.wants_choices else []
    )
    try:
        metric(None, sample.answers, *options)
    except Exception as error:  # a metric may be the user's code
        raise UserError(
            f"metric {metric.name}: {type(error).__name__}: {error}; it must take None for a sample"
            f" without an answer and the answers of sample {sample.id!r}"
        ) from error
