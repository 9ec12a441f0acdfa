"""What `sgleval diff` shows: facts that differ, how many answers changed, and these."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rich.text import Text

from sgleval.report.cells import REASONS, brief, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console, RenderableType

MOST_CHANGES = 20
"""Rows of the table of changed answers; `--json` has them all."""

DIGEST = re.compile(r"(?:[\w.]+-)?[0-9a-f]{32,}")
DIGITS = 12


def show_changes(found: Mapping[str, Any], console: Console) -> None:
    """Print what `compare.changes.differences` found."""
    for part in _parts(found):
        console.print(part)


def _parts(found: Mapping[str, Any]) -> Iterator[RenderableType]:
    a, b = found["runs"]
    if not found["manifest"]:
        yield Text("the manifests say the same")
    else:
        yield Text("what differs between the manifests", style="bold")
        facts = table(("", a, b), ())
        for row in found["manifest"]:
            facts.add_row(Text(row["fact"]), _value(row["a"]), _value(row["b"]))
        yield facts
    answers = found["answers"]
    yield Text(_counts(answers, a, b))
    others = [f"{n:,} {REASONS[reason]}" for reason, n in answers["samples"].items() if n]
    if others:
        yield Text(f"samples of one id: {', '.join(others)}", style="yellow")
    rows = answers["rows"]
    if not rows:
        return
    several = len({(row["variant"], row["perturbation"]) for row in rows}) > 1
    yield Text("changed answers", style="bold")
    made = table((*(["variant"] if several else []), "sample", a, b, ""), ())
    for row in rows[:MOST_CHANGES]:
        made.add_row(
            *([Text(_way(row))] if several else []),
            *map(brief, (row["sample_id"], row["a"], row["b"])),
            _verdict(row),
        )
    yield made
    if len(rows) > MOST_CHANGES:
        yield Text(f"… and {len(rows) - MOST_CHANGES} more with --json")


def _counts(answers: Mapping[str, Any], a: str, b: str) -> str:
    words = [f"{answers['same']:,} answers the same", f"{answers['changed']:,} changed"]
    for key, name in (("only_a", a), ("only_b", b)):
        if answers[key]:
            words.append(f"{answers[key]:,} in {name} alone")
    line = ", ".join(words)
    if answers["metric"] is None:
        return line
    wrong, right = answers["right_to_wrong"], answers["wrong_to_right"]
    return f"{line}; by {answers['metric']} {wrong:,} right → wrong, {right:,} wrong → right"


def _value(value: Any) -> Text:
    if value is None:
        return Text("-")
    words = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return Text(DIGEST.sub(lambda found: f"{found[0][:DIGITS]}…", words))


def _way(row: Mapping[str, Any]) -> str:
    variant, perturbation = row["variant"], row["perturbation"]
    return variant if perturbation == "none" else f"{variant}, {perturbation}"


def _verdict(row: Mapping[str, Any]) -> str:
    sides = row["right_a"], row["right_b"]
    if None in sides or sides[0] == sides[1]:
        return ""
    return "wrong → right" if sides[1] else "right → wrong"
