"""What a run shows in the terminal: a progress bar while it goes, a table when it is done."""

import io
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from sgleval.metrics.metric import Ratio
from sgleval.report.cells import add_names, between, decimal, titled
from sgleval.report.figures import figures
from sgleval.report.robustness import robustness

Summary = Mapping[str, Any]
Row = Mapping[str, Any]
LINE_SECONDS = 20.0  # between two lines of one kind where there is no terminal
_NUMBERS = re.compile(r"[0-9.]+")
MOST_GROUPS = 20  # rows of one tag's table; summary.json has them all


def show(summary: Summary, console: Console) -> None:
    """Print a run's tables: scores, groups, fields of structured answers, and what is below."""
    for part in _parts(summary):
        console.print(part)


def as_text(summary: Summary, width: int = 100) -> str:
    """Return the tables as plain text."""
    page = io.StringIO()
    show(summary, Console(file=page, width=width, no_color=True))
    return page.getvalue().rstrip()


def _originals(summary: Summary) -> Summary:
    """Return the summary without perturbed copies, which have a table of their own."""

    def kept(rows: Sequence[Row] | None) -> list[Row]:
        return [row for row in rows or () if row.get("perturbation", "none") == "none"]

    found = dict(summary)
    for name in ("results", "groups", "gaps", "parts", "rules", "labels", "efficiency"):
        if name in found:
            found[name] = kept(found[name])
    if calibration := found.get("calibration"):
        found["calibration"] = calibration | {"rows": kept(calibration["rows"])}
    return found


def _parts(whole: Summary) -> list[RenderableType]:
    summary = _originals(whole)
    results = summary["results"]
    several = len({row["variant"] for row in results}) > 1
    head = f"{summary['task']} · {summary['model']} · {summary['n']} samples"
    parts: list[RenderableType] = [_table(head, results, "metric", several=several)]
    headline = results[0]["metric"] if results else None
    for tag in dict.fromkeys(row["tag"] for row in summary["groups"]):
        rows = [r for r in summary["groups"] if r["tag"] == tag and r["metric"] == headline]
        shown = [row | {"name": row["group"]} for row in rows[:MOST_GROUPS]]
        parts.append(_table(f"{headline} by {tag}", shown, "name", several=several))
        if len(rows) > MOST_GROUPS:
            parts.append(f"… and {len(rows) - MOST_GROUPS} more in summary.json")
        gaps = [g for g in summary.get("gaps", ()) if (g["tag"], g["metric"]) == (tag, headline)]
        parts += [Text(_gap(row, several=several)) for row in gaps if row["gap"] is not None]
    if fields := summary.get("parts"):
        parts.append(_table(f"{fields[0]['metric']} by field", fields, "part", several=several))
    parts += robustness(summary)
    parts += figures(summary)
    if summary["cost"] is not None:  # of others' predictions nobody knows it
        parts.append(_cost(summary))
        parts += [Text(line) for line in _speed(summary.get("speed"))]
    if until := summary.get("until"):
        parts += [Text(line) for line in _until(until)]
    if check := summary.get("cache_check"):
        named = ", ".join(check["samples"][:MOST_GROUPS])
        changed = f"{check['changed']} changed: {named}" if check["changed"] else "none changed"
        parts.append(Text(f"{check['n']} answers repeated with a cold cache: {changed}"))
    if summary.get("note"):
        parts.append(Text(summary["note"], style="yellow"))
    return parts


def _table(title: str, rows: Sequence[Row], name: str, *, several: bool) -> Table:
    """Return one table; columns that no row fills are left out."""
    counts = [c for c in ("failed", "unparsed", "truncated") if any(c in row for row in rows)]
    table = titled(title, *(["variant"] if several else []))
    heading, numbers = "" if name == "name" else name, ("value", "95 % CI", "n", *counts)
    add_names(table, heading, (row[name] for row in rows), numbers)
    for row in rows:
        table.add_row(
            *([Text(row["variant"])] if several else []),
            Text(str(row[name])),
            decimal(row["value"]),
            between(row),
            str(row["n"]),
            *(str(row.get(count, "")) for count in counts),
        )
    return table


def _cost(summary: Summary) -> str:
    cost, reuse = summary["cost"], summary["reuse"]
    words = [f"{cost['sent']} requests sent, {cost['requests']} behind the table"]
    if cost["prompt_tokens"] is not None:
        of_images = "" if cost["image_tokens"] is None else f" ({cost['image_tokens']:,} of images)"
        words.append(f"{cost['prompt_tokens']:,} prompt tokens{of_images}")
    if reuse is not None:
        most = "" if reuse["ceiling"] is None else f" of at most {reuse['ceiling']:.3f}"
        words.append(f"prefix reuse {reuse['measured']:.3f}{most}")
    return " · ".join([*words, f"{cost['seconds']:.1f} s"])


