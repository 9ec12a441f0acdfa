"""The command line: options in, one call, text out."""

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from sgleval.cli.score import score
from sgleval.errors import RunError, UserError

NOT_FINISHED, MISTAKE, SOME_FAILED, INTERRUPTED = 1, 2, 3, 130
Command = Callable[..., Any]


class Commands(click.Group):
    """A group that splits off server flags and turns expected failures into a line and a code."""

    def main(self, args: Sequence[str] | None = None, **kwargs: Any) -> Any:  # type: ignore[override]
        """Run a command and exit; anything unexpected shows its traceback."""
        words = list(sys.argv[1:] if args is None else args)
        at = words.index("--") if "--" in words else len(words)
        _take_signals()
        try:
            code = super().main(words[:at], standalone_mode=False, obj=words[at + 1 :], **kwargs)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            code = error.exit_code
        except click.ClickException as error:
            click.echo(f"Error: {_in_a_line(error)}", err=True)
            code = error.exit_code
        except (click.Abort, KeyboardInterrupt):
            click.echo("Interrupted; what was answered is kept.", err=True)
            code = INTERRUPTED
        except UserError as error:
            click.echo(f"Error: {error}", err=True)
            code = MISTAKE
        except RunError as error:
            click.echo(f"Not finished: {error}", err=True)
            code = NOT_FINISHED
        code = code if isinstance(code, int) else 0
        if args is None and code in (INTERRUPTED, NOT_FINISHED):
            _leave_at_once(code)
        sys.exit(code)


def _in_a_line(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split())
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{message} ({context.command_path} --help)" if context else message


def _leave_at_once(code: int) -> None:
    """End the process, which otherwise waits for the calls of `predict` that are under way."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _take_signals() -> None:
    """Take SIGTERM like Ctrl-C, so that every block is left in order."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    for kind in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(kind) is not signal.SIG_IGN:  # as under nohup
            signal.signal(kind, interrupt)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sgleval")
@click.pass_context
def main(context: click.Context) -> None:
    """Evaluate vision-language models on visual question answering, with SGLang programs.

    Exit codes: 0 done, 1 could not finish, 2 a mistake in what was given, 3 done with failed
    samples, 130 interrupted.
    """
    if context.obj and context.invoked_subcommand not in {"run", "serve"}:
        raise click.UsageError(f"{context.invoked_subcommand} takes no server flags after --")


main.add_command(score)


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


@main.command()
@click.argument("tasks", metavar="TASK...", nargs=-1, required=True, type=Path)
@model_options
@click.option("--limit", metavar="N|Ni", help="N samples, or N images with all their questions.")
@click.option("--data", metavar="PATH", type=Path, help="The task on another folder or file.")
@click.option("--variant", "variants", metavar="NAME", multiple=True, help="Not the first one.")
@click.option("--metric", "metrics", metavar="NAME", multiple=True, help="Not the task's own.")
@click.option("--concurrency", metavar="N", type=click.IntRange(1), help="Programs open at once.")
@click.option("--seed", default=0, show_default=True, help="Of everything that is random.")
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

    from sgleval.dataset.limit import parse_limit
    from sgleval.evaluation import chosen, evaluate
    from sgleval.plan import make_plan
    from sgleval.report.terminal import Bar, show
    from sgleval.runtime.connect import find_model
    from sgleval.runtime.model import kept_open

    if limit is not None:
        parse_limit(limit)
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


@main.command()
@model_options
@click.option("--port", metavar="P", type=click.IntRange(1, 65535), help="A free one otherwise.")
@click.pass_obj
def serve(
    server_flags: list[str], *, model: str, chat_template: str | None, port: int | None
) -> None:
    """Keep a server up between runs; later commands for the same model find and use it.

    Ctrl-C ends it. Flags after -- go to SGLang.
    """
    from sgleval.runtime.serve import keep_up

    keep_up(model, server_flags, chat_template, port, click.echo)


@main.group()
def data() -> None:
    """Look at datasets."""


@data.command("check")
@click.argument("source", metavar="PATH|TASK", type=Path)
@click.option("--seed", default=0, show_default=True, help="For sets that are generated.")
def data_check(source: Path, *, seed: int) -> int:
    """Read every row and image of a folder, a file or a task's dataset; list what is wrong."""
    from sgleval.dataset.check import report
    from sgleval.dataset.dataset import Dataset
    from sgleval.task import load_task

    if source.suffix == ".py":
        task = load_task(source)
        found = report(task.dataset, task.answer, seed)
    else:
        found = report(Dataset.files(source), seed=seed)
    for line in found.lines():
        click.echo(line)
    return MISTAKE if found.problems else 0


@main.command()
@click.argument("name")
def new(name: str) -> None:
    """Write the task file NAME.py to start from."""
    from sgleval.new import write_task

    path = write_task(name)
    click.echo(
        f"wrote {path}; put images and data.jsonl into {path.stem}/, then: sgleval run {path}"
    )
