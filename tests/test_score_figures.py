"""What stands under the table: alarms, counts, calibration, efficiency; and runs scored again."""

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from small_project import row

from sgleval.cli import main
from sgleval.report.figures import alarms
from sgleval.report.terminal import as_text


def result(**changes):
    whole = {
        "variant": "default", "perturbation": "none", "metric": "anls", "value": 0.5, "low": None,
        "high": None, "n": 100, "failed": 0, "unparsed": 0, "truncated": 0,
    }  # fmt: skip
    return whole | changes


def summary(*results, **keys):
    whole = {
        "task": "t", "model": "m", "n": 100, "results": list(results), "groups": [], "parts": [],
        "cost": None,
    }  # fmt: skip
    return whole | keys


@pytest.mark.parametrize(
    ("row", "lines"),
    [
        ({"unparsed": 5, "truncated": 1}, []),
        (
            {"unparsed": 6},
            ["anls: 6 of 100 unparsed (6.0%); look at the answers before trusting the score"],
        ),
        ({"truncated": 2}, ["anls: 2 of 100 truncated (2.0%); give the answers more tokens"]),
        ({"n": 0}, []),
    ],
)
def test_more_than_five_percent_unparsed_or_one_truncated_is_an_alarm(row, lines):
    assert list(alarms(summary(result(**row)))) == lines


def test_truncated_answers_are_an_alarm_once_a_variant_and_unparsed_ones_once_a_metric():
    rows = [
        result(variant=variant, metric=metric, unparsed=9, truncated=9)
        for variant in ("bare", "terse")
        for metric in ("anls", "wer")
    ]
    assert [line.partition(" of ")[0] for line in alarms(summary(*rows))] == [
        "anls (bare): 9", "anls (bare): 9", "wer (bare): 9",
        "anls (terse): 9", "anls (terse): 9", "wer (terse): 9",
    ]  # fmt: skip


def test_sets_composites_and_guesses_are_said():
    text = as_text(
        summary(
            result(metric="circular", sets=25),
            result(metric="mme", categories=9, of=10),
            result(metric="pope", categories=3, of=None),
            result(metric="alone", categories=1, of=None),
            rules=[{"metric": "vista", "rule": "nearest", "n": 7}],
            columns={"prediction": "out", "answers": "gold", "by": None},
        )
    )
    for line in (
        "circular: 25 sets of samples, right only as a whole",
        "mme: sum over 9 of 10 categories",
        "pope: mean over 3 categories",
        "vista: 7 answers read by the rule `nearest`, which guesses",
        "columns read: out as prediction, gold as answers",
    ):
        assert line in text
    assert "alone:" not in text


def test_the_line_under_the_groups_has_the_interval():
    gap = {"tag": "kind", "metric": "anls", "variant": "default", "perturbation": "none"}
    gap |= {"gap": 0.5, "ratio": 0.25, "small": ["A"], "gap_low": 0.125, "gap_high": 0.75}
    rows = [result(tag="kind", group=name) for name in "AB"]
    text = as_text(summary(result(), groups=rows, gaps=[gap | {"alike_high": 0.375}]))
    line = "gap 0.500 (95 % CI 0.125–0.750), by chance up to 0.375, ratio 0.250"  # noqa: RUF001
    assert f"{line}; under 10 samples: A" in text
    text = as_text(summary(result(), groups=rows, gaps=[gap | {"gap_low": None, "gap_high": None}]))
    assert "gap 0.500, ratio 0.250;" in text