def _gap(row: Row, *, several: bool) -> str:
    """Return how far apart a tag's groups are, and which of them are small."""
    ratio = "" if row["ratio"] is None else f", ratio {row['ratio']:.3f}"
    small = f"; under 10 samples: {', '.join(row['small'])}" if row["small"] else ""
    name = f" ({row['variant']})" if several else ""
    ends = between(row, "gap_")
    around = f" (95 % CI {ends})" if ends else ""
    alike = f", by chance up to {row['alike_high']:.3f}" if ends else ""
    return f"gap {row['gap']:.3f}{around}{alike}{ratio}{name}{small}"


def _until(found: Row) -> Iterator[str]:
    """Yield how much was asked until it was known, and what is known."""
    asked = f"{found['samples']:,} of {found['of']:,} questions"
    if found["known"]:
        saved = found["of"] - found["samples"]
        yield f"known to {found['width']:g} after {asked}: {saved:,} saved"
    else:
        yield f"not known to {found['width']:g} after {asked}"
    of = "difference to the first" if found["of_difference"] else "value"
    for row in found["intervals"]:
        between = f"{row['low']:.3f} to {row['high']:.3f}"
        yield f"{row['variant']}: {of} of all questions {between}, true at every look (95 %)"


def _speed(speed: Row | None) -> Iterator[str]:
    """Yield how quickly the answers came, if any were asked for."""
    if speed is None:
        return
    rates = {kind: speed[f"{kind}_tokens_per_second"] for kind in ("computed", "completion")}
    words = [f"{speed['requests_per_second']:.1f} requests/s"]
    words += [f"{r:,.0f} {kind} tokens/s" for kind, r in rates.items() if r is not None]
    words.append(
        f"first result after {speed['first_result_seconds']:.1f} s,"
        f" {speed['first_answer_seconds']:.2f} s of them asking"
    )
    if speed["server_idle_share"] is not None:
        words.append(f"server idle {speed['server_idle_share']:.1%}")
    yield " · ".join(words)


class Bar:
    """A progress bar: live score, requests/s, prefix reuse, failures, time left."""

    def __init__(self, task: str, metric: str, console: Console) -> None:
        self.metric = metric
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}", markup=False),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
        )
        self.bar = self.progress.add_task(task, total=None, state="reading the data")
        self.silent = not console.is_interactive
        self.said, self.said_at = "", 0.0
        self.numerator = self.denominator = 0.0
        self.prompt = self.cached = self.requests = self.failed = 0
        self.began = 0.0

    def __enter__(self) -> Self:
        if not self.silent:
            self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self.silent:  # else it prints an empty line
            self.progress.stop()

    def tell(self, text: str) -> None:
        """Show what is going on; without a terminal, a line of it now and then."""
        self._show(text)

    def begin(self, total: int, kept: int) -> None:
        """Show how many answers are needed and how many were kept from before."""
        state = "all kept from before" if kept == total else "connecting"
        self.progress.update(self.bar, total=total, completed=kept)
        self._show(state)

    def answered(self, row: Row, ratio: Ratio) -> None:
        """Count one finished prediction."""
        self.began = self.began or time.monotonic() - (row["seconds"] or 0.0)
        self.numerator += ratio.numerator
        self.denominator += ratio.denominator
        self.requests += row["requests"] or 0
        self.prompt += row.get("prompt_tokens") or 0
        self.cached += row.get("cached_tokens") or 0
        self.failed += row["error"] is not None
        self.progress.update(self.bar, advance=1)
        self._show(self._state())

    def _show(self, state: str) -> None:
        """Update the bar; without a terminal print a line if it is of a new kind, or is due."""
        self.progress.update(self.bar, state=state)
        if not self.silent:
            return
        now, kind = time.monotonic(), _NUMBERS.sub("", state)
        if kind == self.said and now < self.said_at + LINE_SECONDS:
            return
        self.said, self.said_at = kind, now
        bar = self.progress.tasks[0]
        done = "" if bar.total is None else f" {bar.completed:.0f}/{bar.total:.0f}"
        line = Text(f"{bar.description}{done} {state}")
        self.progress.console.print(line, soft_wrap=True)

    def _state(self) -> str:
        score = self.numerator / self.denominator if self.denominator else 0.0
        rate = self.requests / max(time.monotonic() - self.began, 1e-3)
        words = [f"{self.metric} {score:.3f}", f"{rate:.1f} requests/s"]
        if self.prompt:
            words.append(f"reuse {self.cached / self.prompt:.2f}")
        return " · ".join([*words, f"{self.failed} failed"])
