"""What is trained: the model with a helper head, its losses, and its held-out answers."""

from collections import defaultdict

import torch
from data import Batch
from guides import IGNORED, LABELS, SLOTS
from model import GUIDED, NAMED, START, DemoModel, Size, text_angles
from torch import Tensor, nn
from torch.nn import functional

Angles = tuple[Tensor, Tensor]

GRID = 12
"""At least as many rows and columns as any picture has cells."""


class Trainee(nn.Module):
    """The model with the helper head that is thrown away after training."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.model = DemoModel(size)
        self.helper = nn.Linear(size.width, SLOTS * len(LABELS))
        self.where = nn.ModuleList(nn.Linear(size.width, GRID) for _ in range(2))
        self.there = nn.ModuleList(nn.Linear(size.width, GRID) for _ in range(2))

    def name(self, cells: Tensor) -> Tensor:
        """Score what stands in each cell: [pictures, cells, SLOTS, labels]."""
        return self.helper(cells).unflatten(-1, (SLOTS, len(LABELS)))

    def forward(self, batch: Batch, angles: Angles) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits [pictures, S - shared, vocabulary], the helper's, and the guides' loss.

        A matrix product of a new shape costs seconds on the CPU, so all shapes are fixed.
        """
        cells = self.model.see(batch.patches.to(torch.bfloat16), angles)
        cos, sin = text_angles(batch.positions, self.model.size)
        turned = cos.to(torch.bfloat16), sin.to(torch.bfloat16)
        guides = {NAMED: batch.named, GUIDED: batch.guide}
        guides = {layer: guide for layer, guide in guides.items() if bool((guide >= 0).any())}
        hidden, between, astray = self.model.read(
            cells, batch.tokens, batch.start, turned, batch.mask(), guides
        )
        logits = self.model.logits(hidden[:, START + cells.shape[1] :])
        lost = self.lost(between[0][:, batch.start : batch.start + cells.shape[1]], batch)
        amiss = self.amiss(between[NAMED], batch)
        return logits, self.name(cells), torch.stack([*astray.values(), amiss, lost])

    def amiss(self, found: Tensor, batch: Batch) -> Tensor:
        """Return how badly a name in a question knows row and column of what it names."""
        named = batch.named >= batch.start
        if not bool(named.any()):
            return torch.zeros(())
        places = batch.positions[1:].gather(2, batch.named.clamp(min=0).expand(2, -1, -1))
        wanted = torch.where(named, places - batch.start, IGNORED)
        scores = torch.stack([head(found) for head in self.there]).float()
        return functional.cross_entropy(scores.flatten(0, 2), wanted.flatten())

    def lost(self, early: Tensor, batch: Batch) -> Tensor:
        """Return how badly the first layer knows row and column of the cells."""
        there = slice(batch.start, batch.start + early.shape[1])
        places = batch.positions[1:, :, there] - batch.start
        scores = torch.stack([head(early) for head in self.where]).float()
        return functional.cross_entropy(scores.flatten(0, 2), places.flatten())


def answer_loss(logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Return the weighed loss of the answers' tokens, what was said and what was wanted."""
    wanted, weights = (part[:, -logits.shape[1] :] for part in (batch.targets, batch.weights))
    answers = wanted != IGNORED
    said, wanted = logits[answers], wanted[answers]
    losses = functional.cross_entropy(said.float(), wanted, reduction="none")
    return (losses * weights[answers]).sum(), said.argmax(-1), wanted


def helper_loss(named: Tensor, batch: Batch) -> tuple[Tensor, float]:
    """Return the mean loss of the marks and the share named right."""
    known, real = batch.helper != IGNORED, batch.helper > 0
    if not real.any():
        return torch.zeros(()), 0.0
    right = (named[real].argmax(-1) == batch.helper[real]).float().mean()
    return functional.cross_entropy(named[known].float(), batch.helper[known]), float(right)


@torch.no_grad()
def held_out(
    trainee: Trainee, held: list[list[Batch]], angles: dict[str, Angles]
) -> dict[str, float]:
    """Return the share of wholly right answers by question type, and of marks and characters.

    Teacher-forced, yet the same as greedy: an answer is right where each token follows the gold.
    """
    shares: dict[str, list[float]] = defaultdict(list)
    for batch in (batch for step in held for batch in step):
        with torch.autocast("cpu", torch.bfloat16):
            logits, named, _ = trainee(batch, angles[batch.kind])
        _, said, wanted = answer_loss(logits, batch)
        hits = torch.ones(batch.targets.shape, dtype=torch.bool)
        hits[batch.targets != IGNORED] = said == wanted
        for row, asked in enumerate(batch.asked):
            for number, question in enumerate(asked, start=1):
                mine = (batch.branch[row] == number) & (batch.targets[row] != IGNORED)
                if (name := question.tags.get("type") or question.tags["leaf"]) == "text":
                    shares[name] += [float(hits[row][mine].float().mean())]
                else:
                    shares[name] += [float(hits[row][mine].all())]
                    shares[f"all {batch.kind}"] += shares[name][-1:]
        if batch.kind != "easy":
            shares[f"marks {batch.kind}"] += [helper_loss(named, batch)[1]]
    return {name: round(sum(found) / len(found), 4) for name, found in sorted(shares.items())}
