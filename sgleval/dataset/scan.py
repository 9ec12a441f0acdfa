"""The first pass over a dataset: every problem at once, and the little that planning needs.

What is kept takes some 50 bytes a sample (8 for its id, 8 for its images, up to 24 in each of the
two sets that find duplicates), so a million rows stream.
"""

import hashlib
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import orjson

from sgleval.answers.answer import Answer
from sgleval.dataset.choices import lettering
from sgleval.dataset.keys import Seen, key_of, key_of_images
from sgleval.digests import picture_size
from sgleval.errors import UserError
from sgleval.sample import Image, Sample

if TYPE_CHECKING:
    from sgleval.dataset.dataset import Dataset

SHOWN = 20  # problems
NAMED = 3  # samples without a reachable answer
ADMITTED = 4096  # of equal answers one is tried


@dataclass(slots=True)
class Problems:
    """What is wrong with the rows: a line each, the first twenty of them kept."""

    lines: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, line: str) -> None:
        """Count a problem and keep its line while there are few."""
        self.count += 1
        if len(self.lines) < SHOWN:
            self.lines.append(line)

    def __bool__(self) -> bool:
        return self.count > 0

    def __str__(self) -> str:
        """The kept lines and, where there are more problems, their number."""
        more = self.count - len(self.lines)
        return "\n".join([*self.lines, f"... and {more} more problems"] if more else self.lines)


@dataclass(frozen=True, slots=True)
class Scan:
    """What the first pass found; positions count samples in the dataset's order."""

    n: int
    ids: "array[int]"
    """At each position the 64-bit key of the sample's id (`keys.key_of`)."""
    image_keys: "array[int]"
    """At each position the key of the sample's images (`keys.key_of_images`)."""
    images: int
    """Distinct images, by content."""
    most_images: int
    """The most that one sample has."""
    sizes: Counter[tuple[int, int]]
    """How many distinct images have each width and height."""
    tags: dict[str, int]
    """How many samples have each tag; names in order."""
    digest: str
    """SHA-256 over every sample's content, the images' digests included."""
    unreachable: int
    """Samples of which the constraint can produce no accepted answer."""
    unreachable_ids: tuple[str, ...]
    """The first three of them."""
    problems: Problems

    @property
    def partial_tags(self) -> tuple[str, ...]:
        """The tags that only some samples have."""
        return tuple(tag for tag, count in self.tags.items() if count < self.n)


def scanned(
    dataset: "Dataset",
    *,
    seed: int,
    answer: Answer | None,
    each: Callable[[Sample], None] | None = None,
) -> Scan:
    """Read every row once; problems are collected, `Dataset.scan` raises them.

    Raises:
        UserError: the source cannot be read at all.
    """
    scanner = _Scanner(answer, each)
    try:
        for where, made in dataset.made(seed):
            scanner.take(where, made)
    except UserError as error:
        if not scanner.ids and not scanner.problems:
            raise
        scanner.problems.add(str(error))
    if not scanner.rows and not scanner.problems:
        raise UserError(f"{dataset.name} has no rows; give a dataset with at least one")
    return scanner.scan()


