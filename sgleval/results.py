"""From a run's answers to its tables and summary, and from stored tables to a new summary."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from sgleval import manifest
from sgleval.errors import UserError
from sgleval.metrics import METRICS, Metric, find_metric
from sgleval.plan import Plan
from sgleval.runtime.ledger import TOKENS
from sgleval.score import (
    SCORES,
    Judged,
    Scope,
    Sums,
    as_options,
    calibration,
    can_tell,
    efficiency,
    grouping_tags,
    is_whole,
    joined,
    judged,
    merged,
    robustness,
    score,
    shortcuts,
)
from sgleval.sent import Sent
from sgleval.store import Journal
from sgleval.stored import Stored, Writer
from sgleval.tables import (
    COPIES,
    PREDICTIONS,
    Row,
    copy_row,
    row_of,
    sample_row,
    samples_schema,
)


@dataclass(frozen=True)
class Run:
    """One task on one model: its summary, and the folder that holds its tables."""

    folder: Path
    summary: dict[str, Any]

    @cached_property
    def samples(self) -> pl.DataFrame:
        """The table of samples, read when it is asked for."""
        return pl.read_parquet(self.folder / "samples.parquet")

    @cached_property
    def predictions(self) -> pl.DataFrame:
        """The table of predictions, read when it is asked for."""
        return pl.read_parquet(self.folder / "predictions.parquet")

    @cached_property
    def scores(self) -> pl.DataFrame:
        """The table of scores, read when it is asked for."""
        return pl.read_parquet(self.folder / "scores.parquet")

    def __repr__(self) -> str:
        """Show the table, as a notebook or a prompt does."""
        from sgleval.report.terminal import as_text

        return as_text(self.summary)


def circumstances(
    folder: Path, plan: Plan, sent: Sent, began: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the head and the tail of the summary that no score tells (see `scored`)."""
    task = plan.task
    head = {"task": task.name, "model": plan.model.name, "note": plan.note}
    tail = sent.summary(began) | {
        "families": manifest.families(plan),
        "shortcuts": shortcuts(Stored(folder).tables, task.measures, task.answer.options),
        "constrained": manifest.is_constrained(plan),
        "tags": {},
    }
    return head, tail


def write_tables(folder: Path, plan: Plan, journal: Journal) -> None:
    """Make the tables of the last command out of the journal, all but the scores."""
    task, first = plan.task, next(iter(plan.task.variants))
    with (
        Writer(folder / "samples.parquet", samples_schema(plan.scan.tags)) as samples,
        Writer(folder / "predictions.parquet", PREDICTIONS) as predictions,
        Writer(folder / "copies.parquet", COPIES) as copies,
    ):
        for request in plan.requests():
            sample, variant = request.sample, request.variant
            if variant == first and request.perturbation == "none":
                original = sample
                samples.add(sample_row(sample))
            elif variant == first and (row := copy_row(request.perturbation, sample, original)):
                copies.add(row)
            if (entry := journal.read(request.key)) is not None:
                predictions.add(row_of(task, request, entry))
    if not plan.perturbations:  # the tables describe the last command
        (folder / "copies.parquet").unlink()


def scored(
    folder: Path, metrics: Sequence[Metric], head: dict[str, Any], tail: dict[str, Any]
) -> Run:
    """Score the stored predictions, write `scores.parquet` and `summary.json`; return the run."""
    stored, told = Stored(folder), list[Judged]()
    scope = Scope(stored.labels, grouping_tags(stored.tables()), **tail["tags"])
    with Writer(folder / "scores.parquet", SCORES) as scores:
        figures = merged(_figures(stored, metrics, scope, scores, told), scope)
    judgement = joined(told)
    summary = head | counts(stored) | figures
    summary |= {
        "cost": cost(stored.predictions) | tail["cost"],
        "reuse": tail["reuse"],
        "speed": tail["speed"],
        "cache_check": tail["cache_check"],
        "until": tail["until"],
        "robustness": _robustness(stored, metrics, scope, tail["families"]),
        "shortcuts": tail["shortcuts"],
        "efficiency": efficiency(judgement),
        "calibration": calibration(judgement, constrained=tail["constrained"]),
    }
    manifest.write(folder / "summary.json", summary)
    return Run(folder, summary)


