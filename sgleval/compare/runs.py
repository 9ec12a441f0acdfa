"""Runs compared task by task, on the samples that all of them answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sgleval.compare.arms import Row, answers_of, arm, costs, reliability
from sgleval.compare.flips import flips
from sgleval.compare.match import Tables, shared_samples
from sgleval.compare.results import results
from sgleval.errors import UserError
from sgleval.stats import mean_win_rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sgleval.metrics.metric import Metric

__all__ = ["Tables", "compare_runs"]

FEWEST_TO_RANK = 3
"""Of two models the differences say more than how often one wins."""


def compare_runs(runs: Sequence[Tables], seed: int = 0) -> dict[str, Any]:
    """Compare two or more runs; of each task the first run is the baseline of the others.

    `tasks` has per task the keys of `compare_variants` without `effects`, and `task`, `runs` in
    place of `variants`, `left_out` as a list (see `match.shared_samples`); rows name `run` and
    `variant`. Variants match by their labels; a run with a single one that the others do not have
    is compared with each of theirs. `win_rate` is null with fewer than three models, else `columns`
    (task, metric, values by model, direction) and `models` with the mean of each.

    Raises:
        UserError: a task has one run, or runs without common samples, variants or metrics.
    """
    tasks: dict[str, list[Tables]] = {}
    for run in runs:
        tasks.setdefault(run.task, []).append(run)
    for task, members in tasks.items():
        if len(members) < 2:  # noqa: PLR2004  (a comparison has two sides)
            others = ", ".join(name for name in tasks if name != task)
            known = f"; the others are of {others}" if others else ""
            raise UserError(f"{members[0].name}: no other run of the task {task!r}{known}")
    compared = [_compared(task, members, seed) for task, members in tasks.items()]
    return {"tasks": compared, "win_rate": _win_rate(compared)}


def _compared(task: str, runs: Sequence[Tables], seed: int) -> Row:
    metrics = _shared_metrics(runs)
    asked = [
        (run, label, {"run": run.name, "variant": shown})
        for shown, labels in matched(runs).items()
        for run, label in zip(runs, labels, strict=True)
    ]
    answers = [answers_of(run.predictions, label) for run, label, _ in asked]
    common, left_out = shared_samples(runs, answers)
    arms = [arm(key, label, common, run.predictions, run.scores) for run, label, key in asked]
    baselines = [place - place % len(runs) for place in range(len(arms))]
    return {
        "task": task,
        "baseline": runs[0].name,
        "runs": [run.name for run in runs],
        "n": common.height,
        "left_out": left_out,
        "seed": seed,
        "results": results(common, arms, baselines, metrics, seed),
        "reliability": reliability(arms),
        "cost": costs(arms),
        "flips": flips(common, arms, baselines, metrics),
    }


def _shared_metrics(runs: Sequence[Tables]) -> list[Metric]:
    names = [{metric.name for metric in run.metrics} for run in runs]
    shared = [metric for metric in runs[0].metrics if all(metric.name in own for own in names)]
    if not shared:
        own = "; ".join(f"{run.name}: {', '.join(m.name for m in run.metrics)}" for run in runs)
        raise UserError(f"the runs share no metric ({own}); name one with --metric")
    return shared


def matched(runs: Sequence[Tables]) -> dict[str, list[str]]:
    """Return what to compare: a label to show, and each run's own label of the variant."""
    own = [run.predictions["variant"].unique(maintain_order=True).to_list() for run in runs]
    several = [labels for labels in own if len(labels) > 1] or own[:1]
    shared = [label for label in several[0] if all(label in labels for labels in several)]
    found = {}
    for label in shared:
        names = [_own_label(label, labels, shared) for labels in own]
        if None not in names:
            found[label] = [name for name in names if name is not None]
    if not found:
        known = "; ".join(
            f"{run.name}: {', '.join(labels)}" for run, labels in zip(runs, own, strict=True)
        )
        raise UserError(f"no variant is in all of the runs ({known}); run one with --variant")
    return found


def _own_label(label: str, labels: Sequence[str], shared: Sequence[str]) -> str | None:
    """Return the label in one run for what others call `label`; a single unknown one fits all."""
    if label in labels:
        return label
    return labels[0] if len(labels) == 1 and labels[0] not in shared else None


def _win_rate(compared: Sequence[Row]) -> Row | None:
    """Return how often each model beats another, by the first metric of each task that ranks."""
    models = list(dict.fromkeys(name for task in compared for name in task["runs"]))
    if len(models) < FEWEST_TO_RANK:
        return None
    columns = []
    for task in compared:
        ranking = [row for row in task["results"] if row["better"] is not None]
        headline = [row for row in ranking if row["metric"] == ranking[0]["metric"]]
        for variant in dict.fromkeys(row["variant"] for row in headline):
            values = {row["run"]: row["value"] for row in headline if row["variant"] == variant}
            head = {name: headline[0][name] for name in ("metric", "better")}
            column = [values.get(model) for model in models]
            columns.append({"task": task["task"], "variant": variant, **head, "values": column})
    means = mean_win_rate([(column["values"], column["better"]) for column in columns])
    return {
        "columns": columns,
        "models": [
            {"run": model, "win_rate": mean} for model, mean in zip(models, means, strict=True)
        ],
    }
