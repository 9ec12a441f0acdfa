"""Results of benchmarks/peers.py: kept as lines of JSON, printed as tables beside the targets."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

from peers_tools import DOCUMENTED, GRID, OURS, PEERS, Form

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SCREENING = 0
"""The turn of the grid's one repetition; later turns are numbered from 1."""

Record = dict[str, Any]

WHOLE = 0.6  # of the faster peer's best form, at most
DOCUMENTED_PHASE = 2.0  # times lmms-eval as documented, with room for a third
BEST_PHASE = {"third-four": 1.5, "third-own": 1.5, "all-four": 1.0, "all-own": 1.2}


def settings_of() -> list[str]:
    """Return the names of the four settings."""
    return [f"{room}-{questions}" for room, questions in product(("third", "all"), ("four", "own"))]


@dataclass
class Held:
    """The records of one setup."""

    setup: str
    records: list[Record]

    def at(self, setting: str, form: str, turn: int) -> list[Record]:
        """Return an arm's records, void ones too."""
        wanted = (setting, form, turn)
        return [r for r in self.records if (r["setting"], r["form"], r["turn"]) == wanted]

    def valid(self, setting: str, form: str, turn: int) -> Record | None:
        """Return an arm's record whose times count."""
        return next((r for r in self.at(setting, form, turn) if not r["void"]), None)

    def done(self, setting: str, form: str, turn: int, tries: int) -> bool:
        """Say whether an arm has a valid record, or was void so often that it is left."""
        return bool(self.valid(setting, form, turn)) or len(self.at(setting, form, turn)) >= tries

    def best(self, setting: str, forms: Sequence[Form]) -> Form:
        """Return the form whose screening had the shortest request phase."""
        return min(forms, key=lambda form: self.screened(setting, form))

    def screened(self, setting: str, form: Form) -> float:
        """Return a form's request phase in the screening, endless where it is not known."""
        held = self.at(setting, form.name, SCREENING)
        return min((record["phase_s"] for record in held), default=float("inf"))

    def turns(self, setting: str, form: str) -> dict[int, Record]:
        """Return a form's valid records by turn."""
        turns = sorted({record["turn"] for record in self.records} - {SCREENING})
        found = {turn: self.valid(setting, form, turn) for turn in turns}
        return {turn: record for turn, record in found.items() if record}

    def ratio(self, setting: str, form: str, what: str) -> float | None:
        """Return the median of a form's ratios to sgleval in the same turn, if there are any."""
        theirs, ours = self.turns(setting, form), self.turns(setting, OURS.name)
        ratios = [theirs[turn][what] / ours[turn][what] for turn in theirs.keys() & ours.keys()]
        return statistics.median(ratios) if ratios else None


@dataclass
class Records:
    """All lines of a file of results."""

    path: Path
    kept: list[Record] = field(init=False)

    def __post_init__(self) -> None:
        text = self.path.read_text("utf-8") if self.path.exists() else ""
        self.kept = [json.loads(line) for line in text.splitlines()]

    def add(self, record: Record) -> None:
        """Keep a record, in the file at once."""
        self.kept.append(record)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def setups(self) -> list[str]:
        """Return what the file has results of."""
        return list(dict.fromkeys(record["setup"] for record in self.kept))

    def of(self, setup: str) -> Held:
        """Return the records that may be compared."""
        return Held(setup, [record for record in self.kept if record["setup"] == setup])


def print_report(held: Held) -> None:
    """Print tables of all settings that have results, and what became of the targets."""
    print(f"\n{held.setup}")
    for setting in settings_of():
        if any(record["setting"] == setting for record in held.records):
            print_screening(held, setting)
            print_turns(held, setting)
            print_targets(held, setting)


ROW = "{:<24} {:>8} {:>8} {:>8} {:>8} {:>7} {:>9} {:>8} {:>5} {:>9}"
HEAD = ("x phase", "x whole", "phase s", "whole s", "cached", "computed", "requests", "turns")


def print_screening(held: Held, setting: str) -> None:
    """Print the grid's one repetition."""
    forms = [form for peer in PEERS for form in GRID[peer]]
    found = [
        (held.screened(setting, form), form.name)
        for form in dict.fromkeys((OURS, *DOCUMENTED, *forms))
    ]
    said = [f"{name} {seconds:.1f}" for seconds, name in sorted(found) if seconds < float("inf")]
    print(f"\n{setting}\nscreening, s of the request phase: {'; '.join(said) or 'none'}")


def print_turns(held: Held, setting: str) -> None:
    """Print the medians of the forms that took turns."""
    print(ROW.format("medians", *HEAD, "CPU s"))
    names = dict.fromkeys(record["form"] for record in held.records if record["turn"])
    for name in names:
        if turns := list(held.turns(setting, name).values()):
            print(ROW.format(name, *columns(held, setting, name, turns)))


def columns(held: Held, setting: str, name: str, turns: list[Record]) -> list[str]:
    """Return a table's cells of one form; CPU seconds are the server's / the client's."""

    def median(key: str) -> float:
        return statistics.median(record[key] for record in turns)

    ratios = (held.ratio(setting, name, key) for key in ("phase_s", "total_s"))
    computed = statistics.median(r["prompt_tokens"] - r["cached_tokens"] for r in turns)
    return [
        *("-" if ratio is None else f"{ratio:.2f}" for ratio in ratios),
        *(f"{median(key):.1f}" for key in ("phase_s", "total_s")),
        f"{1 - computed / median('prompt_tokens'):.3f}",
        *(f"{number:.0f}" for number in (computed, median("posts"), len(turns))),
        f"{median('server_cpu_s'):.0f}/{median('client_cpu_s'):.0f}",
    ]


def print_targets(held: Held, setting: str) -> None:
    """Print for each target what was reached."""
    best = [held.best(setting, GRID[peer]).name for peer in PEERS]
    phases = [held.ratio(setting, name, "phase_s") for name in best]
    wholes = [held.ratio(setting, name, "total_s") for name in best]
    if None in phases or None in wholes:
        print("targets: not measured yet")
        return
    judge(f"request phase, best of both over sgleval >= {BEST_PHASE[setting]}",
          min(filter(None, phases)), BEST_PHASE[setting])  # fmt: skip
    judge(f"whole process, the faster best form over sgleval >= 1/{WHOLE}",
          min(filter(None, wholes)), 1 / WHOLE)  # fmt: skip
    documented = held.ratio(setting, DOCUMENTED[0].name, "phase_s")
    if setting.startswith("third") and documented:
        judge(f"request phase, {DOCUMENTED[0].name} over sgleval >= {DOCUMENTED_PHASE}",
              documented, DOCUMENTED_PHASE)  # fmt: skip


def judge(target: str, reached: float, least: float) -> None:
    """Print one target."""
    print(f"{'PASS' if reached >= least else 'FAIL'}  {target}: {reached:.2f}")
