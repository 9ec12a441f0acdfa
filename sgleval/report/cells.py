"""Tables and cells that comparisons are shown with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD as LINES
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = Mapping[str, Any]

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
    "95 % CI": _between,
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
