"""What training shows beside the answers: where things stand, cell by cell and token by token."""

import re
from dataclasses import dataclass
from functools import lru_cache

import torch
from model import CELL, START
from tokens import build
from torch import Tensor

from sgleval.demo.receipts import HEIGHT, ITEMS, WIDTH
from sgleval.demo.render import Mark, Page, Question
from sgleval.demo.scenes import COLORS, SHAPES, SIDE, SIZES

EASY_SIDE = 112
"""easy-VQA's pictures of 64 pixels at the processor's `min_pixels`."""

SLOTS = 8
LABELS = [
    "",
    *"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:/-#",
    *COLORS,
    *SHAPES,
    *SIZES,
]
"""What the helper loss names in a cell; the first means that no more follows."""
LABEL = {label: number for number, label in enumerate(LABELS)}
IGNORED = -100


@dataclass(frozen=True)
class Kind:
    """One kind of picture in a batch."""

    name: str
    count: int
    height: int
    width: int
    room: int
    """Tokens of a sequence after the picture."""
    transcripts: float = 0.0
    """Share of the pictures that are asked for all their text."""

    @property
    def cells(self) -> int:
        """Visual tokens of a picture."""
        return self.height * self.width // CELL**2


KINDS = (
    Kind("receipt", 16, HEIGHT, WIDTH, 256, 0.7),
    Kind("scene", 8, SIDE, SIDE, 128),
    Kind("easy", 8, EASY_SIDE, EASY_SIDE, 112),
)


class Words:
    """Token ids of texts, and the fixed tokens of the chat template."""

    def __init__(self) -> None:
        self.tokenizer = build()
        self.seen = self("<|vision_end|>")
        self.turn = self("<|im_end|>\n<|im_start|>assistant\n")
        self.end = self("<|im_end|>")
        self.image = self("<|image_pad|>")

    def prefix(self, before: str) -> list[int]:
        """Return what stands before the picture; all but a plain opening begins with a system."""
        return self(f"{before}<|vision_start|>")

    @lru_cache(maxsize=100_000)  # noqa: B019 one instance lives as long as the process
    def __call__(self, text: str) -> list[int]:
        """Return the ids of a text; what stands between special tokens is on its own."""
        return self.tokenizer.encode(text).ids


def helper_of(page: Page, kind: Kind) -> Tensor:
    """Return [cells, SLOTS]: what has its centre in each cell, by line and from left to right."""
    found: list[list[int]] = [[] for _ in range(kind.cells)]
    for mark in sorted(page.marks, key=lambda mark: (mark.line, mark.x)):
        found[cell_at(mark, kind)].append(LABEL[mark.label])
    target = torch.full((kind.cells, SLOTS), IGNORED)
    for cell, labels in zip(target, found, strict=True):
        ended = [*labels, 0][:SLOTS]
        cell[: len(ended)] = torch.tensor(ended)
    return target


def cell_at(mark: Mark, kind: Kind) -> int:
    """Return the number of the cell that a mark's centre lies in."""
    rows, columns = kind.height // CELL, kind.width // CELL
    row, column = int(mark.y // CELL), int(mark.x // CELL)
    return min(rows - 1, row) * columns + min(columns - 1, column)


def looked_at(page: Page, kind: Kind, question: Question) -> list[int]:
    """Return the place in the sequence of each character of the answer; -1 where unknown."""
    marks = iter(page.marks)
    lines = [
        [START + cell_at(next(marks), kind) if char != " " else -1 for char in line]
        for line in page.text.splitlines()
    ]
    if question.tags.get("type") == "text":
        return [place for line in lines for place in (*line, -1)][:-1]
    unknown = [-1] * len(question.answer)
    if question.tags.get("skill") != "reading":
        return unknown
    texts = page.text.splitlines()
    ending = [n for n, text in enumerate(texts) if text.endswith(question.answer)]
    if len(ending) > 1:
        ending = [n for n in ending if f" {texts[n].split()[0]}?" in question.text]
    return lines[ending[0]][-len(question.answer) :] if len(ending) == 1 else unknown


def things(page: Page, kind: Kind) -> dict[str, list[int]]:
    """Return the places in the sequence of what a question may name.

    One for each character of an item's name, one for a whole shape.
    """
    if not page.text:
        shapes = [page.marks[n : n + 3] for n in range(0, len(page.marks), 3)]
        return {
            name: [START + cell_at(color, kind)]
            for color, form, _ in shapes
            for name in (
                f"{color.label} {form.label}",
                f"{color.label} shape",
                f"the {form.label}",
            )
        }
    marks = iter(page.marks)
    printed = [
        [(char, START + cell_at(next(marks), kind)) for char in line if char != " "]
        for line in page.text.splitlines()
    ]
    found = {}
    for line in printed:
        text = "".join(char for char, _ in line)
        name = text.rstrip("0123456789.")
        if name in ITEMS:
            found[name] = [place for _, place in line[: len(name)]]
    return found


ABSENT = re.compile(r"is there (?:a )?([a-z]+ [a-z]+|[A-Z]+)(?= on the receipt\?|\?)")
"""The name in a question for presence."""


def pointed(words: Words, question: str, places: dict[str, list[int]]) -> list[int]:
    """Return, for each token of the question, where what it names is, or -1.

    A thing that is not there is looked for where the picture begins.
    """
    ends: dict[int, int] = {}
    if (absent := ABSENT.match(question)) and absent[1] not in places:
        ends[absent.end()] = START - 1
    for name, found in places.items():
        for match in re.finditer(rf"\b{re.escape(name)}\b", question):
            for back, place in enumerate(reversed(found)):
                ends[match.end() - back] = place
    return [ends.get(end, -1) for _, end in words.tokenizer.encode(question).offsets]
