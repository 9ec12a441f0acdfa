import io
import re

import pytest
from rich.console import Console

from sgleval.metrics import Ratio
from sgleval.report import terminal
from sgleval.report.terminal import Bar, as_text


def result(metric="anls", value=0.7125, **fields):
    counts = {"n": 80, "failed": 1, "unparsed": 2, "truncated": 0}
    return {
        "variant": "bare",
        "perturbation": "none",
        "metric": metric,
        "value": value,
        "low": 0.6401,
        "high": 0.7849,
        **counts,
        **fields,
    }


def group(name, **fields):
    row = result(tag="field", group=name, **fields)
    return {key: row[key] for key in row if key not in ("unparsed", "truncated")}


def summary(**fields):
    whole = {
        "task": "sroie",
        "model": "demo",
        "note": None,
        "complete": True,
        "n": 80,
        "failed": 1,
        "results": [result(), result("exact_match", 0.5)],
        "groups": [group("total"), group("company", value=None, low=None, high=None)],
        "parts": [],
        "cost": {
            "requests": 80,
            "sent": 12,
            "prompt_tokens": 123456,
            "cached_tokens": 90000,
            "image_tokens": 64000,
            "completion_tokens": 900,
            "seconds": 3.21,
        },
        "reuse": {"measured": 0.74, "ceiling": None},
        "cache_check": None,
    }
    return whole | fields


def test_the_tables_look_as_they_should(golden):
    variants = [result(), result(variant="terse", value=0.8, low=None, high=None)]
    parts = [
        {"metric": "json_fields_f1", "part": part, "value": value, "low": 0.1, "high": 0.9}
        | {"variant": "bare", "perturbation": "none", "n": 20}
        for part, value in (("company", 0.25), ("дата", 1.0))
    ]
    pages = [
        summary(),
        summary(results=variants, groups=[], note="random weights: it guesses"),
        summary(task="json", groups=[], parts=parts, reuse=None),
    ]
    text = "\n\n".join(as_text(page) for page in pages)
    golden("terminal.txt", "\n".join(line.rstrip() for line in text.splitlines()))


def test_what_is_not_known_is_not_shown_as_zero():
    cost = dict.fromkeys(summary()["cost"]) | {"requests": 5, "sent": 5, "seconds": 1.0}
    text = as_text(summary(cost=cost, reuse=None))
    assert text.endswith("5 requests sent, 5 behind the table · 1.0 s")
    assert "of images" not in as_text(summary(cost=cost | {"prompt_tokens": 9}))


def test_many_groups_are_cut_and_said_to_be():
    groups = [group(f"g{number}") for number in range(25)]
    text = as_text(summary(groups=groups))
    assert "g19" in text
    assert "g20" not in text
    assert "… and 5 more in summary.json" in text


def test_brackets_are_shown_and_not_taken_for_markup():
    page = summary(task="[a]", note="see [b]", groups=[group("[unk]")])
    text = as_text(page)
    assert all(word in text for word in ("[a]", "see [b]", "[unk]"))


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that stands still until it is moved."""
    now = {"s": 1000.0}
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now["s"])
    return now


def answered(bar, number=1, error=None, **tokens):
    for _ in range(number):
        row = {"seconds": 0.5, "requests": 1, "error": error, **tokens}
        bar.answered(row, Ratio(1.0 if error is None else 0.0))


def test_without_a_terminal_a_line_comes_when_the_kind_changes_or_is_due(clock):
    page = io.StringIO()
    with Bar("sroie", "anls", Console(file=page, width=60)) as bar:
        for second in range(45):
            clock["s"] += 1
            bar.tell(f"starting the server, {second} s")
        bar.tell("using the server at http://127.0.0.1:[3]")
        bar.begin(100, 20)
        answered(bar, 3)
        clock["s"] += 30
        answered(bar, 2)
    assert page.getvalue().splitlines() == [
        "sroie starting the server, 0 s",
        "sroie starting the server, 20 s",
        "sroie starting the server, 40 s",
        "sroie using the server at http://127.0.0.1:[3]",
        "sroie 20/100 connecting",
        "sroie 21/100 anls 1.000 · 2.0 requests/s · 0 failed",
        "sroie 24/100 anls 1.000 · 0.1 requests/s · 0 failed",
    ]


def test_with_a_terminal_there_is_a_bar_and_no_lines(clock, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")  # a dumb terminal gets the lines
    page = io.StringIO()
    console = Console(file=page, width=100, force_terminal=True, legacy_windows=False)
    with Bar("sroie", "anls", console) as bar:
        bar.begin(10, 0)
        answered(bar, 4, prompt_tokens=100, cached_tokens=50)
        answered(bar, error="HTTP 500")
        bar.progress.refresh()
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", page.getvalue())
    assert "5/10" in shown
    assert "anls 0.800 · 10.0 requests/s · reuse 0.50 · 1 failed" in shown


def test_everything_kept_from_before_is_said():
    page = io.StringIO()
    with Bar("sroie", "anls", Console(file=page)) as bar:
        bar.begin(7, 7)
    assert page.getvalue() == "sroie 7/7 all kept from before\n"
