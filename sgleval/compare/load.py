"""From what is named on the command line to tables: run folders, and files of predictions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from sgleval import manifest
from sgleval.compare.foreign import file_tables, retagged
from sgleval.compare.match import Tables
from sgleval.errors import UserError, nearest
from sgleval.metrics import METRICS, Metric, Ratio
from sgleval.score import score

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sgleval.foreign import Columns

FILES = "files of predictions"
"""The task of files that are compared with each other alone."""


@dataclass(frozen=True, slots=True)
class KeptRun:
    """A run folder as it was read."""

    folder: Path
    facts: dict[str, Any]
    samples: pl.DataFrame
    predictions: pl.DataFrame
    scores: pl.DataFrame

    @property
    def model(self) -> str:
        """The model's name."""
        return str(self.facts["model"]["name"])

    @property
    def decoding(self) -> str:
        """The model's name, and whether decoding was constrained."""
        free = self.facts["constraint"] == "none"
        return f"{self.model} ({'free' if free else 'constrained'})"


def read_run(folder: Path) -> KeptRun:
    """Read a run folder.

    Raises:
        UserError: there is no finished run in it.
    """
    facts = manifest.read(folder / "run.json")
    names = ("samples", "predictions", "scores")
    paths = {name: folder / f"{name}.parquet" for name in names}
    if facts is None or not all(path.is_file() for path in paths.values()):
        raise manifest.no_run(folder)
    return KeptRun(folder, facts, **{name: pl.read_parquet(path) for name, path in paths.items()})


def load(paths: Sequence[Path], names: Sequence[str], columns: Columns) -> list[Tables]:
    """Return the tables of run folders and of files of predictions, in the given order.

    They are scored by the metrics `names`, a run without them by its own, a file by those of the
    first run. A file without answers takes those of the first run.

    Raises:
        UserError: one is neither, a metric is not known, or files stand beside several tasks.
    """
    if len(paths) < 2:  # noqa: PLR2004  (a comparison has two sides)
        raise UserError("a comparison takes two runs or more; name another")
    for path in paths:
        if not path.exists():
            raise UserError(f"{path}: neither a run's folder nor a file is there")
    stored = {path: read_run(path) for path in paths if path.is_dir()}
    tasks = list(dict.fromkeys(one.facts["task"] for one in stored.values()))
    files = [path for path in paths if not path.is_dir()]
    if files and len(tasks) > 1:
        raise UserError(f"{files[0]}: of which task? give runs of one, not of {', '.join(tasks)}")
    runs = {path: _of_run(one, names, columns) for path, one in stored.items()}
    of_files = list(next(iter(runs.values())).metrics) if runs else []
    if names:
        of_files = [_known(name, METRICS) for name in names]
    elif not runs:
        raise UserError("name a metric with --metric; `sgleval score --list` shows them all")
    beside = next(iter(runs.values()), None)
    for path in files:
        task = tasks[0] if tasks else FILES
        runs[path] = file_tables(path, task, _nameable(of_files), columns, beside)
    labels = _labels(paths, stored)
    return [replace(runs[path], name=labels[place]) for place, path in enumerate(paths)]


def _known(name: str, known: dict[str, Metric]) -> Metric:
    if name not in known:
        raise UserError(f"--metric {name}: no such metric; {nearest(name, known)}")
    return known[name]


def _nameable(metrics: Sequence[Metric]) -> list[Metric]:
    """Return the metrics that other predictions can be scored by; a task's own has no function."""
    return [metric for metric in metrics if metric.name in METRICS]


def _of_run(run: KeptRun, names: Sequence[str], columns: Columns) -> Tables:
    own = {
        name: _of_task_file(name, run.scores)
        for name in run.facts["metrics"]
        if name not in METRICS
    }
    chosen = [_known(name, METRICS | own) for name in dict.fromkeys(names or run.facts["metrics"])]
    mine = [metric.name for metric in chosen if metric.name in own]
    kept = run.scores.filter(pl.col("metric").is_in(mine))
    if gone := [name for name in mine if name not in kept["metric"]]:
        raise UserError(
            f"{run.folder}: not scored by {gone[0]!r}, which stands in the task file; run the task"
            " again (nothing is asked again), or name others with --metric"
        )
    samples = retagged(run.samples, columns)
    predictions = run.predictions.filter(pl.col("perturbation") == "none")
    again = score(samples, predictions, _nameable(chosen))
    scores = pl.concat([again, kept.select(again.columns)])
    return Tables(
        *(str(run.folder), run.facts["task"], samples, predictions, scores), tuple(chosen)
    )


def _of_task_file(name: str, scores: pl.DataFrame) -> Metric:
    """Return what the scores say of a task's own metric: its range, not its direction."""

    def unknown(*_: object) -> Ratio:
        raise AssertionError(f"{name} stands in the task file and was scored there")

    mine = scores.filter(pl.col("metric") == name)
    within = (mine["numerator"] >= 0).all() and (mine["numerator"] <= mine["denominator"]).all()
    return Metric(unknown, name, None, (0, 1 if within else None), "the task file")


def _labels(paths: Sequence[Path], stored: dict[Path, KeptRun]) -> list[str]:
    """Return the shortest kind of name by which no two runs of a task are called the same."""
    kinds: list[Callable[[Path], str]] = [
        lambda path: stored[path].model if path in stored else path.name,
        lambda path: stored[path].decoding if path in stored else path.name,
        lambda path: path.name,
        str,
    ]
    for kind in kinds:
        labels = [kind(path) for path in paths]
        tasks = [stored[path].facts["task"] if path in stored else None for path in paths]
        if len(set(zip(labels, tasks, strict=True))) == len(paths):
            return labels
    twice = next(path for path, times in Counter(paths).items() if times > 1)
    raise UserError(f"{twice} is given twice; name two different runs")
