"""What perturbed copies say of a run: the table of perturbations, and shortcuts beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from sgleval.report.cells import add_names, number, titled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import RenderableType
    from rich.table import Table

    Row = Mapping[str, Any]

COLUMNS = {
    "changed": "sent",
    "original": "as is",
    "mean": "perturbed",
    "drop": "drop",
    "worst": "worst",
    "flip_rate": "flips",
    "consistency": "same",
}


def robustness(summary: Row) -> Iterator[RenderableType]:
    """Yield the tables of the headline metric's perturbations, and the lines about shortcuts."""
    found = summary.get("robustness") or {"perturbations": (), "families": ()}
    headline = summary["results"][0]["metric"] if summary["results"] else None
    rows = [row for row in found["perturbations"] if row["metric"] == headline]
    for variant in dict.fromkeys(row["variant"] for row in rows):
        mine = [row for row in rows if row["variant"] == variant]
        families = [
            row
            for row in found["families"]
            if row["metric"] == headline and row["variant"] == variant
        ]
        yield _table(f"{headline} of perturbed copies{_named(variant)}", mine, families)
    yield from (Text(line) for line in _shortcuts(summary, headline))


def _named(variant: str) -> str:
    return "" if variant == "default" else f" ({variant})"


def _table(title: str, rows: Sequence[Row], families: Sequence[Row]) -> Table:
    table = titled(title)
    add_names(table, "perturbation", (row["perturbation"] for row in rows), COLUMNS.values())
    for row in rows:
        table.add_row(Text(row["perturbation"]), *(number(row[name]) for name in COLUMNS))
    for row in families:
        if row["worst"] is not None:
            cells = (number(row[name]) if name in row else "" for name in COLUMNS)
            table.add_row(Text(f"worst of {row['family']}", style="italic"), *cells)
    return table


def _shortcuts(summary: Row, headline: str | None) -> Iterator[str]:
    for row in summary.get("shortcuts") or ():
        if row["metric"] != headline:
            continue
        words = []
        if row["majority"] is not None:
            words.append(f"always {row['majority_answer']!r} scores {row['majority']:.3f}")
        if row["chance"] is not None:
            words.append(f"chance is {row['chance']:.3f}")
        if words:
            yield f"{headline} without looking: " + ", ".join(words)
