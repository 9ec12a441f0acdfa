"""The whole path in one screen: plan, ask what is missing, score, keep."""

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from sgleval import manifest
from sgleval.ask import Nobody, Watch, ask
from sgleval.cache_check import parse_check
from sgleval.errors import RunError, UserError
from sgleval.perturb import Perturbation, parse
from sgleval.plan import Plan, make_plan
from sgleval.results import Run, circumstances, scored, write_tables
from sgleval.runtime.connect import find_model
from sgleval.runtime.model import Model, freed
from sgleval.sent import Sent
from sgleval.store import Journal
from sgleval.task import Task, load_task
from sgleval.until import Until


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
    perturb: Sequence[str | Perturbation] = (),
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
        write_tables(folder, plan, journal)
        head, tail = circumstances(folder, plan, sent, began)
        journal.forget()
        del plan, send  # as the journal does, they hold 24 bytes a sample, which scores need now
        run = scored(folder, task.measures, head, tail)
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
