"""What stands under the table of scores: alarms, what was counted, calibration, efficiency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from sgleval.report.cells import add_names, between, decimal, titled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import RenderableType
    from rich.table import Table

    Row = Mapping[str, Any]

MOST_UNPARSED, MOST_TRUNCATED = 0.05, 0.01
"""Above these shares a score says more of the prompt or the limit than of the model."""

FEWEST_FOR_CALIBRATION = 300

CALIBRATION = {
    "accuracy": "accuracy",
    "confidence": "confidence",
    "ece_equal_mass": "ECE, equal mass",
    "ece_equal_width": "ECE, equal width",
    "brier": "Brier",
    "selective_area": "selective area",
}

UNITS = {"prompt_tokens": "prompt tokens", "completion_tokens": "completion tokens", "seconds": "s"}


def figures(summary: Row) -> list[RenderableType]:
    """Return the lines and tables for whatever of this a summary has."""
    several = len({_run(row) for row in summary["results"]}) > 1
    parts: list[RenderableType] = [Text(line) for line in _counted(summary, several=several)]
    if calibration := summary.get("calibration"):
        if all(row["n"] >= FEWEST_FOR_CALIBRATION for row in calibration["rows"]):
            parts += _calibration(calibration, several=several)
        else:
            line = f"under {FEWEST_FOR_CALIBRATION} samples say little about calibration"
            parts.append(Text(f"{line}: its figures are in summary.json alone"))
    parts += [Text(line) for line in _efficiency(summary, several=several)]
    return parts + [Text(line, style="bold red") for line in alarms(summary)]


def alarms(summary: Row) -> Iterator[str]:
    """Yield a line for each score of which too much is unparsed or truncated."""
    several = len({_run(row) for row in summary["results"]}) > 1
    seen = set()
    for row in summary["results"]:
        name = row["metric"] + _of(row, several=several)
        for kind, most, advice in (
            ("unparsed", MOST_UNPARSED, "look at the answers before trusting the score"),
            ("truncated", MOST_TRUNCATED, "give the answers more tokens"),
        ):
            if kind == "truncated" and _run(row) in seen:
                continue  # the same for each metric
            if row["n"] and row[kind] / row["n"] > most:
                share = f"{row[kind]} of {row['n']} {kind} ({row[kind] / row['n']:.1%})"
                yield f"{name}: {share}; {advice}"
        seen.add(_run(row))


def _counted(summary: Row, *, several: bool) -> Iterator[str]:
    columns = summary.get("columns", {}).items()
    if named := {role: name for role, name in columns if name and name != role}:
        yield "columns read: " + ", ".join(f"{name} as {role}" for role, name in named.items())
    for row in summary["results"]:
        name = row["metric"] + _of(row, several=several)
        if row.get("sets"):
            yield f"{name}: {row['sets']} sets of samples, right only as a whole"
        if row.get("categories") and row.get("of"):
            yield f"{name}: sum over {row['categories']} of {row['of']} categories"
        elif row.get("categories", 0) > 1:
            yield f"{name}: mean over {row['categories']} categories"
    for row in summary.get("rules", ()):
        if row["rule"] == "nearest":
            yield f"{row['metric']}: {row['n']} answers read by the rule `nearest`, which guesses"
    yield from _labels(summary, several=several)


def _labels(summary: Row, *, several: bool) -> Iterator[str]:
    """Yield what the first metric with a closed set of answers read how often."""
    rows = summary.get("labels", ())
    for run in dict.fromkeys(_run(row) for row in rows):
        mine = [row for row in rows if _run(row) == run and row["metric"] == rows[0]["metric"]]
        counts = ", ".join(f"{row['label']} {row['n']}" for row in mine)
        yield f"answers read{_of(mine[0], several=several)}: {counts}"


def _calibration(found: Row, *, several: bool) -> tuple[Table, Text]:
    decoding = {True: "constrained decoding, which inflates it", False: "free decoding"}
    source = decoding.get(found["constrained"], "decoding that is not known")
    table = titled(f"calibration by {found['metric']}", *(["variant"] if several else []))
    add_names(table, "", CALIBRATION.values(), ("value", "95 % CI", "n"))
    for row in found["rows"]:
        label = [Text(_of(row, several=True).strip(" ()"))] if several else []
        for key, name in CALIBRATION.items():
            table.add_row(*label, name, decimal(row[key]), between(row, f"{key}_"), str(row["n"]))
    return table, Text(f"confidence of {source}")


def _efficiency(summary: Row, *, several: bool) -> Iterator[str]:
    for row in summary.get("efficiency") or ():
        words = []
        for key, of in (("per_sample", "sample"), ("per_right", "right answer")):
            known = {kind: value for kind, value in row[key].items() if value is not None}
            said = ", ".join(f"{_amount(value)} {UNITS[kind]}" for kind, value in known.items())
            if said:
                words.append(f"per {of} {said}")
        if words:
            yield " · ".join(words) + _of(row, several=several)


def _run(row: Row) -> tuple[str, str]:
    return row["variant"], row["perturbation"]


def _of(row: Row, *, several: bool) -> str:
    """Return the variant and the perturbation in brackets where there are several."""
    if not several:
        return ""
    variant, perturbation = _run(row)
    return f" ({variant})" if perturbation == "none" else f" ({variant}, {perturbation})"


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004  (three digits)
