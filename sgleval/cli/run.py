"""`sgleval run` and `sgleval plan`."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from sgleval.errors import UserError

Command = Callable[..., Any]
SOME_FAILED = 3


def model_options(command: Command) -> Command:
    """Add what names a model."""
    command = click.option(
        "--chat-template", metavar="NAME|FILE|FOLDER", help="Where the model's own cannot be known."
    )(command)
    return click.option(
        "--model",
        default="demo",
        show_default=True,
        help="demo, a model's folder or hub id, http://HOST:PORT, or FILE.py:FACTORY.",
    )(command)


def data_options(command: Command) -> Command:
    """Add what chooses data, variants and what is drawn."""
    for option in (
        click.option("--seed", default=0, show_default=True, help="Of everything that is random."),
        click.option("--variant", "variants", metavar="NAME", multiple=True, help="Not the first."),
        click.option(
            "--data", metavar="PATH", type=Path, help="The task on another folder or file."
        ),
        click.option("--limit", metavar="N|Ni", help="N samples, or N images with all questions."),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("tasks", metavar="TASK...", nargs=-1, required=True, type=Path)
@model_options
@data_options
@click.option("--metric", "metrics", metavar="NAME", multiple=True, help="Not the task's own.")
@click.option("--concurrency", metavar="N", type=click.IntRange(1), help="Programs open at once.")
@click.option("--no-plan", is_flag=True, help="In the dataset's order, without leaders.")
@click.option("--check-cache", metavar="N|all", help="Repeat so many answers with a cold cache.")
@click.option("--out", metavar="DIR", type=Path, help="Not runs/<task>/<model>-<id>.")
@click.option("--fresh", is_flag=True, help="Start over instead of asking only what is new.")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON on standard output.")
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
    metrics: tuple[str, ...],
    concurrency: int | None,
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
    from sgleval.plan import make_plan
    from sgleval.report.terminal import Bar, show
    from sgleval.runtime.connect import find_model
    from sgleval.runtime.model import kept_open

    if limit is not None:
        parse_limit(limit)
    parse_check(check_cache)
    console, errors = Console(stderr=as_json), Console(stderr=True)
    loaded = [chosen(path, data, variants, metrics) for path in tasks]
    summaries = []
    folders = _folders(out, [task.name for task in loaded])
    with kept_open(find_model(model, server_flags, chat_template)) as opened:
        for task in loaded[1:]:  # what is wrong with it is found before anything is sent
            make_plan(task, opened, limit, seed)
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
def plan(
    tasks: tuple[Path, ...],
    *,
    model: str,
    chat_template: str | None,
    limit: str | None,
    data: Path | None,
    variants: tuple[str, ...],
    seed: int,
) -> None:
    """Say what a run would send and how much of it can be shared; send nothing."""
    from sgleval import manifest
    from sgleval.evaluation import chosen, default_folder
    from sgleval.outlook import outlook
    from sgleval.plan import make_plan
    from sgleval.runtime.connect import find_model

    found = find_model(model, (), chat_template)
    for path in tasks:
        task = chosen(path, data, variants, ())
        planned = make_plan(task, found, limit, seed)
        last = manifest.read(default_folder(task, found, planned.identity) / "summary.json")
        for line in outlook(planned, last).lines():
            click.echo(line)
