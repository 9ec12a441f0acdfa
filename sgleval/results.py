"""From a run's answers to its tables and summary, and from stored tables to a new summary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from sgleval import manifest
from sgleval.errors import UserError
from sgleval.metrics import METRICS, Metric, find_metric
from sgleval.plan import Plan
from sgleval.runtime.ledger import TOKENS
from sgleval.score import (
    CATEGORY,
    as_options,
    calibration,
    efficiency,
    robustness,
    score,
    shortcuts,
    summarize,
)
from sgleval.sent import Sent
from sgleval.store import Journal
from sgleval.tables import copies_frame, prediction, predictions_frame, samples_frame


@dataclass(frozen=True)
class Run:
    """One task on one model: its tables, and the folder that holds them."""

    folder: Path
    samples: pl.DataFrame
    predictions: pl.DataFrame
    scores: pl.DataFrame
    summary: dict[str, Any]

    def __repr__(self) -> str:
        """Show the table, as a notebook or a prompt does."""
        from sgleval.report.terminal import as_text

        return as_text(self.summary)


def tabled(folder: Path, plan: Plan, journal: Journal, sent: Sent, began: float) -> Run:
    """Make the tables of the last command out of the journal, and write them."""
    task = plan.task
    samples = samples_frame(plan.samples(), plan.scan.tags)
    predictions = predictions_frame(
        prediction(
            *(request.sample, request.variant, entry),
            *(task.answer_of(request.variant), task.extract),
        )
        for request in plan.requests()
        if (entry := journal.read(request.key)) is not None
    )
    copies = copies_frame(
        (name, copy, sample)
        for sample in plan.samples()
        for name, copy in plan.copies(sample)
        if plan.perturbations
    )
    samples.write_parquet(folder / "samples.parquet")
    predictions.write_parquet(folder / "predictions.parquet")
    if plan.perturbations:
        copies.write_parquet(folder / "copies.parquet")
    else:  # the tables describe the last command
        (folder / "copies.parquet").unlink(missing_ok=True)
    head = {"task": task.name, "model": plan.model.name, "note": plan.note}
    tail = sent.summary(began) | {"constrained": manifest.is_constrained(plan), "tags": {}}
    tail |= {"copies": copies, "families": manifest.families(plan)}
    tail |= {"shortcuts": shortcuts(samples, task.measures, task.answer.options)}
    return scored(folder, samples, predictions, task.measures, head, tail)


def scored(
    folder: Path,
    samples: pl.DataFrame,
    predictions: pl.DataFrame,
    metrics: Sequence[Metric],
    head: dict[str, Any],
    tail: dict[str, Any],
) -> Run:
    """Score predictions, write `scores.parquet` and `summary.json`, and return the run."""
    scores = score(samples, predictions, metrics, copies=tail["copies"], **tail["tags"])
    failed = predictions["error"].is_not_null().sum()
    originals = predictions.filter(pl.col("perturbation") == "none")
    complete = samples.height * predictions["variant"].n_unique() == originals.height
    counts = {"complete": complete, "n": samples.height, "failed": failed}
    summary = head | counts | summarize(samples, predictions, scores, metrics, **tail["tags"])
    summary |= {
        "cost": cost(predictions) | tail["cost"],
        "reuse": tail["reuse"],
        "speed": tail["speed"],
        "cache_check": tail["cache_check"],
        "until": tail["until"],
        "robustness": robustness(
            *(samples, as_options(predictions, samples, tail["copies"]), scores, metrics),
            tail["families"],
            category=tail["tags"].get("category", CATEGORY),
        ),
        "shortcuts": tail["shortcuts"],
        "efficiency": efficiency(predictions, scores, metrics),
        "calibration": calibration(predictions, scores, metrics, constrained=tail["constrained"]),
    }
    scores.write_parquet(folder / "scores.parquet")
    manifest.write(folder / "summary.json", summary)
    return Run(folder, samples, predictions, scores, summary)


def cost(predictions: pl.DataFrame) -> dict[str, int | None]:
    """Return the requests and tokens behind a table; null where an answered row does not say."""
    answered = predictions.filter(pl.col("error").is_null())
    sums: dict[str, int | None] = {"requests": int(predictions["requests"].sum())}
    for kind in TOKENS:
        known = answered.height > 0 and answered[kind].null_count() == 0
        sums[kind] = int(answered[kind].sum()) if known else None
    return sums


def rescore(
    folder: Path, names: Sequence[str], tags: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Score a stored run again by its own or by other metrics, and return the new summary.

    `tags` may name the tags that stand for `group` and `category` in `sgleval.score.score`.

    Raises:
        UserError: the folder holds no run, or a metric is not known by name.
    """
    held, facts = manifest.read(folder / "summary.json"), manifest.read(folder / "run.json")
    if held is None or facts is None:
        raise UserError(
            f"{folder}: no finished run here; give the folder that `sgleval run` printed"
        )
    if own := [] if names else [name for name in facts["metrics"] if name not in METRICS]:
        raise UserError(
            f"{folder}: the metric {own[0]!r} stands in the task file; run the task again (nothing"
            " is asked again), or name others with --metric"
        )
    metrics = [find_metric(name) for name in dict.fromkeys(names or facts["metrics"])]
    samples = pl.read_parquet(folder / "samples.parquet")
    predictions = pl.read_parquet(folder / "predictions.parquet")
    head = {name: held[name] for name in ("task", "model", "note")}
    tail = {"cost": held["cost"] | {"sent": 0}, "reuse": None, "speed": None}
    tail |= {
        "cache_check": None,
        "until": held.get("until"),
        "families": facts.get("perturbations", {}),
    }
    known = {metric.name for metric in metrics}
    tail |= {"shortcuts": [row for row in held.get("shortcuts", ()) if row["metric"] in known]}
    tail |= {"constrained": facts["constraint"] == "decoding", "tags": tags or {}}
    copies = folder / "copies.parquet"
    tail |= {"copies": pl.read_parquet(copies) if copies.is_file() else None}
    return scored(folder, samples, predictions, metrics, head, tail).summary