def _figures(
    stored: Stored, metrics: Sequence[Metric], scope: Scope, scores: Writer, told: list[Judged]
) -> Iterator[dict[str, list[Row]]]:
    """Score some samples at a time; yield each metric's part of the summary.

    The scores go to `scores`, and to `told` what efficiency and calibration go by.
    """
    telling = next(filter(can_tell, metrics), metrics[0])
    for metric in metrics:
        sums = Sums(metric, scope)
        for samples, predictions, copies in stored.chunks(whole=is_whole(metric)):
            tags = {"group": scope.group, "category": scope.category}
            found = score(samples, predictions, [metric], copies=copies, **tags)
            scores.put(found)
            sums.add(samples, predictions, found)
            if metric is telling:
                told.append(judged(samples, predictions, found, [metric]))
        yield sums.figures()


def _robustness(
    stored: Stored, metrics: Sequence[Metric], scope: Scope, families: Mapping[str, str]
) -> dict[str, list[Row]]:
    """Return the key `robustness` of the summary; the tables of perturbed runs are read whole."""
    if not families and set(scope.labels["perturbation"]) <= {"none"}:
        return {"perturbations": [], "families": []}
    run = Run(stored.folder, {})
    copies = None if stored.copies is None else stored.copies.collect()
    return robustness(
        *(run.samples, as_options(run.predictions, run.samples, copies), run.scores, metrics),
        families,
        category=scope.category,
    )


def counts(stored: Stored) -> dict[str, Any]:
    """Return whether the tables are complete, how many samples they have, and how many failed."""
    sums = stored.predictions.select(
        originals=(pl.col("perturbation") == "none").sum(),
        failed=pl.col("error").is_not_null().sum(),
    )
    originals, failed = sums.collect(engine="streaming").row(0)
    complete = stored.n * len(stored.labels["variant"]) == originals
    return {"complete": complete, "n": stored.n, "failed": failed}


def cost(predictions: pl.LazyFrame) -> dict[str, int | None]:
    """Return the requests and tokens behind a table; null where an answered row does not say."""
    sums = predictions.filter(pl.col("error").is_null()).select(
        pl.col(TOKENS).cast(pl.UInt64).sum(),
        pl.col(TOKENS).null_count().name.prefix("silent "),
        answered=pl.len(),
    )
    found = sums.collect(engine="streaming").row(0, named=True)
    requests = predictions.select(pl.col("requests").cast(pl.UInt64).sum())
    total: dict[str, int | None] = {"requests": requests.collect(engine="streaming").item()}
    for kind in TOKENS:
        known = found["answered"] and not found[f"silent {kind}"]
        total[kind] = found[kind] if known else None
    return total


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
        raise manifest.no_run(folder)
    if own := [] if names else [name for name in facts["metrics"] if name not in METRICS]:
        raise UserError(
            f"{folder}: the metric {own[0]!r} stands in the task file; run the task again (nothing"
            " is asked again), or name others with --metric"
        )
    metrics = [find_metric(name) for name in dict.fromkeys(names or facts["metrics"])]
    head = {name: held[name] for name in ("task", "model", "note")}
    known = {metric.name for metric in metrics}
    tail = {
        "cost": held["cost"] | {"sent": 0},
        **dict.fromkeys(("reuse", "speed", "cache_check")),
        "until": held.get("until"),
        "families": facts.get("perturbations", {}),
        "shortcuts": [row for row in held.get("shortcuts", ()) if row["metric"] in known],
        "constrained": facts["constraint"] == "decoding",
        "tags": tags or {},
    }
    return scored(folder, metrics, head, tail).summary
