"""The command line: options in, one call, text out."""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from sgleval.cli.ablate import ablate
from sgleval.cli.compare import compare, diff
from sgleval.cli.options import model_options
from sgleval.cli.run import plan, run
from sgleval.cli.score import score
from sgleval.errors import RunError, UserError

NOT_FINISHED, MISTAKE, INTERRUPTED = 1, 2, 130


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
    if context.obj and context.invoked_subcommand not in {"run", "ablate", "serve"}:
        raise click.UsageError(f"{context.invoked_subcommand} takes no server flags after --")


for command in (run, ablate, plan, score, compare, diff):
    main.add_command(command)


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

    said: list[str] = []

    def tell(text: str) -> None:
        about = text.partition(",")[0]  # of a wait not every second
        if about not in said[-1:]:
            click.echo(text)
        said[:] = [about]

    keep_up(model, server_flags, chat_template, port, tell)


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
