"""The whole path in one screen: plan, ask what is missing, score, keep."""

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from sgleval import manifest
from sgleval.ask import Nobody, Watch, ask
from sgleval.cache_check import parse_check
from sgleval.errors import RunError, UserError
from sgleval.metrics import METRICS, Metric, find_metric
from sgleval.perturb import parse
from sgleval.plan import Plan, make_plan
from sgleval.runtime.connect import find_model
from sgleval.runtime.ledger import TOKENS
from sgleval.runtime.model import Model, freed
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
from sgleval.task import Task, load_task
from sgleval.until import Until


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


def evaluate(  # noqa: PLR0913  (what a notebook may say of a run, by keyword)
    task: Task | str | Path,
    model: Model | str = "demo",
    *,
    limit: int | str | None = None,
    data: str | Path | None = None,
    variants: Sequence[str] = (),
    metrics: Sequence[str] = (),
    concurrency: int | None = None,
    planned: bool = True,
    check_cache: int | str | None = None,
    perturb: Sequence[str] = (),
    free: bool = False,
    until: float | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    fresh: bool = False,
    watch: Watch | None = None,
) -> Run:
    """Run a task on a model and return its tables; what was answered before is not asked again.

    `perturb` names what is done to copies of the samples, as after `--perturb`; `free` lifts the
    constraints; `until` stops as soon as the intervals are so narrow (see `sgleval.until.Until`).

    Raises:
        UserError: the user's mistake, found before anything is sent.
        RunError: the run could not finish; what was answered is kept.
    """
    task = chosen(task, data, variants, metrics)
    model = find_model(model) if isinstance(model, str) else model
    model = freed(model) if free else model
    watch = watch or Nobody()
    recheck_of, began = parse_check(check_cache), time.monotonic()
    plan = make_plan(task, model, limit, seed, parse(perturb))
    folder = Path(out) if out else default_folder(task, model, plan.identity)
    with opened_journal(folder, plan, fresh=fresh) as journal:
        facts = manifest.begun(plan)
        manifest.write(folder / "run.json", facts)
        send = partial(
            ask, plan, journal, concurrency, watch, planned=planned, recheck_of=recheck_of
        )
        plan, sent = (plan, send()) if until is None else _until(until, plan, journal, send)
        run = _tables(folder, plan, journal, sent, began)
        manifest.write(folder / "run.json", facts | manifest.ended(run.summary))
    return run


def _until(
    width: float, plan: Plan, journal: Journal, send: Callable[..., Sent]
) -> tuple[Plan, Sent]:
    """Ask a plan's images until the intervals are narrow; return what was asked of it."""
    known = Until(plan, journal, width)
    sent = send(stages=known.stages())
    sent.until = known.summary()
    return known.asked(), sent


def chosen(
    task: Task | str | Path,
    data: str | Path | None,
    variants: Sequence[str],
    metrics: Sequence[str],
) -> Task:
    """Return a task, loaded if a path is given, on the data, variants and metrics wanted."""
    task = load_task(Path(task)) if isinstance(task, (str, Path)) else task
    task = task.with_variants(variants)
    task = task.with_metrics(metrics) if metrics else task
    return task.with_data(Path(data)) if data else task


def default_folder(task: Task, model: Model, identity: str) -> Path:
    """Return `runs/<task>/<model>-<id>` below the working folder."""
    name = re.sub(r"[^\w.-]+", "_", model.name)
    return Path("runs") / task.name / f"{name}-{identity[:8]}"


@contextlib.contextmanager
def opened_journal(folder: Path, plan: Plan, *, fresh: bool) -> Iterator[Journal]:
    """Open a run folder's journal for a plan.

    Raises:
        UserError: the folder holds answers of another identity, or is in use.
        RunError: (from the block) the disk refuses, or a file of the data is gone.
    """
    held = manifest.read(folder / "run.json")
    if held is not None and held.get("identity") != plan.identity and not fresh:
        changed = ", ".join(manifest.differences(held, plan)) or "its identity"
        raise UserError(f"{folder}: holds another run ({changed}); give another --out, or --fresh")
    with Journal(folder / "journal.jsonl") as journal:
        if fresh:
            journal.clear()
        try:
            yield journal
        except OSError as error:
            where, what = error.filename or folder, error.strerror or error
            raise RunError(f"{where}: {what}; what was answered is kept") from error


def _tables(folder: Path, plan: Plan, journal: Journal, sent: Sent, began: float) -> Run:
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
