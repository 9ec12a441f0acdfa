"""`sgleval compare` and `sgleval diff`: what differs between runs, and whether it is chance."""

import json
from pathlib import Path
from typing import Any, TypeVar

import click

from sgleval.cli.score import score

Command = TypeVar("Command", bound=click.Command)

OF_FILES = ("prediction", "answers", "choices", "group", "by", "where", "gold", "id")


def file_options(command: Command) -> Command:
    """Add the options of `sgleval score` that say what is what in a file of predictions."""
    command.params += [option for option in score.params if option.name in OF_FILES]
    return command


@file_options
@click.command()
@click.argument("runs", metavar="RUN|FILE...", nargs=-1, required=True, type=Path)
@click.option("--metric", "metrics", metavar="NAME", multiple=True, help="Not the runs' own.")
@click.option("--seed", default=0, show_default=True, help="Of the permutation test.")
@click.option("--json", "as_json", is_flag=True, help="The comparison as JSON on standard output.")
def compare(
    runs: tuple[Path, ...],
    *,
    metrics: tuple[str, ...],
    seed: int,
    as_json: bool,
    **columns: Any,
) -> None:
    """Compare runs on the samples that all of them answered; the first is the baseline.

    Differences have intervals and p-values clustered by image. Runs of several tasks are compared
    task by task. A FILE of others' predictions takes the answers of the first RUN where it has
    none of its own; the options below name its columns.
    """
    from rich.console import Console

    from sgleval.compare import compare_runs
    from sgleval.compare.load import load
    from sgleval.foreign import Columns
    from sgleval.report.comparison import show_runs

    found = compare_runs(load(runs, metrics, Columns(**columns)), seed)
    show_runs(found, Console(stderr=as_json))
    if as_json:
        click.echo(json.dumps(found))


@click.command()
@click.argument("runs", metavar="RUN RUN", nargs=2, type=Path)
@click.option("--json", "as_json", is_flag=True, help="All of it as JSON on standard output.")
def diff(runs: tuple[Path, Path], *, as_json: bool) -> None:
    """Show what differs between two runs: their manifests, and their answers."""
    from rich.console import Console

    from sgleval.compare.changes import differences
    from sgleval.compare.load import read_run
    from sgleval.report.changes import show_changes

    a, b = (read_run(folder) for folder in runs)
    found = differences(a, b)
    show_changes(found, Console(stderr=as_json))
    if as_json:
        click.echo(json.dumps(found))
