"""The tables of a comparison: differences, costs, main effects of factors, flips."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rich.measure import Measurement
from rich.text import Text

from sgleval.report.cells import (
    DIFFERENCES,
    REASONS,
    TESTED,
    VALUES,
    amount,
    brief,
    chance,
    decimal,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, RenderableType
    from rich.table import Table

Row = Mapping[str, Any]
Comparison = Mapping[str, Any]

MOST_FLIPS = 20
"""Rows of the table of flips; `--json` has them all."""

WIDEST = 1000
"""A window in which no table is too wide."""

DIRECTIONS = {"higher": "↑", "lower": "↓"}

COSTS = {
    "requests": "requests",
    "computed_tokens": "computed",
    "cached_tokens": "cached",
    "completion_tokens": "written",
    "seconds": "seconds",
}
ENDS = {
    "n": "n",
    "failed": "failed",
    "unparsed": "unparsed",
    "truncated": "truncated",
    "characters": "mean length",
}


def show_variants(found: Comparison, console: Console) -> None:
    """Print the tables of `compare_variants`."""
    for part in _parts(found, ("variant",), console):
        console.print(part)
    if left := found["left_out"]:
        console.print(Text(f"left out: {left} samples not answered under every variant"))


def show_runs(found: Comparison, console: Console) -> None:
    """Print the tables of `compare_runs`, task by task, and then who wins how often."""
    for task in found["tasks"]:
        several = len({row["variant"] for row in task["results"]}) > 1
        head = f"{task['task']} · {len(task['runs'])} runs · {task['n']:,} samples in all of them"
        console.print(Text(head, style="bold"))
        for row in task["left_out"]:
            if row["left_out"]:
                console.print(Text(_left_out(row)))
        for part in _parts(task, ("variant", "run") if several else ("run",), console):
            console.print(part)
    if found["win_rate"] is not None and len(found["win_rate"]["columns"]) > 1:
        for part in _win_rate(found["win_rate"]):
            console.print(part)


def _left_out(row: Row) -> str:
    reasons = [f"{row[key]:,} {words}" for key, words in REASONS.items() if row[key]]
    return f"{row['run']}: {row['left_out']:,} of {row['samples']:,} left out: {', '.join(reasons)}"


def _parts(found: Comparison, names: Sequence[str], console: Console) -> Iterator[RenderableType]:
    for metric in dict.fromkeys(row["metric"] for row in found["results"]):
        rows = [row for row in found["results"] if row["metric"] == metric]
        yield from _differences(rows, names, found, console)
        yield from _words(rows, names)
    yield from _effects(found)
    yield Text("answers", style="bold")
    yield _numbers(found["reliability"], names, ENDS)
    known = {
        key: words
        for key, words in COSTS.items()
        if any(row[key] is not None for row in found["cost"])
    }
    if known:
        yield Text("cost: prompt tokens computed and cached, tokens written", style="bold")
        yield _numbers(found["cost"], names, known)
    yield from _flips(found, names)


def _differences(
    rows: Sequence[Row], names: Sequence[str], found: Comparison, console: Console
) -> Iterator[RenderableType]:
    """Yield the rows of one metric in one table, or where that is too wide in two."""
    arrow = DIRECTIONS.get(rows[0]["better"] or "", "no direction")
    images = max(row["images"] or 0 for row in rows)
    on = f"{found['n']:,} samples on {images:,} images"
    yield Text(f"{rows[0]['metric']} {arrow} · against {found['baseline']} · {on}", style="bold")
    whole = _columns(rows, names, VALUES | DIFFERENCES)
    unlimited = console.options.update(max_width=WIDEST)
    if Measurement.get(console, unlimited, whole).maximum <= console.width:
        yield whole
    else:
        yield _columns(rows, names, VALUES)
        yield _columns([row for row in rows if row["difference"] is not None], names, DIFFERENCES)


def _columns(
    rows: Sequence[Row], names: Sequence[str], columns: Mapping[str, Callable[[Row], str]]
) -> Table:
    made = table(names, [heading.strip() for heading in columns])
    for row in rows:
        labels = (Text(str(row[name])) for name in names)
        made.add_row(*labels, *(cell(row) for cell in columns.values()))
    return made


def _words(rows: Sequence[Row], names: Sequence[str]) -> Iterator[Text]:
    """Yield what a reader has to know beside the table of a metric."""

    def name(row: Row) -> str:
        return " ".join(str(row[key]) for key in names)

    yield Text("least: the smallest difference that these samples show in 4 of 5 cases")
    if known := [f"{name(r)} {chance(r['mcnemar'])}" for r in rows if r["mcnemar"] is not None]:
        yield Text(f"p of McNemar's exact test: {', '.join(known)}")
    for row in rows:
        if row["too_small"]:
            yield Text(f"{name(row)}: {row['too_small']}", style="yellow")
    yield Text("")


def _effects(found: Comparison) -> Iterator[RenderableType]:
    rows = found.get("effects", ())
    for metric in dict.fromkeys(row["metric"] for row in rows):
        yield Text(f"{metric} by factor, mean over the others", style="bold")
        columns = {"value": VALUES["value"]} | TESTED
        made, said = table(("factor", "level"), [head.strip() for head in columns]), None
        for row in rows:
            if row["metric"] == metric:
                labels = ("" if row["factor"] == said else row["factor"], row["level"])
                said = row["factor"]
                made.add_row(*map(Text, labels), *(cell(row) for cell in columns.values()))
        yield made


def _numbers(rows: Sequence[Row], names: Sequence[str], columns: Mapping[str, str]) -> Table:
    made = table(names, tuple(columns.values()))
    for row in rows:
        labels = (Text(str(row[name])) for name in names)
        made.add_row(*labels, *(amount(row[key]) for key in columns))
    return made


def _flips(found: Comparison, names: Sequence[str]) -> Iterator[RenderableType]:
    rows = found["flips"]
    if not rows:
        return
    yield Text(f"flips by {rows[0]['metric']}: one of the two alone is right", style="bold")
    made = table((*names, "sample", "accepted", f"{found['baseline']} said", "it said", ""), ())
    shown = _some_of_each(rows, names)
    for row in shown:
        accepted = " | ".join(row["accepted"])
        cells = (row["sample_id"], accepted, row["baseline_answer"], row["answer"])
        labels = (Text(str(row[name])) for name in names)
        made.add_row(*labels, *map(brief, cells), "won" if row["won"] else "lost")
    yield made
    if len(rows) > len(shown):
        yield Text(f"… and {len(rows) - len(shown):,} more with --json")


def _some_of_each(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """Return at most `MOST_FLIPS` rows, so that many of one arm do not hide those of others."""
    arms: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        arms.setdefault(tuple(row[name] for name in names), []).append(row)
    share = max(1, MOST_FLIPS // len(arms))
    return [row for mine in arms.values() for row in mine[:share]][:MOST_FLIPS]


def _win_rate(found: Row) -> Iterator[RenderableType]:
    columns = found["columns"]
    several = len({column["variant"] for column in columns}) > len({c["task"] for c in columns})
    yield Text("mean win rate over tasks", style="bold")
    heads = [
        f"{column['task']} {column['metric']} {DIRECTIONS[column['better']]}"
        + (f" {column['variant']}" if several else "")
        for column in columns
    ]
    made = table(("run",), ("win rate",))
    for head in heads:
        made.add_column(head, justify="right")
    for place, row in enumerate(found["models"]):
        values = (decimal(column["values"][place]) for column in columns)
        made.add_row(Text(row["run"]), decimal(row["win_rate"]), *values)
    yield made
