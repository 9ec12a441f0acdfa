"""Train the demo model: python benchmarks/demo_model/train.py --out /tmp/demo/one --steps 2000.

Seeded, and resumable: the same command again continues from the last checkpoint in `--out`.
`--from FILE` starts from the weights of an earlier run with a new optimiser.
"""

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path

import torch
import torch.nn.functional as F
from data import IGNORED, KINDS, LABELS, SLOTS, Batch, Batches, Kind
from model import PATCH, DemoModel, Size, text_angles, vision_angles
from torch import Tensor, nn
from torch.utils.data import DataLoader

START = 4
"""Tokens before the picture."""


class Trainee(nn.Module):
    """The model with the helper head that is thrown away after training."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.model = DemoModel(size)
        self.helper = nn.Linear(size.width, SLOTS * len(LABELS))

    def forward(self, batch: Batch, angles: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return logits [batch, S - shared, vocabulary] and the helper's; shapes never change.

        A matrix product of a new shape costs seconds on the CPU, so nothing is picked out before.
        """
        cells = self.model.see(batch.patches.to(torch.bfloat16), angles)
        dtype = torch.bfloat16
        turned = [part.to(dtype) for part in text_angles(batch.positions, self.model.size)]
        hidden = self.model.read(cells, batch.tokens, START, tuple(turned), batch.mask())
        logits = self.model.logits(hidden[:, START + cells.shape[1] :])
        return logits, self.helper(cells).unflatten(-1, (SLOTS, len(LABELS)))


