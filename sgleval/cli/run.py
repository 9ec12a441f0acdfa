"""`sgleval run` and `sgleval plan`."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from sgleval.cli.options import data_options, model_options, run_options
from sgleval.errors import UserError

SOME_FAILED = 3


@click.command()
@click.argument("tasks", metavar="TASK...", nargs=-1, required=True, type=Path)
@model_options
@data_options
@run_options
@click.option("--free", is_flag=True, help="Without constraints and stops; the parser reads on.")
@click.option("--no-plan", is_flag=True, help="In the dataset's order, without leaders.")
@click.option("--check-cache", metavar="N|all", help="Repeat so many answers with a cold cache.")
@click.pass_obj
def run(
    server_flags: list[str],
    tasks: tuple[Path, ...],
    *,
    model: str,
    chat_template: str | None,
    limit: str | None,
    data: Path | None,
    variants: tuple[str, ...],
    perturb: tuple[str, ...],
    metrics: tuple[str, ...],
    concurrency: int | None,
    until: float | None,
    free: bool,
    no_plan: bool,
    check_cache: str | None,
    seed: int,
    out: Path | None,
    fresh: bool,
    as_json: bool,
) -> int:
    """Run task files on a model, score the answers and keep everything.

    The same command again asks only what is new. Flags after -- go to the SGLang server that is
    started.
    """
    from rich.console import Console

    from sgleval.cache_check import parse_check
    from sgleval.dataset.limit import parse_limit
    from sgleval.evaluation import chosen, evaluate
    from sgleval.perturb import parse
    from sgleval.plan import make_plan
    from sgleval.report.terminal import Bar, show
    from sgleval.runtime.connect import find_model
    from sgleval.runtime.model import kept_open

    if limit is not None:
        parse_limit(limit)
    parse_check(check_cache)
    perturbations = parse(perturb)
    console, errors = Console(stderr=as_json), Console(stderr=True)
    loaded = [chosen(path, data, variants, metrics) for path in tasks]
    summaries = []
    folders = _folders(out, [task.name for task in loaded])
    with kept_open(find_model(model, server_flags, chat_template)) as opened:
        for task in loaded[1:]:  # what is wrong with it is found before anything is sent
            make_plan(task, opened, limit, seed, perturbations)
        for task, folder in zip(loaded, folders, strict=True):
            with Bar(task.name, task.measures[0].name, errors) as bar:
                done = evaluate(
                    task,
                    opened,
                    limit=limit,
                    variants=variants,
                    concurrency=concurrency,
                    planned=not no_plan,
                    check_cache=check_cache,
                    perturb=perturb,
                    free=free,
                    until=until,
                    seed=seed,
                    out=folder,
                    fresh=fresh,
                    watch=bar,
                )
            show(done.summary, console)
            console.print(f"kept in {done.folder}", highlight=False, markup=False, soft_wrap=True)
            summaries.append(done.summary)
    if as_json:
        click.echo(json.dumps(summaries[0] if len(summaries) == 1 else summaries))
    return SOME_FAILED if any(summary["failed"] for summary in summaries) else 0


def _folders(out: Path | None, names: Sequence[str]) -> list[Path | None]:
    """Return the folder that `--out` means for each task: DIR, or DIR/<task> of several."""
    if out is None or len(names) == 1:
        return [out] * len(names)
    if len(set(names)) < len(names):
        raise UserError(f"--out {out}: two tasks have one name; run them one by one")
    return [out / name for name in names]


@click.command()
@click.argument("tasks", metavar="TASK...", nargs=-1, required=True, type=Path)
@model_options
@data_options
@click.option("--detect", metavar="DIFFERENCE", type=float, help="How many samples it takes.")
def plan(
    tasks: tuple[Path, ...],
    *,
    model: str,
    chat_template: str | None,
    limit: str | None,
    data: Path | None,
    variants: tuple[str, ...],
    perturb: tuple[str, ...],
    seed: int,
    detect: float | None,
) -> None:
    """Say what a run would send and how much of it can be shared; send nothing."""
    from sgleval import manifest
    from sgleval.detect import detect as detecting
    from sgleval.evaluation import chosen, default_folder
    from sgleval.outlook import outlook
    from sgleval.perturb import parse
    from sgleval.plan import make_plan
    from sgleval.runtime.connect import find_model

    found = find_model(model, (), chat_template)
    for path in tasks:
        task = chosen(path, data, variants, ())
        planned = make_plan(task, found, limit, seed, parse(perturb))
        folder = default_folder(task, found, planned.identity)
        last = manifest.read(folder / "summary.json")
        lines = [] if detect is None else list(detecting(detect, folder, last))
        for line in [*outlook(planned, last).lines(), *lines]:
            click.echo(line)
