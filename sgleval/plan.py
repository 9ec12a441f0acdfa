"""Which answers a command is about, and which of them have to be asked."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from sgleval import bind
from sgleval.dataset.limit import limited
from sgleval.dataset.scan import NAMED, Scan
from sgleval.errors import UserError
from sgleval.fingerprint import answer_key, arguments_of, digest, program_digest
from sgleval.metrics.metric import Metric
from sgleval.runtime.model import Model
from sgleval.runtime.record import Prompt, first_prompt
from sgleval.runtime.run_batch import Call
from sgleval.sample import Image, Sample
from sgleval.task import Task

if TYPE_CHECKING:
    from sgleval.perturb import Perturbation

SAMPLING = {"temperature": 0.0}
"""What a program's `gen` gets unless it says otherwise."""


@dataclass(frozen=True)
class Request:
    """One sample or copy under one variant: its key in the journal and the call that answers it."""

    key: str
    variant: str
    perturbation: str
    """The full name of what was done to the sample, or `none`."""
    sample: Sample
    """The sample, or its perturbed copy with the same id."""
    bound: Callable[[Sample], Mapping[str, Any]] = field(repr=False)
    """What fills the program's parameters from the sample, when it comes to that."""
    prompt: Prompt | None = None
    """What the program writes up to its first gen, once it is planned; None where nobody knows."""

    @cached_property
    def call(self) -> Call:
        """The call that answers it."""
        return Call(self.bound(self.sample), self.sample)


@dataclass(frozen=True)
class Way:
    """One variant, made ready to be bound to many samples."""

    label: str
    bound: Callable[[Sample], Mapping[str, Any]]
    encoded: Any
    """What stands for the arguments in keys."""
    tags: tuple[str, ...]
    """The tags that reach the program."""


@dataclass(frozen=True)
class Plan:
    """The samples, their copies and variants of a command, in the order they are asked."""

    task: Task
    model: Model
    seed: int
    scan: Scan
    mask: bytes
    """1 at the positions of the samples that the limit takes."""
    identity: str
    """What makes answers the same, whatever the samples: program, model, sampling, seed."""
    generations: int = 1
    """The most requests that one program was seen to make."""
    perturbations: "tuple[Perturbation, ...]" = ()
    donors: Mapping[tuple[Image, ...], tuple[Image, ...]] = field(default_factory=dict)
    """Another sample's images for each set of images, where a perturbation needs them."""

    @property
    def note(self) -> str | None:
        """What a reader of the table must know: of the model, and of answers out of reach."""
        scan, notes = self.scan, [self.model.note] if self.model.note else []
        if scan.unreachable and self.model.constrained:
            named = ", ".join(scan.unreachable_ids)
            notes.append(
                f"{scan.unreachable} of the data's {scan.n} samples accept no answer that the"
                f" constraint can produce ({named}{', ...' if scan.unreachable > NAMED else ''})"
            )
        return "; ".join(notes) or None

    def samples(self) -> Iterator[Sample]:
        """Yield the chosen samples in the dataset's order; read anew each time, so none is held."""
        dataset, answer = self.task.dataset, self.task.answer
        return dataset.samples(seed=self.seed, answer=answer, chosen=self.mask)

    def copies(self, sample: Sample) -> Iterator[tuple[str, Sample]]:
        """Yield a sample itself and its perturbed copies, each with the full name of the change.

        A copy that is as it was is not among them: its answer is known.
        """
        yield "none", sample
        for perturbation in self.perturbations:
            donor = self.donors.get(tuple(sample.images), ()) if perturbation.needs_donor else ()
            copy = perturbation.apply(sample, self.seed, donor)
            if copy is not None:
                yield perturbation.full_name, copy

    def requests(self) -> Iterator[Request]:
        """Yield a request per chosen sample, copy and variant, those of a sample together."""
        ways = self._ways()
        for sample in self.samples():
            yield from self._requests_of(sample, ways)

    def _ways(self) -> "list[Way]":
        program, known = self.task.program, frozenset(self.scan.tags)
        clean = self.model.template.clean
        return [
            Way(
                label,
                partial(bind.bind, program, arguments, clean=clean),
                arguments_of(label, arguments),
                bind.tags_taken(program, arguments, known),
            )
            for label, arguments in self.task.variants.items()
        ]

    def _requests_of(self, sample: Sample, ways: "Sequence[Way]") -> Iterator[Request]:
        for name, copy in self.copies(sample):
            for way in ways:
                key = answer_key(self.identity, copy, way.tags, way.encoded, name)
                yield Request(key, way.label, name, copy, way.bound)

    def ungrouped(self, wanted: Callable[[Request], bool]) -> Iterator[list[Request]]:
        """Yield the wanted requests in the dataset's order, each for itself (`--no-plan`)."""
        for request in self.requests():
            if wanted(request):
                yield [self._planned(request)]

    def _planned(self, request: Request) -> Request:
        prompt = first_prompt(self.task.program, request.call, self.model.template)
        return replace(request, prompt=prompt)

    def groups(self, wanted: Callable[[Request], bool]) -> Iterator[list[Request]]:
        """Yield the wanted requests in groups that share a prefix, all of an image set together.

        Data sorted by image streams; scattered questions wait until their images' last one is read.
        """
        keys = [key for key, taken in zip(self.scan.image_keys, self.mask, strict=True) if taken]
        left, waiting, ways = (
            Counter(keys),
            defaultdict[int, dict[str, Request]](dict),
            self._ways(),
        )
        for key, sample in zip(keys, self.samples(), strict=True):
            for request in self._requests_of(sample, ways):
                if wanted(request):
                    waiting[key][request.key] = self._planned(request)  # equal variants: once
            left[key] -= 1
            if not left[key]:
                yield from self._sharing(waiting.pop(key, {}).values())

    def _sharing(self, requests: Iterable[Request]) -> Iterator[list[Request]]:
        """Yield the requests for one set of images in groups with the same text before the last."""
        groups: dict[object, list[Request]] = {}
        for request in requests:
            prompt = request.prompt
            prefix = prompt and prompt.prefix(self.model.template.image)
            groups.setdefault(prefix, []).append(request)
        yield from groups.values()


