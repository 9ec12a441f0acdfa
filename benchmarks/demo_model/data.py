"""Training batches: pictures of one kind, their questions as branches of one sequence."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import easy_vqa
import numpy as np
import torch
from guides import (
    EASY_SIDE,
    IGNORED,
    KINDS,
    Kind,
    Words,
    helper_of,
    looked_at,
    pointed,
    things,
)
from model import CELL, PATCH, START, in_cells
from PIL import Image
from torch import Tensor
from torch.utils.data import IterableDataset

from sgleval.demo.receipts import receipt
from sgleval.demo.render import READ_ALL, Page, Question, pages
from sgleval.demo.scenes import scene

FILLERS = {"tokens": 0, "branch": -1, "targets": IGNORED, "guide": -1, "named": -1, "weights": 0.0}
PLAIN = "<|im_start|>user\n"
SYSTEMS = (
    "",
    "You are a helpful assistant.",
    "You read scanned receipts.",
    "You read receipts.",
    "You look at shapes.",
    "Answer the question.",
    "Answer with one word.",
    "You answer questions about pictures.",
)
OPENINGS = ("", "", "", "Look at the picture.\n", "Answer the question.\n", "Picture: ")
ENDINGS = (
    "\nAnswer with the text only.",
    "\nAnswer with one word.",
    "\nAnswer the question using a single word or phrase.",
    "\nAnswer briefly.",
    " Answer:",
    "\n",
    " ",
    " please",
)
"""What tasks put around a question; most training questions stand bare, as in `programs/`."""

Draw = Callable[[random.Random], Page]


@dataclass
class Batch:
    """Pictures of one kind with their questions; S tokens a sequence."""

    kind: str
    patches: Tensor
    """[pictures, patches, 588] float32"""
    tokens: Tensor
    """[pictures, S]"""
    positions: Tensor
    """[3, pictures, S]"""
    branch: Tensor
    """[pictures, S]: 0 is shared, -1 is padding"""
    targets: Tensor
    """[pictures, S]: the token that comes next where it is part of an answer"""
    weights: Tensor
    """[pictures, S]: of the targets; the longer an answer, the less each of its tokens counts"""
    start: int
    """Where the picture begins"""
    guide: Tensor
    """[pictures, S]: where the next token is printed, as a place in the sequence, or -1"""
    named: Tensor
    """[pictures, S]: where the thing is that the question named with its last token, or -1"""
    helper: Tensor
    """[pictures, cells, SLOTS]"""
    asked: list[list[Question]]
    """The questions of each picture in the order of their branches"""

    def mask(self) -> Tensor:
        """Return [pictures, 1, S, S]: a branch sees what is shared and itself, never ahead."""
        mine, other = self.branch[:, :, None], self.branch[:, None, :]
        ahead = torch.ones(mine.shape[1], mine.shape[1], dtype=torch.bool).triu(1)
        seen = ((other == 0) | (other == mine)) & ~ahead
        return torch.zeros(seen.shape).masked_fill(~seen, -1e9)[:, None].to(torch.bfloat16)


def patches_of(image: Image.Image) -> Tensor:
    """Flatten a picture into [patches, 588] in Qwen2-VL's order, mean and deviation one half."""
    pixels = torch.from_numpy(np.asarray(image, dtype=np.float32)) / 127.5 - 1
    rows, columns = pixels.shape[0] // PATCH, pixels.shape[1] // PATCH
    grid = pixels.reshape(rows, PATCH, columns, PATCH, 3).permute(0, 2, 4, 1, 3)
    return in_cells(grid).reshape(rows * columns, -1)


def sequence(
    words: Words, kind: Kind, page: Page, before: str
) -> tuple[dict[str, list], list[Question]]:
    """Lay questions out behind a picture until the room is full; padding follows."""
    prefix = words.prefix(before) + words.image * kind.cells + words.seen
    size = START + kind.cells + 1 + kind.room
    start, shift = prefix_positions(words, kind, before)[1], len(words.prefix(before)) - START
    laid = {"tokens": prefix, "branch": [0] * len(prefix), "targets": [IGNORED] * len(prefix)}
    laid["after"], laid["guide"], laid["named"] = [], [-1] * len(prefix), [-1] * len(prefix)
    laid["weights"] = [0.0] * len(prefix)
    used, places_of = [], things(page, kind)
    for question in page.questions:
        ask = words(question.text) + words.turn
        answer = words(question.answer) + words.end
        if len(laid["tokens"]) + len(ask) + len(answer) > size:
            continue
        used.append(question)
        laid["after"] += range(start, start + len(ask) + len(answer))
        laid["tokens"] = laid["tokens"] + ask + answer
        laid["branch"] += [len(used)] * (len(ask) + len(answer))
        laid["targets"] += [IGNORED] * (len(ask) - 1) + answer + [IGNORED]
        weight = len(answer) ** -0.5
        laid["weights"] += [0.0] * (len(ask) - 1) + [weight] * len(answer) + [0.0]
        names = pointed(words, question.text, places_of)
        names = [place + shift if place >= 0 else -1 for place in names]
        laid["named"] += names + [-1] * (len(ask) + len(answer) - len(names))
        places = looked_at(page, kind, question) if page.text else []
        places = places if len(places) == len(answer) - 1 else [-1] * (len(answer) - 1)
        places = [place + shift if place >= 0 else -1 for place in places]
        laid["guide"] += [-1] * (len(ask) - 1) + places + [-1, -1]
    for name, filler in FILLERS.items():
        laid[name] = laid[name] + [filler] * (size - len(laid[name]))
    laid["after"] += [0] * (size - len(prefix) - len(laid["after"]))
    return laid, used


