"""What a comparison shows, at the widths of terminals and where the terminal is dumb."""

import io
import re

import pytest
from rich.console import Console
from test_compare import GRID, compared, predictions, samples, tables

from sgleval.compare import compare_runs, compare_variants, factors_of
from sgleval.metrics import METRICS, exact_match
from sgleval.report.changes import show_changes
from sgleval.report.comparison import show_runs, show_variants
from sgleval.score import score

IMAGES = [str(number // 2) for number in range(24)]
ANSWERS = {
    "b+0": "a" * 12 + "x" * 11 + " ",
    "b+1": "x" + "a" * 13 + "x" * 10,
    "t+0": "a" * 20 + "x" * 4,
    "t+1": "a" * 24,
}


def shown(show, found, width=100):
    page = io.StringIO()
    show(found, Console(file=page, width=width, no_color=True))
    return "\n".join(line.rstrip() for line in page.getvalue().splitlines())


def variants(metrics=(exact_match,), texts=ANSWERS, **given):
    return compared(samples(IMAGES), texts, metrics, **given)


def runs():
    return [
        tables("demo", {"bare": "axxx", "brief": "aaxx"}),
        tables("Qwen2-VL-2B [base]", {"bare": "aaax", "brief": "aaaa"}),
        tables("theirs.jsonl", "aaxa", table=samples(list("pqrs")).tail(3)),
    ]


def test_the_tables_look_as_they_should(golden):
    found = variants(factors=factors_of(GRID))
    pages = [shown(show_variants, found, width) for width in (80, 120)]
    pages.append(shown(show_runs, compare_runs(runs()), 80))
    golden("comparison.txt", "\n\n".join(pages))


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_no_line_is_wider_than_the_window_and_numbers_stay_whole(width):
    longer = {f"{label} with a rather long name": said for label, said in ANSWERS.items()}
    page = shown(show_variants, variants(texts=longer), width)
    assert max(map(len, page.splitlines())) <= width
    for number in ("0.168–0.832", "+0.500", "+0.168, +0.832"):  # noqa: RUF001  (a range)
        assert number in page


def test_a_dumb_terminal_gets_80_columns(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.delenv("COLUMNS", raising=False)
    page = io.StringIO()
    console = Console(file=page, force_terminal=True)
    show_variants(variants(), console)
    assert console.width == 80
    assert max(map(len, page.getvalue().splitlines())) <= 80


def test_the_direction_is_shown():
    both = (exact_match, METRICS["cer"], METRICS["yes_no_yes_rate"])
    page = shown(show_variants, variants(both))
    assert "exact_match ↑ · against b+0 · 24 samples on 12 images" in page
    assert "cer ↓ · against" in page
    assert "yes_no_yes_rate no direction · against" in page


def test_what_is_too_small_is_said_in_words():
    page = shown(show_variants, variants(texts={"a": "x" + "a" * 23, "b": "a" * 22 + "xx"}))
    assert re.search(r"b: 24 samples are too few for a difference of 0.042; [\d,]+ may do", page)
    few = compared(samples(list("pq")), {"a": "xa", "b": "aa"})
    assert "b: 2 images are too few to tell anything" in shown(show_variants, few)


def test_mcnemar_is_shown_where_it_applies():
    table = samples([str(number) for number in range(24)])
    words = "p of McNemar's exact test: b+1 1.000, t+0 0.008, t+1 <0.001"
    assert words in shown(show_variants, compared(table, ANSWERS))
    assert "McNemar" not in shown(show_variants, variants())


def test_flips_are_cut_and_said_to_be():
    page = shown(show_variants, variants(texts={"a": "x" * 24, "b": "a" * 24}))
    assert len(re.findall(r" won$", page, re.MULTILINE)) == 20
    assert "… and 4 more with --json" in page


def test_of_many_flips_each_variant_shows_some():
    texts = {"a": "x" * 24} | dict.fromkeys("bcd", "a" * 24)
    page = shown(show_variants, variants(texts=texts))
    flips = page.partition("flips by")[2]
    for label in "bcd":
        assert len(re.findall(rf"^ {label} +s", flips, re.MULTILINE)) == 6
    assert "… and 54 more with --json" in page


def test_brackets_in_names_are_no_markup():
    page = shown(show_runs, compare_runs(runs()))
    assert "[base]" in page


def test_left_out_samples_are_counted_with_the_reason():
    page = shown(show_runs, compare_runs(runs()))
    assert "demo: 1 of 4 left out: 1 not answered everywhere" in page
    table = samples(list("pqrs"))
    answers = [predictions("a", "aaaa"), predictions("b", "aa")]
    whole = answers[0].vstack(answers[1])
    found = compare_variants(table, whole, score(table, whole, [exact_match]), [exact_match])
    assert "left out: 2 samples not answered under every variant" in shown(show_variants, found)


def test_costs_that_nobody_knows_are_no_columns():
    found = variants()
    page = shown(show_variants, found)
    assert "computed" in page
    for row in found["cost"]:
        row.update(dict.fromkeys(row.keys() - {"variant"}))
    assert "cost" not in shown(show_variants, found)


def test_win_rates_are_shown_for_several_columns():
    page = shown(show_runs, compare_runs(runs()), 120)
    assert "mean win rate over tasks" in page
    one = compare_runs([tables("a"), tables("b"), tables("c")])
    assert "win rate" not in shown(show_runs, one)


def test_diffs_look_as_they_should():
    row = {"variant": "bare", "perturbation": "none", "failed": False, "failed_b": False}
    found = {
        "runs": ["runs/a", "runs/b"],
        "manifest": [
            {"fact": "identity", "a": "ab" * 32, "b": "cd" * 32},
            {"fact": "model.flags", "a": [], "b": ["--quantization", "fp8"]},
            {"fact": "git.dirty", "a": None, "b": True},
        ],
        "answers": {
            "same": 1200,
            "changed": 2,
            "only_a": 0,
            "only_b": 3,
            "samples": {"question": 1, "images": 0},
            "metric": "anls",
            "right_to_wrong": 1,
            "wrong_to_right": 0,
            "rows": [
                row
                | {
                    "sample_id": "s[1]",
                    "a": "12.50",
                    "b": "12.5O",
                    "right_a": True,
                    "right_b": False,
                },
                row | {"sample_id": "s2", "a": "x\ny", "b": None, "right_a": None, "right_b": None},
            ],
        },
    }
    page = shown(show_changes, found, 120)
    assert "abababababab…" in page
    assert "--quantization fp8" in page
    assert (
        "1,200 answers the same, 2 changed, 3 in runs/b alone; by anls 1 right → wrong, 0" in page
    )
    assert "samples of one id: 1 with another question" in page
    assert re.search(r"s\[1\] +12\.50 +12\.5O +right → wrong", page)
    assert re.search(r"s2 +x y +\(failed\)", page)
    unknown = found["answers"] | {"metric": None, "rows": [], "samples": {}}
    page = shown(show_changes, found | {"manifest": [], "answers": unknown})
    assert (
        page == "the manifests say the same\n1,200 answers the same, 2 changed, 3 in runs/b alone"
    )
