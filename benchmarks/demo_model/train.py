"""Train the demo model: python benchmarks/demo_model/train.py --out FOLDER --steps 2000.

Seeded, and resumable: the same command again continues from the last checkpoint in `--out`.
`--from` starts from the averaged weights of an earlier run's checkpoint, or from an exported folder
(`--from sgleval/demo/model`), with new optimisers.
"""

import argparse
import json
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import torch
from data import Batch, Batches
from guides import KINDS, Kind
from model import GUIDED, NAMED, PATCH, Size, vision_angles
from refit import refitted, start_from
from torch import Tensor, nn
from torch.utils.data import DataLoader
from trainee import Angles, Trainee, answer_loss, held_out, helper_loss

LOG_EVERY = 20


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--from", dest="source", type=Path)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--decay", type=float, default=0.0, help="share of the steps, at the end")
    parser.add_argument("--helper", type=float, default=1.0, help="weight of the helper loss")
    parser.add_argument("--guide", type=float, default=0.5, help="weight of the guided head's")
    parser.add_argument("--average", type=float, default=0.998, help="of the running average")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mix", default="receipt=16,scene=8,easy=8", help="pictures a step")
    parser.add_argument("--transcripts", type=float, default=0.7, help="share of the receipts")
    parser.add_argument("--framed", type=float, default=0.0, help="share with instructions")
    parser.add_argument("--see-only", action="store_true", help="vision tower and helper only")
    parser.add_argument("--every", type=int, default=100, help="steps between checkpoints")
    parser.add_argument("--eager", action="store_true", help="without torch.compile")
    return parser.parse_args()


def mixed(mix: str, transcripts: float) -> tuple[Kind, ...]:
    """Return the kinds with the counts that `mix` names."""
    counts = dict(part.split("=") for part in mix.split(","))
    return tuple(
        replace(kind, count=int(counts[kind.name]), transcripts=kind.transcripts and transcripts)
        for kind in KINDS
        if int(counts.get(kind.name, 0))
    )


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


class Run:
    """Weights, their running average, optimisers and the number of the next step."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.step = args, 0
        self.kinds = mixed(args.mix, args.transcripts)
        self.trainee = Trainee(Size())
        if args.source:
            found = refitted(start_from(args.source), Size())
            self.trainee.load_state_dict(self.trainee.state_dict() | found)
        self.average = self.weights()
        self.optimisers = optimisers(self.trainee, args.rate)
        self.checkpoint = args.out / "last.pt"
        if self.checkpoint.exists():
            self.resume()
        self.angles: dict[str, Angles] = {}
        for kind in self.kinds:
            grid = kind.height // PATCH, kind.width // PATCH
            cos, sin = vision_angles(*grid, self.trainee.model.visual.head)
            self.angles[kind.name] = cos.to(torch.bfloat16), sin.to(torch.bfloat16)
        if not args.eager:
            model = self.trainee.model
            for layer in (*model.visual.blocks, *model.language_model.layers):
                layer.compile(dynamic=False)
        self.logged: dict[str, float] = defaultdict(float)

    def weights(self) -> dict[str, Tensor]:
        """Copy the present weights."""
        return {name: weight.clone() for name, weight in self.trainee.state_dict().items()}

    def resume(self) -> None:
        """Take up the last checkpoint."""
        saved = torch.load(self.checkpoint)
        self.trainee.load_state_dict(saved["weights"])
        self.average, self.step = saved["average"], saved["step"]
        for optimiser, state in zip(self.optimisers, saved["optimisers"], strict=True):
            optimiser.load_state_dict(state)

    def save(self) -> None:
        """Write a checkpoint so that a kill leaves the old or the new one."""
        new = self.checkpoint.with_suffix(".new")
        states = [optimiser.state_dict() for optimiser in self.optimisers]
        content = {"step": self.step, "weights": self.weights(), "average": self.average}
        torch.save(content | {"optimisers": states}, new)
        new.replace(self.checkpoint)

    def learn(self, batches: list[Batch]) -> None:
        """Take one step."""
        rate = rate_at(self.step, self.args)
        for optimiser in self.optimisers:
            optimiser.param_groups[0]["lr"] = rate
            optimiser.zero_grad()
        total = sum(float(batch.weights.sum()) for batch in batches)
        for batch in batches:
            (self.see(batch) if self.args.see_only else self.answer(batch, total)).backward()
        touched = [weight for weight in self.trainee.parameters() if weight.grad is not None]
        nn.utils.clip_grad_norm_(touched, 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
        self.step += 1
        share = 1 - min(self.args.average, self.step / (self.step + 9))
        for name, weight in self.trainee.state_dict().items():
            self.average[name].lerp_(weight, share)

    def see(self, batch: Batch) -> Tensor:
        """Return the helper loss without the language model."""
        with torch.autocast("cpu", torch.bfloat16):
            cells = self.trainee.model.see(
                batch.patches.to(torch.bfloat16), self.angles[batch.kind]
            )
            loss, right = helper_loss(self.trainee.name(cells), batch)
        self.log(batch, help=float(loss.detach()), marks=right)
        return loss

    def answer(self, batch: Batch, total: float) -> Tensor:
        """Return the loss of all answers of the step's `total` weights, and the helper loss."""
        with torch.autocast("cpu", torch.bfloat16):
            logits, named, astray = self.trainee(batch, self.angles[batch.kind])
        loss, said, wanted = answer_loss(logits, batch)
        helper, marks = helper_loss(named, batch)
        right = float((said == wanted).float().mean())
        self.log(
            batch, loss=float(loss.detach()) / float(batch.weights.sum()), right=right, marks=marks
        )
        losses = dict(zip(("amiss", "lost"), astray.detach()[-2:].tolist(), strict=True))
        losses |= {"named": float(astray.detach()[NAMED]), "read": float(astray.detach()[GUIDED])}
        self.log(batch, **losses)
        return loss / total + self.args.helper * helper + self.args.guide * astray.sum()

    def log(self, batch: Batch, **values: float) -> None:
        """Add to the means that are printed next."""
        for name, value in values.items():
            self.logged[f"{name} {batch.kind}"] += value / LOG_EVERY

    def test(self, held: list[list[Batch]]) -> dict[str, float]:
        """Return the held-out shares of the averaged weights."""
        now = self.weights()
        self.trainee.load_state_dict(self.average)
        found = held_out(self.trainee, held, self.angles)
        self.trainee.load_state_dict(now)
        return found


def tell(**values: object) -> None:
    print(json.dumps(values, default=str), flush=True)


def main() -> None:
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    torch.set_num_threads(2)
    torch._dynamo.config.recompile_limit = 64  # each kind of picture, guided or not, has its own
    run = Run(args)
    tell(arguments=vars(args), parameters=sum(w.numel() for w in run.trainee.model.parameters()))
    unseen = iter(Batches("held", 0, run.kinds))
    held = [next(unseen) for _ in range(0 if args.see_only else 4)]
    batches = Batches(str(args.seed), run.step, run.kinds, args.framed)
    loader = iter(DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=4))
    began = time.monotonic()
    while run.step < args.steps:
        run.learn(next(loader))
        if run.step % LOG_EVERY == 0:
            means = {name: round(value, 4) for name, value in run.logged.items()}
            run.logged.clear()
            tell(step=run.step, seconds=round(time.monotonic() - began), **means)
        if run.step % args.every == 0 or run.step == args.steps:
            run.save()
            tell(step=run.step, held=run.test(held))


if __name__ == "__main__":
    main()