def losses(trainee: Trainee, batch: Batch, angles: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """Return the summed answer loss, the mean helper loss, and both predictions."""
    logits, named = trainee(batch, angles)
    wanted = batch.targets[:, -logits.shape[1] :]
    logits, wanted = logits[wanted != IGNORED], wanted[wanted != IGNORED]
    answer = F.cross_entropy(logits.float(), wanted, reduction="sum")
    helper = torch.zeros(())
    if (batch.helper > 0).any():
        known = batch.helper != IGNORED
        helper = F.cross_entropy(named[known].float(), batch.helper[known])
    return answer, helper, logits, named


def optimisers(trainee: Trainee, rate: float) -> list[torch.optim.Optimizer]:
    """Muon turns the inner matrices, AdamW everything else."""
    inner, rest = [], []
    for name, weight in trainee.named_parameters():
        matrix = weight.ndim == 2 and "embed" not in name and "helper" not in name
        (inner if matrix else rest).append(weight)
    return [
        torch.optim.Muon(inner, lr=rate, weight_decay=0.02, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def rate_at(step: int, args: argparse.Namespace) -> float:
    """Warm up, stay, and fall to zero over the last `--decay` share of the steps."""
    falling = args.steps * args.decay
    end = min(1.0, (args.steps - step) / falling) if falling else 1.0
    return args.rate * min(1.0, (step + 1) / args.warmup) * end


@torch.no_grad()
def evaluate(trainee: Trainee, held: list[list[Batch]], angles: dict) -> dict[str, float]:
    """Return the share of wholly right answers by question type (teacher-forced, so as greedy)."""
    right, count = defaultdict(float), defaultdict(int)
    for batch in (batch for step in held for batch in step):
        with torch.autocast("cpu", torch.bfloat16):
            _, _, logits, named = losses(trainee, batch, angles[batch.kind])
        hits = torch.ones(batch.targets.shape, dtype=torch.bool)
        mask = batch.targets != IGNORED
        hits[mask] = logits.argmax(-1) == batch.targets[mask]
        for row, asked in enumerate(batch.asked):
            for number, question in enumerate(asked, start=1):
                mine = (batch.branch[row] == number) & mask[row]
                name = question.tags.get("type") or question.tags["leaf"]
                whole = hits[row][mine].all() if name != "text" else hits[row][mine].float().mean()
                for key in (name, f"all {batch.kind}" if name != "text" else name):
                    right[key] += float(whole) / (2 if key == "text" else 1)
                    count[key] += 1
        real = batch.helper > 0
        if real.any():
            right[f"marks {batch.kind}"] += float((named.argmax(-1) == batch.helper)[real].sum())
            count[f"marks {batch.kind}"] += int(real.sum())
    if "text" in count:
        count["text"] //= 2
    return {name: round(right[name] / count[name], 4) for name in sorted(right)}


def averaged(average: dict[str, Tensor], trainee: Trainee, share: float) -> None:
    """Move the running average of the weights towards the present ones."""
    with torch.no_grad():
        for name, weight in trainee.state_dict().items():
            average[name].lerp_(weight, share)


def save(path: Path, **content: object) -> None:
    """Write a checkpoint so that a kill leaves the old or the new one."""
    torch.save(content, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--from", dest="source", type=Path)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--decay", type=float, default=0.0)
    parser.add_argument("--helper", type=float, default=1.0)
    parser.add_argument("--ema", type=float, default=0.998)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--mix", default="", help="receipt=16,scene=8,easy=8")
    parser.add_argument("--transcripts", type=float, default=0.7)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--every", type=int, default=100, help="steps between evaluations")
    return parser.parse_args()


def mixed(args: argparse.Namespace) -> tuple[Kind, ...]:
    """Return the kinds with the counts that `--mix` names."""
    counts = {kind.name: kind.count for kind in KINDS}
    counts |= {k: int(v) for k, v in (part.split("=") for part in args.mix.split(",") if part)}
    return tuple(
        Kind(k.name, counts[k.name], k.height, k.width, k.room, k.transcripts and args.transcripts)
        for k in KINDS
        if counts[k.name]
    )


def main() -> None:
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(int(args.seed))
    torch.set_num_threads(2)
    kinds = mixed(args)
    trainee = Trainee(Size())
    if args.source:
        trainee.load_state_dict(torch.load(args.source)["average"])
    average = {name: weight.clone() for name, weight in trainee.state_dict().items()}
    steppers, first = optimisers(trainee, args.rate), 0
    checkpoint = args.out / "last.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint)
        trainee.load_state_dict(saved["weights"])
        average, first = saved["average"], saved["step"]
        for stepper, state in zip(steppers, saved["optimisers"], strict=True):
            stepper.load_state_dict(state)
    angles = {}
    for kind in kinds:
        found = vision_angles(kind.height // PATCH, kind.width // PATCH, trainee.model.visual.head)
        angles[kind.name] = tuple(part.to(torch.bfloat16) for part in found)
    held_batches = iter(Batches("held", 0, kinds))
    held = [next(held_batches) for _ in range(4)]
    if args.compile:
        for layer in (*trainee.model.visual.blocks, *trainee.model.language_model.layers):
            layer.compile(dynamic=False)
    loader = DataLoader(
        Batches(args.seed, first, kinds), batch_size=None, num_workers=1, prefetch_factor=4
    )
    print(json.dumps({"arguments": vars(args)}, default=str), flush=True)
    print("parameters", sum(w.numel() for w in trainee.model.parameters()), flush=True)
    began, logged = time.monotonic(), defaultdict(float)
    for step, batches in enumerate(loader, start=first):
        if step >= args.steps:
            break
        rate = rate_at(step, args)
        for stepper in steppers:
            stepper.param_groups[0]["lr"] = rate
            stepper.zero_grad()
        total = sum(int((batch.targets != IGNORED).sum()) for batch in batches)
        for batch in batches:
            with torch.autocast("cpu", torch.bfloat16):
                answer, helper, logits, _ = losses(trainee, batch, angles[batch.kind])
            (answer / total + args.helper * helper).backward()
            wanted = batch.targets[batch.targets != IGNORED]
            logged[f"loss {batch.kind}"] += float(answer.detach()) / len(wanted)
            logged[f"right {batch.kind}"] += float((logits.argmax(-1) == wanted).float().mean())
            logged[f"help {batch.kind}"] += float(helper.detach())
        nn.utils.clip_grad_norm_(trainee.parameters(), 1.0)
        for stepper in steppers:
            stepper.step()
        averaged(average, trainee, 1 - min(args.ema, (step + 1) / (step + 10)))
        if (step + 1) % 20 == 0:
            line = {"step": step + 1, "seconds": round(time.monotonic() - began, 1)}
            line |= {name: round(value / 20, 4) for name, value in logged.items()}
            logged.clear()
            print(json.dumps(line), flush=True)
        if (step + 1) % args.every == 0 or step + 1 == args.steps:
            now = {name: weight.clone() for name, weight in trainee.state_dict().items()}
            trainee.load_state_dict(average)
            print(json.dumps({"step": step + 1, "held": evaluate(trainee, held, angles)}), flush=True)
            trainee.load_state_dict(now)
            states = [stepper.state_dict() for stepper in steppers]
            save(checkpoint, step=step + 1, weights=now, average=average, optimisers=states)


if __name__ == "__main__":
    main()
