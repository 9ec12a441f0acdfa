"""`sgleval ablate`."""

import json
from pathlib import Path
from typing import Any

import click

from sgleval.cli.options import data_options, model_options, run_options
from sgleval.cli.run import SOME_FAILED


@click.command()
@click.argument("task", type=Path)
@model_options
@data_options
@run_options
@click.option("--baseline", metavar="NAME", help="The variant to compare with, not the first.")
@click.option("--free", is_flag=True, help="Each variant also without constraints and stops.")
@click.option("--yes", is_flag=True, help="Ask more than 100 variants.")
@click.pass_obj
def ablate(
    server_flags: list[str],
    /,
    task: Path,
    *,
    model: str,
    chat_template: str | None,
    data: Path | None,
    variants: tuple[str, ...],
    metrics: tuple[str, ...],
    as_json: bool,
    **given: Any,
) -> int:
    """Run all variants of a task file over the same samples and compare them.

    Differences are paired, their intervals and tests clustered by image, the p-values of a table
    adjusted by Holm. Flags after -- go to the SGLang server that is started.
    """
    from rich.console import Console

    from sgleval.ablate import ablate as ablated
    from sgleval.evaluation import chosen
    from sgleval.report.comparison import show_variants
    from sgleval.report.terminal import Bar, show
    from sgleval.runtime.connect import find_model
    from sgleval.task import load_task

    console, errors = Console(stderr=as_json), Console(stderr=True)
    whole = load_task(task)
    loaded = chosen(whole, data, variants or list(whole.variants), metrics)
    found = find_model(model, server_flags, chat_template)
    with Bar(loaded.name, loaded.measures[0].name, errors) as bar:
        done = ablated(loaded, found, watch=bar, **given)
    for run in done.runs:
        show(run.summary, console)
        console.print(f"kept in {run.folder}", highlight=False, markup=False, soft_wrap=True)
    show_variants(done.comparison, console)
    if as_json:
        summaries = [run.summary for run in done.runs]
        click.echo(json.dumps({"runs": summaries, "comparison": done.comparison}))
    return SOME_FAILED if any(run.summary["failed"] for run in done.runs) else 0