@pytest.mark.parametrize(
    ("constrained", "words"),
    [
        (True, "confidence of constrained decoding, which inflates it"),
        (False, "confidence of free decoding"),
        (None, "decoding that is not known"),
    ],
)
def test_the_calibration_table_says_how_answers_were_decoded(constrained, words):
    figures = {
        "n": 300, "accuracy": 0.5, "confidence": 0.75, "ece_equal_mass": 0.25,
        "ece_equal_width": 0.125, "brier": None, "selective_area": 0.5,
        "selective_area_low": 0.375, "selective_area_high": 0.625,
    }  # fmt: skip
    rows = [{"variant": "default", "perturbation": "none"} | figures]
    found = {"metric": "anls", "constrained": constrained, "rows": rows}
    text = as_text(summary(result(), calibration=found))
    assert words in text
    assert "0.125" in text
    assert "selective area    0.500  0.375–0.625  300" in text  # noqa: RUF001  (a range)
    figures["n"] = 299
    few = as_text(summary(result(), calibration=found | {"rows": [rows[0] | figures]}))
    assert "under 300 samples say little about calibration" in few
    assert "0.125" not in few


def test_efficiency_leaves_out_what_is_not_known_and_perturbed_copies():
    cost = {"prompt_tokens": 1234.5, "completion_tokens": 3.25, "seconds": None}
    none = dict.fromkeys(cost)
    rows = [
        {"variant": "a", "perturbation": "none", "per_sample": cost, "per_right": none},
        {"variant": "b", "perturbation": "none", "per_sample": cost, "per_right": cost},
        {"variant": "b", "perturbation": "typos", "per_sample": cost, "per_right": cost},
        {"variant": "c", "perturbation": "none", "per_sample": none, "per_right": none},
    ]
    text = as_text(summary(result(variant="a"), result(variant="b"), efficiency=rows), width=200)
    lines = [line for line in text.splitlines() if line.startswith("per ")]
    assert lines == [
        "per sample 1,234 prompt tokens, 3.25 completion tokens (a)",
        "per sample 1,234 prompt tokens, 3.25 completion tokens · "
        "per right answer 1,234 prompt tokens, 3.25 completion tokens (b)",
    ]


def call(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def test_a_run_has_efficiency_and_says_that_it_knows_no_confidence(project):
    done = call("run", project.task, "--model", project.model, "--out", "kept", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    [row] = found["efficiency"]
    assert (row["n"], row["right"], row["per_right"]["prompt_tokens"]) == (3, 3, None)
    assert row["per_sample"]["seconds"] > 0
    assert found["calibration"] is None
    assert pl.read_parquet("kept/scores.parquet").columns[-2:] == ["parsed", "rule"]


def test_a_run_is_scored_again_in_sets_by_its_tags(project):
    project.data(*(row(at, set="one" if at < 2 else "two", kind="k") for at in range(3)))
    text = project.folder / "data/data.jsonl"
    text.write_text(text.read_text().replace('["w1"]', '["B"]'))
    assert call("run", project.task, "--model", project.model, "--out", "kept").exit_code == 0
    done = call("score", "kept", "--metric", "multiple_choice_circular", "--group", "set", "--json")
    assert done.exit_code == 0, done.output
    [found] = json.loads(done.stdout)["results"]
    assert (found["sets"], found["unparsed"]) == (2, 3)
    assert json.loads(Path("kept/summary.json").read_text())["results"] == [found]
    done = call("score", "kept", "--metric", "multiple_choice_circular")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "has no 'group'; name the tag or column" in done.stderr


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "name a run's folder or a file of predictions, or give --list"),
        (["nowhere"], "nowhere: neither a run's folder nor a file is there"),
        (["mine.jsonl"], "name a metric with --metric; `sgleval score --list` shows them all"),
        (["mine.jsonl", "--metric", "anl"], "no metric is called 'anl'; did you mean anls?"),
        (
            ["data", "--answers", "a"],
            "--answers is for files; data is a run, whose tables are known",
        ),
        (["data", "--where", "a=b"], "--where is for files; data is a run, whose tables are known"),
        (
            ["mine.jsonl", "--metric", "anls", "--where", "a=b"],
            "mine.jsonl: --where a=b: no column 'a'; its columns are prediction, answers",
        ),
    ],
)
def test_wrong_use_of_score_is_one_line(project, words, line):
    Path("mine.jsonl").write_text('{"prediction": "x", "answers": "x"}\n')
    done = call("score", *words)
    assert (done.exit_code, done.stderr) == (2, f"Error: {line}\n")