def prefix_positions(words: Words, kind: Kind, before: str) -> tuple[Tensor, int]:
    """Return M-RoPE positions [3, shared tokens] and the one after them."""
    opening = len(words.prefix(before))
    rows, columns = kind.height // CELL, kind.width // CELL
    text = torch.arange(opening).expand(3, -1)
    h, w = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    cells = torch.stack((torch.zeros_like(h), h, w)).reshape(3, -1) + opening
    after = opening + max(rows, columns)
    return torch.cat((text, cells, torch.full((3, 1), after)), 1), after + 1


def batch_of(words: Words, kind: Kind, drawn: list[Page], before: str = PLAIN) -> Batch:
    """Assemble pages whose questions are in the order to be asked."""
    shared, _ = prefix_positions(words, kind, before)
    laid, asked = zip(*(sequence(words, kind, page, before) for page in drawn), strict=True)
    stacked = {name: torch.tensor([one[name] for one in laid]) for name in laid[0]}
    after = stacked["after"].expand(3, -1, -1)
    positions = torch.cat((shared[:, None].expand(-1, len(drawn), -1), after), 2)
    return Batch(
        kind=kind.name,
        patches=torch.stack([patches_of(page.image) for page in drawn]),
        tokens=stacked["tokens"],
        positions=positions,
        branch=stacked["branch"],
        targets=stacked["targets"],
        weights=stacked["weights"],
        start=len(words.prefix(before)),
        guide=stacked["guide"],
        named=stacked["named"],
        helper=torch.stack([helper_of(page, kind) for page in drawn]),
        asked=list(asked),
    )


class EasyPages:
    """easy-VQA's pictures, enlarged as the processor enlarges them."""

    def __init__(self, split: str) -> None:
        questions, answers, numbers = getattr(easy_vqa, f"get_{split}_questions")()
        paths = getattr(easy_vqa, f"get_{split}_image_paths")()
        self.asked: dict[int, list[Question]] = {}
        for text, answer, number in zip(questions, answers, numbers, strict=True):
            self.asked.setdefault(number, []).append(Question(text, answer, {"leaf": "easy"}))
        self.images = {number: enlarge(Path(paths[number])) for number in self.asked}

    def draw(self, rng: random.Random) -> Page:
        """Pick a picture; half of them are mirrored."""
        number = rng.choice(list(self.asked))
        image = self.images[number]
        if rng.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return Page(image, list(self.asked[number]), [])


def enlarge(path: Path) -> Image.Image:
    """Resize as the image processor does (bicubic, antialiased, on uint8)."""
    from torchvision.transforms.v2 import functional as tv

    with Image.open(path) as opened:
        pixels = tv.pil_to_tensor(opened.convert("RGB"))
    size, bicubic = [EASY_SIDE, EASY_SIDE], tv.InterpolationMode.BICUBIC
    return tv.to_pil_image(tv.resize(pixels, size, interpolation=bicubic, antialias=True))


class Batches(IterableDataset):
    """Endless steps, each one batch of every kind; a step's content depends on its number only."""

    def __init__(
        self, seed: str, first: int, kinds: tuple[Kind, ...] = KINDS, framed: float = 0.0
    ) -> None:
        self.seed, self.first, self.kinds, self.framed = seed, first, kinds, framed

    def __iter__(self) -> Iterator[list[Batch]]:
        words, easy = Words(), EasyPages("train")
        draw = {"receipt": receipt, "scene": scene, "easy": easy.draw}
        step = self.first
        while True:
            yield [
                step_batch(words, kind, draw[kind.name], f"{self.seed}/{step}")
                for kind in self.kinds
            ]
            step += 1


def step_batch(words: Words, kind: Kind, draw: Draw, seed: str, framed: float = 0.0) -> Batch:
    """Draw the pictures of one kind and shuffle their questions.

    A share `framed` of the batches has other text before the picture, of the questions after it.
    """
    rng = random.Random(f"order/{kind.name}/{seed}")
    drawn = []
    for _, page in pages(draw, f"train/{seed}", kind.count):
        rng.shuffle(page.questions)
        if rng.random() < kind.transcripts:
            page.questions.insert(0, Question(READ_ALL, page.text, {"type": "text"}))
        asked = [reframed(question, rng, framed) for question in page.questions]
        drawn.append(replace(page, questions=asked))
    before = PLAIN
    if rng.random() < framed:
        system = rng.choice(SYSTEMS)
        before = (f"<|im_start|>system\n{system}<|im_end|>\n" if system else "") + PLAIN
        before += rng.choice(OPENINGS)
    return batch_of(words, kind, drawn, before)


def reframed(question: Question, rng: random.Random, share: float) -> Question:
    """Add an instruction to a share of the questions."""
    if rng.random() >= share:
        return question
    return replace(question, text=question.text + rng.choice(ENDINGS))
