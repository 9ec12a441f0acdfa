"""All variants over the same samples in one plan, compared pairwise with one of them."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from sgleval.compare import compare_variants, factors_of
from sgleval.errors import UserError
from sgleval.evaluation import evaluate
from sgleval.results import Run
from sgleval.runtime.connect import find_model
from sgleval.runtime.model import Model, freed, kept_open
from sgleval.task import Task

MOST_VARIANTS = 100
"""More are asked for only with `--yes`: a grid grows faster than one thinks."""

FREE = "{} (free)"
"""What a variant is called where nothing constrains its decoding."""


@dataclass(frozen=True)
class Ablation:
    """The runs of an ablation, the constrained one first, and the comparison of their variants."""

    runs: tuple[Run, ...]
    comparison: dict[str, Any]
    """See `sgleval.compare.compare_variants`."""

    def __repr__(self) -> str:
        """Show the tables, as a notebook or a prompt does."""
        from rich.console import Console

        from sgleval.report.comparison import show_variants

        page = io.StringIO()
        show_variants(self.comparison, Console(file=page, width=100, no_color=True))
        return page.getvalue().rstrip()


def ablate(  # noqa: PLR0913  (by keyword, as `evaluate`)
    task: Task,
    model: Model | str = "demo",
    *,
    baseline: str | None = None,
    free: bool = False,
    yes: bool = False,
    out: str | Path | None = None,
    seed: int = 0,
    **given: Any,
) -> Ablation:
    """Run all variants of a task and compare them with `baseline`, the first one unless named.

    With `free` every variant also runs without constraints, in a folder of its own (`out`/free).
    `given` goes to `evaluate`.

    Raises:
        UserError: there is nothing to compare, or more than 100 variants without `yes`; or what
            `evaluate` says.
        RunError: the run could not finish; what was answered is kept.
    """
    labels = list(task.variants)
    if len(labels) + free < 2:  # noqa: PLR2004  (a comparison has two sides)
        raise UserError(f"task {task.name!r} has one variant; give it variants=, or --free")
    if len(labels) > MOST_VARIANTS and not yes:
        raise UserError(
            f"task {task.name!r} has {len(labels):,} variants, each asked of every sample; give"
            " --yes to ask them all, or name some with --variant"
        )
    if baseline is not None and baseline not in labels:
        raise UserError(f"--baseline {baseline}: no such variant; the first is {labels[0]!r}")
    found = find_model(model) if isinstance(model, str) else model
    if free:
        freed(found)  # refuses before the constrained run pays for anything
    given |= {"variants": labels, "seed": seed}
    with kept_open(found) as opened:
        runs = [evaluate(task, opened, out=out, **given)]
        if free:
            beside = Path(out) / "free" if out else None
            runs.append(evaluate(task, opened, out=beside, free=True, **given))
    return Ablation(tuple(runs), _compared(task, runs, baseline or labels[0], seed))


def _compared(task: Task, runs: list[Run], baseline: str, seed: int) -> dict[str, Any]:
    factors = factors_of(task.variants)
    if len(runs) > 1:
        factors = _with_decoding(factors, list(task.variants))
    return compare_variants(
        pl.concat([run.samples for run in runs]).unique("sample_id", maintain_order=True),
        _labelled([run.predictions for run in runs]),
        _labelled([run.scores for run in runs]),
        task.measures,
        baseline,
        factors=factors,
        seed=seed,
    )


def _labelled(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Return one table in which the free run's variants are told from the constrained run's."""
    free = [frame.with_columns(pl.format(FREE, "variant").alias("variant")) for frame in frames[1:]]
    return pl.concat([frames[0], *free])


def _with_decoding(
    factors: Mapping[str, Mapping[str, str]], labels: list[str]
) -> dict[str, dict[str, str]]:
    """Return the factors over both runs' variants, with the decoding as one more of them."""
    both = {
        name: dict(levels) | {FREE.format(label): level for label, level in levels.items()}
        for name, levels in factors.items()
    }
    freed = [FREE.format(label) for label in labels]
    return both | {"decoding": dict.fromkeys(labels, "constrained") | dict.fromkeys(freed, "free")}
