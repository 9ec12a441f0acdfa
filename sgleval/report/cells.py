"""Tables and cells that runs and comparisons are shown with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD as LINES  # narrow, and plain in a file
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = Mapping[str, Any]

WIDEST_NAME = 30
LONGEST_CELL = 60
LEAST_P = 0.001

REASONS = {
    "question": "with another question",
    "images": "with other images",
    "choices": "with other options",
    "answers": "with other accepted answers",
    "absent": "not answered everywhere",
}


def table(labels: Sequence[str], numbers: Sequence[str]) -> Table:
    """Return a table whose numbers stay whole; labels break their lines in a narrow window."""
    made = Table(box=LINES, padding=(0, 1, 0, 0), pad_edge=False)
    for label in labels:
        made.add_column(label, overflow="fold")
    for number in numbers:
        made.add_column(number, justify="right", no_wrap=True)
    return made


def titled(title: str, *labels: str) -> Table:
    """Return a table under a title, with a column for each label."""
    # A Text everywhere: in a plain str `[unk]` would be taken for markup and vanish.
    made = Table(
        title=Text(title, style="bold"),
        title_justify="left",
        box=LINES,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for label in labels:
        made.add_column(label)
    return made


def add_names(made: Table, heading: str, names: Iterable[object], numbers: Iterable[str]) -> None:
    """Add a column for names and one for each heading of numbers.

    The name stays whole where the window is narrow; the other columns break their lines.
    """
    longest = max((len(str(name)) for name in names), default=0)
    made.add_column(heading, min_width=min(longest, WIDEST_NAME))
    for number in numbers:
        made.add_column(number, justify="right")


def brief(text: str | None) -> Text:
    """Return a text in one line, cut where it is long; where there is none that it failed."""
    if text is None:
        return Text("(failed)", style="dim")
    line = " ".join(text.split())
    return Text(line if len(line) <= LONGEST_CELL else f"{line[: LONGEST_CELL - 1]}…")


def decimal(value: float | None) -> str:
    """Return three digits after the point, and a stroke for a value that does not exist."""
    return "-" if value is None else f"{value:.3f}"


def number(value: float | None) -> str:
    """Return a count as it is, and anything else as `decimal` does."""
    return str(value) if isinstance(value, int) else decimal(value)


def between(row: Row, of: str = "") -> str:
    """Return a row's interval, or that of what it names, or nothing where it has none."""
    low, high = row.get(f"{of}low"), row.get(f"{of}high")
    return "" if low is None or high is None else f"{low:.3f}–{high:.3f}"  # noqa: RUF001  (a range has an en dash)


def _moved(row: Row) -> str:
    return "" if row["difference"] is None else f"{row['difference']:+.3f}"


def _ends(row: Row) -> str:
    low, high = row["difference_low"], row["difference_high"]
    return "" if low is None or high is None else f"{low:+.3f}, {high:+.3f}"


def chance(p: float | None) -> str:
    """Return a p-value; what is below a thousandth is said to be."""
    if p is None:
        return ""
    return f"<{LEAST_P}" if p < LEAST_P else f"{p:.3f}"


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def amount(value: float | None) -> str:
    """Return a count, or a mean or seconds with one digit; a stroke where nobody knows."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


VALUES: dict[str, Callable[[Row], str]] = {
    "value": lambda row: decimal(row["value"]),
    "95 % CI": between,
}
DIFFERENCES: dict[str, Callable[[Row], str]] = {
    "diff": _moved,
    "95 % CI ": _ends,  # a heading of its own, so that both stand in one table
    "p": lambda row: chance(row["p"]),
    "Holm": lambda row: chance(row["p_holm"]),
    "won": lambda row: _count(row["won"]),
    "lost": lambda row: _count(row["lost"]),
    "tied": lambda row: _count(row["tied"]),
    "least": lambda row: "" if row["detectable"] is None else decimal(row["detectable"]),
}
TESTED = {name: DIFFERENCES[name] for name in ("diff", "95 % CI ", "p", "Holm")}