class _Scanner:
    def __init__(self, answer: Answer | None, each: Callable[[Sample], None] | None) -> None:
        self.lettered, self.each = lettering(answer), each
        self.admits = None if answer is None else lru_cache(ADMITTED)(answer.admits)
        self.rows = 0
        self.problems = Problems()
        self.ids, self.image_keys = array("Q"), array("Q")
        self.seen_ids, self.seen_images = Seen(), Seen()
        self.shown: Sequence[Image] = ()
        """The images of the last sample that could be read."""
        self.shown_key = 0
        self.most_images = 0
        self.broken: set[str] = set()
        self.sizes: Counter[tuple[int, int]] = Counter()
        self.tags: Counter[str] = Counter()
        self.content = hashlib.sha256()
        self.unreachable = 0
        self.unreachable_ids: list[str] = []

    def take(self, where: str, made: Sample | UserError) -> None:
        self.rows += 1
        if isinstance(made, UserError):
            self.problems.add(f"{where}: {made}")
            return
        key = key_of(made.id)
        found = self._check(made, key)
        for problem in found:
            self.problems.add(f"{where}: {problem}")
        if found:
            return
        if made.images != self.shown:  # neighbours mostly have the very same objects
            if not all(self._readable(image, where) for image in made.images):
                return
            self.shown, self.shown_key = made.images, key_of_images(made.images)
        self._keep(where, made, key)

    def _check(self, sample: Sample, key: int) -> list[str]:
        found = []
        if not sample.id.strip():
            found.append("the id is empty; give each row its own")
        elif not self.seen_ids.add(key):
            found.append(f"the id {sample.id!r:.60} is there a second time; give each row its own")
        if not sample.question.strip():
            found.append("the question is empty; write one or drop the row")
        if not sample.answers:
            found.append("no accepted answers; give at least one under answers")
        if not sample.images:
            found.append("no image; give one under image or several under images")
        return found

    def _readable(self, image: Image, where: str) -> bool:
        """Say whether an image can be read; open its header the first time it is met."""
        if self.broken and _name(image) in self.broken:  # told once, however many questions it has
            return False
        try:
            if self.seen_images.add(int(image.digest[:16], 16)):
                self.sizes[picture_size(image.digest, lambda: image.size)] += 1
        except FileNotFoundError:
            problem = "is missing; put it there or drop the row"
        except IsADirectoryError:
            problem = "is a folder; name a file"
        except Exception as error:  # noqa: BLE001  (whatever Pillow says of a damaged header)
            problem = f"cannot be read as an image: {' '.join(str(error).split()):.200}"
        else:
            return True
        self.broken.add(_name(image))
        self.problems.add(f"{where}: image {_name(image)} {problem}")
        return False

    def _keep(self, where: str, sample: Sample, key: int) -> None:
        try:
            self.content.update(_content(sample))
            sample = self.lettered(sample)
        except (orjson.JSONEncodeError, UserError) as error:
            half = "a text holds half of a surrogate pair; write the whole character"
            self.problems.add(f"{where}: {error if isinstance(error, UserError) else half}")
            return
        self.ids.append(key)
        self.image_keys.append(self.shown_key)
        self.most_images = max(self.most_images, len(sample.images))
        for tag in sample.tags:
            self.tags[tag] += 1
        self._admit(sample)
        if self.each is not None:
            self.each(sample)

    def _admit(self, sample: Sample) -> None:
        admits, choices = self.admits, sample.choices
        if admits is None or any(admits(one, choices) for one in sample.answers):
            return
        self.unreachable += 1
        if len(self.unreachable_ids) < NAMED:
            self.unreachable_ids.append(sample.id)

    def scan(self) -> Scan:
        return Scan(
            n=len(self.ids),
            ids=self.ids,
            image_keys=self.image_keys,
            images=len(self.seen_images),
            most_images=self.most_images,
            sizes=self.sizes,
            tags=dict(sorted(self.tags.items())),
            digest=self.content.hexdigest(),
            unreachable=self.unreachable,
            unreachable_ids=tuple(self.unreachable_ids),
            problems=self.problems,
        )


def _name(image: Image) -> str:
    """Return an image as a message shows it."""
    if isinstance(image.source, bytes):
        return f"({len(image.source)} bytes, SHA-256 {image.digest[:16]})"
    return str(image.source)


def _content(sample: Sample) -> bytes:
    """Return all that makes a sample what it is, before answers become letters."""
    digests = [image.digest for image in sample.images]
    texts = [sample.question, sample.answers, sample.choices]
    whole = [sample.id, digests, *texts, sorted(sample.tags.items())]
    return orjson.dumps(whole) + b"\n"
