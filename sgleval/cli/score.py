"""`sgleval score`: a stored run again, or what others predicted."""

import json
from pathlib import Path
from typing import Any

import click

from sgleval.errors import UserError


@click.command()
@click.argument("source", metavar="RUN|FILE", type=Path, required=False)
@click.option("--metric", "metrics", metavar="NAME", multiple=True, help="Not the run's own.")
@click.option("--prediction", metavar="COL[.KEY]", help="The column of the predictions.")
@click.option("--answers", metavar="COL[.KEY]", help="The accepted answers: a list, or one text.")
@click.option("--choices", metavar="COL[.KEY]", help="The options, or the columns A, B, C, ….")
@click.option("--group", metavar="COL|TAG", help="What counts together, within each --by value.")
@click.option("--by", metavar="COL|TAG", help="The categories, a row of the table for each.")
@click.option("--where", metavar="COL=VALUE", multiple=True, help="Or COL=@COL; all must hold.")
@click.option("--gold", metavar="FILE", type=Path, help="The file with the answers, by --id.")
@click.option("--id", metavar="COL[.KEY]", help="What names a sample in both files.")
@click.option("--list", "list_them", is_flag=True, help="Show every metric, and do nothing else.")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON on standard output.")
def score(
    source: Path | None,
    *,
    metrics: tuple[str, ...],
    group: str | None,
    by: str | None,
    list_them: bool,
    as_json: bool,
    **columns: Any,
) -> None:
    """Score a run's stored answers again, or a file of others' predictions; no model is needed.

    FILE is JSONL, JSON, CSV, TSV or Parquet. Columns that are not named are found under the names
    that sgleval, VLMEvalKit and lmms-eval give them.
    """
    from rich.console import Console

    from sgleval.report.terminal import show

    if list_them:
        show_metrics()
        return
    if source is None:
        raise UserError("name a run's folder or a file of predictions, or give --list")
    if source.is_dir():
        summary = _of_run(source, metrics, {"group": group, "category": by}, columns)
    else:
        summary = _of_file(source, metrics, columns | {"group": group, "by": by})
    show(summary, Console(stderr=as_json))
    if as_json:
        click.echo(json.dumps(summary))


def _of_run(
    folder: Path, metrics: tuple[str, ...], tags: dict[str, str | None], columns: dict[str, Any]
) -> dict[str, Any]:
    from sgleval.results import rescore

    if given := [name for name, value in columns.items() if value]:
        raise UserError(f"--{given[0]} is for files; {folder} is a run, whose tables are known")
    return rescore(folder, metrics, {role: tag for role, tag in tags.items() if tag is not None})


def _of_file(path: Path, metrics: tuple[str, ...], columns: dict[str, Any]) -> dict[str, Any]:
    from sgleval.foreign import Columns, score_file
    from sgleval.metrics import find_metric

    if not path.exists():
        raise UserError(f"{path}: neither a run's folder nor a file is there")
    if not metrics:
        raise UserError("name a metric with --metric; `sgleval score --list` shows them all")
    return score_file(
        path, [find_metric(name) for name in dict.fromkeys(metrics)], Columns(**columns)
    )


def show_metrics() -> None:
    """Print every metric with its direction, its definition and where that comes from."""
    from sgleval.metrics import METRICS

    width = max(map(len, METRICS))
    for name, metric in METRICS.items():
        better = {"higher": "↑", "lower": "↓"}.get(metric.better or "", " ")
        click.echo(f"{name:{width}} {better} {metric.definition}")
        click.echo(f"{'':{width}}   {metric.source}")