def make_plan(
    task: Task,
    model: Model,
    limit: str | int | None,
    seed: int,
    perturbations: "tuple[Perturbation, ...]" = (),
) -> Plan:
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
    plan = replace(plan, generations=_rehearse(plan), perturbations=perturbations)
    return replace(plan, donors=_donors(plan))


def _donors(plan: Plan) -> Mapping[tuple[Image, ...], tuple[Image, ...]]:
    """Give each set of images of the whole data another one, where a perturbation asks for it."""
    if not any(perturbation.needs_donor for perturbation in plan.perturbations):
        return {}
    from sgleval.perturb import donors

    every = replace(plan, mask=b"\1" * plan.scan.n)
    return donors((tuple(sample.images) for sample in every.samples()), plan.seed)


def _rehearse(plan: Plan) -> int:
    """Run each variant's program once without a model; return the most gens that one had.

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
            words = " ".join(outcome.error.split())
            raise UserError(f"{where}: {words}; mend it, it failed before its first gen")
        if outcome.error is None and task.extract is None and "answer" not in outcome.variables:
            raise UserError(
                f"{where}: no variable `answer`; name a gen so, or give the task extract="
            )
    plan.model.examine(
        f"{where} generates {generations} times" if generations > 1 else "",
        f"{where} answers in JSON" if isinstance(task.answer.constraint, JsonSchema) else "",
        f"{len(task.variants)} variants are to be compared" if len(task.variants) > 1 else "",
    )
    return generations


def _try_without_answer(metric: Metric, sample: Sample) -> None:
    """Raise `UserError` where a metric cannot score a sample that failed."""
    try:
        metric.of(None, sample)
    except UserError as error:
        raise UserError(
            f"sample {sample.id!r}, had it no answer: {error}; a metric scores None as the worst"
            " value"
        ) from error
