"""What `sgleval data check` says of a dataset before any model has seen it."""

from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from sgleval.answers.answer import Answer
from sgleval.dataset.scan import NAMED, Problems, Scan, scanned
from sgleval.sample import Sample

if TYPE_CHECKING:
    from array import array

    from sgleval.dataset.dataset import Dataset

TOP = 8
"""So many values of a tag are shown."""
KEPT = 1000
"""So many values of a tag are counted; a tag that is an id would fill the memory."""


@dataclass(frozen=True, slots=True)
class Report:
    """A dataset in numbers, and what is wrong with it."""

    name: str
    scan: Scan
    questions_per_image: Counter[int]
    """How many sets of images have how many questions."""
    images_per_question: Counter[int]
    answers: Counter[int]
    """How many samples have how many accepted answers."""
    longest_answer: int
    """In characters."""
    choices: Counter[int]
    """How many samples have how many options; 0 for open questions."""
    tags: dict[str, Counter[str]]
    """How many samples have each value of a tag; at most 1,000 values of a tag are counted."""

    @property
    def problems(self) -> Problems:
        """What has to be put right before a run; false where there is nothing."""
        return self.scan.problems

    def lines(self) -> list[str]:
        """Return the report as lines of plain text, the problems last."""
        scan = self.scan
        lines = [
            f"{self.name}: {scan.n} samples, {scan.images} images, digest {scan.digest[:16]}",
            f"questions per image: {_spread(self.questions_per_image)}",
            f"images per question: {_spread(self.images_per_question)}",
            f"image sizes: {_sizes(scan.sizes)}",
            f"accepted answers: {_spread(self.answers)}, several in {_several(self.answers)} "
            f"samples, the longest of {self.longest_answer} characters",
            f"choices: {self._choices()}",
            *(self._tag(tag) for tag in scan.tags),
        ]
        if scan.unreachable:
            lines.append(
                f"answers that the constraint cannot produce: in {scan.unreachable} samples "
                f"({', '.join(scan.unreachable_ids)}{' ...' if scan.unreachable > NAMED else ''})"
            )
        problems = str(self.problems).splitlines()
        return [*lines, f"problems: {self.problems.count}", *(f"  {line}" for line in problems)]

    def _choices(self) -> str:
        with_choices = Counter({n: count for n, count in self.choices.items() if n})
        if not with_choices:
            return "none"
        return f"{_spread(with_choices)} in {with_choices.total()} samples"

    def _tag(self, tag: str) -> str:
        values, have = self.tags[tag], self.scan.tags[tag]
        top = ", ".join(
            f"{' '.join(value.split()):.40} ({count})" for value, count in values.most_common(TOP)
        )
        more = f" and {len(values) - TOP} more values" if len(values) > TOP else ""
        partial = f"; in {have} of {self.scan.n} samples" if have < self.scan.n else ""
        return f"tag {tag}: {top}{more}{partial}"


class _Statistics:
    def __init__(self) -> None:
        self.images: Counter[int] = Counter()
        self.answers: Counter[int] = Counter()
        self.choices: Counter[int] = Counter()
        self.longest = 0
        self.tags: dict[str, Counter[str]] = {}

    def take(self, sample: Sample) -> None:
        self.images[len(sample.images)] += 1
        self.answers[len(sample.answers)] += 1
        self.choices[len(sample.choices)] += 1
        self.longest = max(self.longest, *map(len, sample.answers))
        for tag, value in sample.tags.items():
            values = self.tags.setdefault(tag, Counter())
            if value in values or len(values) < KEPT:
                values[value] += 1


def report(dataset: "Dataset", answer: Answer | None = None, seed: int = 0) -> Report:
    """Read a dataset once and say what is in it; an answer type adds what it cannot produce.

    Raises:
        UserError: the source cannot be read at all; problems of rows are in the report.
    """
    statistics = _Statistics()
    scan = scanned(dataset, seed=seed, answer=answer, each=statistics.take)
    return Report(
        name=dataset.name,
        scan=scan,
        questions_per_image=_counts(scan.image_keys),
        images_per_question=statistics.images,
        answers=statistics.answers,
        longest_answer=statistics.longest,
        choices=statistics.choices,
        tags=statistics.tags,
    )


def _counts(keys: "array[int]") -> Counter[int]:
    import numpy as np

    repeats = np.unique(np.frombuffer(keys, dtype=np.uint64), return_counts=True)[1]
    return Counter(repeats.tolist())


def _spread(counts: Counter[int]) -> str:
    """Return "4", or "1 to 12 (median 4)" where they differ.

    >>> _spread(Counter({1: 1, 4: 3}))
    '1 to 4 (median 4)'
    """
    if not counts:
        return "none"
    low, high = min(counts), max(counts)
    if low == high:
        return str(low)
    return f"{low} to {high} (median {median(counts.elements()):g})"


def _sizes(sizes: Counter[tuple[int, int]]) -> str:
    if not sizes:
        return "none"
    small, large = min(sizes, key=_pixels), max(sizes, key=_pixels)
    if len(sizes) == 1:
        return f"{small[0]}x{small[1]}"
    return f"{small[0]}x{small[1]} to {large[0]}x{large[1]}, {len(sizes)} distinct"


def _pixels(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _several(counts: Counter[int]) -> int:
    return sum(count for n, count in counts.items() if n > 1)
