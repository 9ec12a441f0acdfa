"""The tables of a comparison: differences, costs, main effects of factors, flips."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD as LINES
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, RenderableType

Row = Mapping[str, Any]
Comparison = Mapping[str, Any]

MOST_FLIPS = 20
"""Rows of the table of flips; `--json` has them all."""

LONGEST_CELL = 60
WIDEST = 1000
"""A window in which no table is too wide."""

LINES_BELOW = {
    "mcnemar": "p of McNemar's exact test",
    "detectable": "smallest difference that so many samples show in 4 of 5 cases",
}
DIRECTIONS = {"higher": "↑", "lower": "↓"}
LEAST_P = 0.001

REASONS = {
    "question": "with another question",
    "images": "with other images",
    "choices": "with other options",
    "answers": "with other accepted answers",
    "absent": "not answered everywhere",
}

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
    if found["win_rate"] is not None:
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


def table(labels: Sequence[str], numbers: Sequence[str]) -> Table:
    """Return a table whose numbers stay whole; labels break their lines in a narrow window."""
    made = Table(box=LINES, padding=(0, 1, 0, 0), pad_edge=False)
    for label in labels:
        made.add_column(label, overflow="fold")
    for number in numbers:
        made.add_column(number, justify="right", no_wrap=True)
    return made


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

    for key, words in LINES_BELOW.items():
        if known := [f"{name(row)} {row[key]:.3f}" for row in rows if row[key] is not None]:
            yield Text(f"{words}: {', '.join(known)}")
    for row in rows:
        if row["too_small"]:
            yield Text(f"{name(row)}: {row['too_small']}", style="yellow")
    yield Text("")


def _effects(found: Comparison) -> Iterator[RenderableType]:
    rows = found.get("effects", ())
    for metric in dict.fromkeys(row["metric"] for row in rows):
        yield Text(f"{metric} by factor, mean over the others", style="bold")
        heads = ("value", *(heading for heading in DIFFERENCES if heading not in OUTCOMES))
        made, said = table(("factor", "level"), [head.strip() for head in heads]), None
        for row in rows:
            if row["metric"] == metric:
                labels = ("" if row["factor"] == said else row["factor"], row["level"])
                said = row["factor"]
                made.add_row(*map(Text, labels), *((VALUES | DIFFERENCES)[h](row) for h in heads))
        yield made


def _numbers(rows: Sequence[Row], names: Sequence[str], columns: Mapping[str, str]) -> Table:
    made = table(names, tuple(columns.values()))
    for row in rows:
        labels = (Text(str(row[name])) for name in names)
        made.add_row(*labels, *(_amount(row[key]) for key in columns))
    return made


def _flips(found: Comparison, names: Sequence[str]) -> Iterator[RenderableType]:
    rows = found["flips"]
    if not rows:
        return
    yield Text(f"flips by {rows[0]['metric']}: one of the two alone is right", style="bold")
    made = table((*names, "sample", "accepted", f"{found['baseline']} said", "it said", ""), ())
    for row in rows[:MOST_FLIPS]:
        accepted = " | ".join(row["accepted"])
        cells = (row["sample_id"], accepted, row["baseline_answer"], row["answer"])
        labels = (Text(str(row[name])) for name in names)
        made.add_row(*labels, *map(brief, cells), "won" if row["won"] else "lost")
    yield made
    if len(rows) > MOST_FLIPS:
        yield Text(f"… and {len(rows) - MOST_FLIPS:,} more with --json")


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


def brief(text: str | None) -> Text:
    """Return a text in one line, cut where it is long; where there is none that it failed."""
    if text is None:
        return Text("(failed)", style="dim")
    line = " ".join(text.split())
    return Text(line if len(line) <= LONGEST_CELL else f"{line[: LONGEST_CELL - 1]}…")


def decimal(value: float | None) -> str:
    """Return three digits after the point, and a stroke for a value that does not exist."""
    return "-" if value is None else f"{value:.3f}"


def _between(row: Row) -> str:
    low, high = row["low"], row["high"]
    return "" if low is None or high is None else f"{low:.3f}–{high:.3f}"  # noqa: RUF001  (a range has an en dash)


def _moved(row: Row) -> str:
    return "" if row["difference"] is None else f"{row['difference']:+.3f}"


def _ends(row: Row) -> str:
    low, high = row["difference_low"], row["difference_high"]
    return "" if low is None or high is None else f"{low:+.3f}, {high:+.3f}"


def _chance(p: float | None) -> str:
    if p is None:
        return ""
    return f"<{LEAST_P}" if p < LEAST_P else f"{p:.3f}"


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _amount(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


VALUES: dict[str, Callable[[Row], str]] = {
    "value": lambda row: decimal(row["value"]),
    "95 % CI": _between,
}
DIFFERENCES: dict[str, Callable[[Row], str]] = {
    "diff": _moved,
    "95 % CI ": _ends,  # a heading of its own, so that both stand in one table
    "p": lambda row: _chance(row["p"]),
    "Holm": lambda row: _chance(row["p_holm"]),
    "won": lambda row: _count(row["won"]),
    "lost": lambda row: _count(row["lost"]),
    "tied": lambda row: _count(row["tied"]),
}
OUTCOMES = ("won", "lost", "tied")
