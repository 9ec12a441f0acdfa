"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]


def model_options(command: Command) -> Command:
    """Add what names a model."""
    return _with(
        command,
        click.option(
            "--model",
            default="demo",
            show_default=True,
            help="demo, a model's folder or hub id, http://HOST:PORT, or FILE.py:FACTORY.",
        ),
        click.option(
            "--chat-template",
            metavar="NAME|FILE|FOLDER",
            help="Where the model's own cannot be known.",
        ),
    )


def data_options(command: Command) -> Command:
    """Add what chooses data, variants and what is drawn."""
    return _with(
        command,
        click.option("--limit", metavar="N|Ni", help="N samples, or N images with all questions."),
        click.option(
            "--data", metavar="PATH", type=Path, help="The task on another folder or file."
        ),
        click.option("--variant", "variants", metavar="NAME", multiple=True, help="Not the first."),
        click.option(
            "--perturb",
            metavar="SPEC",
            multiple=True,
            help="Also perturbed copies: typos:0.1, blur:3, choices:rotate, blind, ... or all.",
        ),
        click.option("--seed", default=0, show_default=True, help="Of everything that is random."),
    )


def run_options(command: Command) -> Command:
    """Add how answers are asked for, scored and kept."""
    return _with(
        command,
        click.option(
            "--metric", "metrics", metavar="NAME", multiple=True, help="Not the task's own."
        ),
        click.option(
            "--concurrency", metavar="N", type=click.IntRange(1), help="Programs open at once."
        ),
        click.option(
            "--until",
            metavar="WIDTH",
            type=float,
            help="Stop when the 95 % interval is so narrow.",
        ),
        click.option("--out", metavar="DIR", type=Path, help="Not runs/<task>/<model>-<id>."),
        click.option(
            "--fresh", is_flag=True, help="Start over instead of asking only what is new."
        ),
        click.option(
            "--json", "as_json", is_flag=True, help="The summary as JSON on standard output."
        ),
    )


def _with(command: Command, *options: Callable[[Command], Command]) -> Command:
    for option in reversed(options):  # click lists the last one added first
        command = option(command)
    return command
