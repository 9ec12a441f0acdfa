"""Receipts and scenes of shapes, drawn from a seed: documents whose every answer is known.

One page is one picture with several questions. The same seed draws the same pages for ever (with
the same Pillow); the demo model was trained on other seeds of the same two generators.
"""

import io
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from PIL import Image

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a page, with its one right answer."""

    text: str
    answer: str
    tags: dict[str, str]


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a printed character or a shape has its centre, in pixels from the top left."""

    label: str
    line: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Page:
    """A drawn picture, what may be asked about it, and what stands where."""

    image: Image.Image
    questions: list[Question]
    marks: list[Mark]
    text: str = ""
    """The transcript: the printed lines from top to bottom, one blank between columns."""


def png(image: Image.Image) -> bytes:
    """Return the picture as the bytes of a PNG file."""
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def pages(
    draw: Callable[[random.Random], Page], seed: int | str, count: int
) -> Iterator[tuple[str, Page]]:
    """Draw `count` pages, each from a generator of its own: a longer set contains a shorter one."""
    for number in range(count):
        name = f"{draw.__name__}-{seed}-{number:05d}"
        yield name, draw(random.Random(name))


def questions_of(
    draw: Callable[[random.Random], Page], seed: int, count: int = 200
) -> Iterator[Row]:
    """Yield one row in the standard shape per question of `count` pages; its tags are columns."""
    for name, page in pages(draw, seed, count):
        picture = png(page.image)
        for number, question in enumerate(page.questions):
            yield {
                "id": f"{name}-{number:02d}",
                "image": picture,
                "question": question.text,
                "answers": [question.answer],
                **question.tags,
            }


def transcripts_of(
    draw: Callable[[random.Random], Page], seed: int, count: int = 200
) -> Iterator[Row]:
    """Yield one row per page that asks for all its text."""
    for name, page in pages(draw, seed, count):
        yield {
            "id": f"{name}-text",
            "image": png(page.image),
            "question": READ_ALL,
            "answers": [page.text],
        }


READ_ALL = "Read all the text."
