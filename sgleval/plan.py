"""Which answers a command is about, and which of them have to be asked."""

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import compress
from typing import TYPE_CHECKING, Any

from sgleval import bind
from sgleval.dataset.grouping import last_positions, passes
from sgleval.dataset.limit import limited
from sgleval.dataset.scan import NAMED, Scan
from sgleval.fingerprint import answer_key, arguments_of, digest, half_of
from sgleval.program_code import program_digest
from sgleval.rehearsal import rehearsed
from sgleval.runtime.model import Model
from sgleval.runtime.record import Prompt, first_prompt
from sgleval.runtime.run_batch import Call
from sgleval.sample import Image, Sample
from sgleval.task import Task

if TYPE_CHECKING:
    from sgleval.perturb import Perturbation

SAMPLING = {"temperature": 0.0}
"""What a program's `gen` gets unless it says otherwise."""

HELD = 20_000
"""So many samples may wait in memory for the last one of their images."""


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
    encoded: str
    """What stands for the arguments in keys."""
    tags: tuple[str, ...]
    """The tags that reach the program."""


def ways_of(task: Task, model: Model) -> list[Way]:
    """Return the variants of a task, made ready for a model."""
    program, clean = task.program, model.template.clean
    return [
        Way(
            label,
            partial(bind.bind, program, arguments, clean=clean),
            digest(arguments_of(label, arguments)),
            bind.tags_taken(program, arguments),
        )
        for label, arguments in task.variants.items()
    ]


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
    keys: "array[int] | None" = None
    """Half of the key of each sample's every variant, where all are chosen and without copies."""
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
        ways = ways_of(self.task, self.model)
        for sample in self.samples():
            yield from self._requests_of(sample, ways)

    def keyed(self) -> Iterator[tuple[int, Sequence[int]]]:
        """Yield each chosen sample's position and the halves of the keys of its requests."""
        positions, ways = compress(range(len(self.mask)), self.mask), ways_of(self.task, self.model)
        for position, sample in zip(positions, self.samples(), strict=True):
            yield position, [half_of(request.key) for request in self._requests_of(sample, ways)]

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

        Data sorted by image streams. Scattered questions wait until their images' last one is read;
        where more than `HELD` would, the data is read several times, for some of the images each.
        """
        for mask in passes(self.scan.image_keys, self.mask, HELD):
            yield from replace(self, mask=mask)._grouped(wanted)

    def _grouped(self, wanted: Callable[[Request], bool]) -> Iterator[list[Request]]:
        keys = array("Q", compress(self.scan.image_keys, self.mask))
        waiting, ways = defaultdict[int, list[Sample]](list), ways_of(self.task, self.model)
        for key, is_last, sample in zip(keys, last_positions(keys), self.samples(), strict=True):
            waiting[key].append(sample)
            if is_last:
                every = (r for one in waiting.pop(key) for r in self._requests_of(one, ways))
                once = {r.key: self._planned(r) for r in every if wanted(r)}  # equal variants
                yield from self._sharing(once.values())

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
    parts = [program_digest(task.program), model.identity, SAMPLING, model.constrained, seed]
    identity, ways = digest(parts), ways_of(task, model)
    keys = None if perturbations or limit is not None else array("Q")

    def note_keys(sample: Sample) -> None:
        if keys is not None:
            for way in ways:
                keys.append(half_of(answer_key(identity, sample, way.tags, way.encoded)))

    scan = task.dataset.scan(seed=seed, answer=task.answer, each=note_keys)
    partial = frozenset(scan.partial_tags)
    found = bind.Tags(frozenset(scan.tags) - partial, frozenset(scan.tags), scan.most_images)
    bind.check(task.program, task.variants, found)
    plan = Plan(task, model, seed, scan, limited(scan, limit), identity, keys)
    plan = replace(plan, generations=rehearsed(plan), perturbations=perturbations)
    return replace(plan, donors=_donors(plan))


def _donors(plan: Plan) -> Mapping[tuple[Image, ...], tuple[Image, ...]]:
    """Give each set of images of the whole data another one, where a perturbation asks for it."""
    if not any(perturbation.needs_donor for perturbation in plan.perturbations):
        return {}
    from sgleval.perturb import donors

    every = replace(plan, mask=b"\1" * plan.scan.n)
    return donors((tuple(sample.images) for sample in every.samples()), plan.seed)
