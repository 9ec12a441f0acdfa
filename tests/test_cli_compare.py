"""`sgleval compare` and `sgleval diff` on stored runs of two models that need no server."""

import json
from pathlib import Path

import polars as pl
import pytest
from small_project import TOLD, row
from test_cli import call, mistake, signals

__all__ = ["signals"]  # a fixture

GRID = 'grid(instruction={"bare": "", "brief": " Be brief."})'


@pytest.fixture
def runs(project):
    """Return a project with runs/echo, 6 of 6 right, and runs/other: 4 of 6, one failed."""
    project.data(*map(row, range(6)))
    assert run(project, project.model, "runs/echo") == 0
    assert run(project, other_model(project), "runs/other") == 3
    return project


def other_model(project):
    """Write a model that is wrong on w1 and fails on w2."""
    own = (project.folder / "model.py").read_text(encoding="utf-8")
    lines = (
        'if "w1 " in question:',
        "    return 'W-1'",
        'if "w2 " in question:',
        "    raise ValueError('too hard')",
    )
    body = "".join(f"        {line}\n" for line in lines)
    text = own.replace("echo@1", "other@1").replace("        return q", f"{body}        return q")
    (project.folder / "other.py").write_text(text, encoding="utf-8")
    return "other.py:Echo"


def run(project, model, out, *words):
    return call("run", project.task, "--model", model, "--out", out, *words).exit_code


def compare(*words):
    done = call("compare", *words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def only(found, **key):
    (one,) = [r for r in found if all(r[name] == value for name, value in key.items())]
    return one


def test_two_runs_are_compared(runs):
    """Three images of two questions each; the differences by image are 0, -1, -1."""
    (task,) = compare("runs/echo", "runs/other")["tasks"]
    assert (task["task"], task["runs"], task["n"]) == ("small", ["model", "other"], 6)
    other = only(task["results"], run="other")
    assert other["difference"] == pytest.approx(-1 / 3)
    assert (other["won"], other["lost"], other["tied"], other["failed"]) == (0, 2, 4, 1)
    assert other["p"] == 0.5
    assert other["too_small"] == "3 images are too few to tell anything"
    answers = [(r["sample_id"], r["baseline_answer"], r["answer"]) for r in task["flips"]]
    assert answers == [("s1", "w1", "W-1"), ("s2", "w2", None)]


def test_the_tables_stand_on_standard_output_or_beside_the_json(runs):
    shown = call("compare", "runs/echo", "runs/other")
    assert shown.exit_code == 0
    for words in ("small · 2 runs · 6 samples", "against model", "-0.333", "too few", "(failed)"):
        assert words in shown.stdout
    assert "against model" in call("compare", "runs/echo", "runs/other", "--json").stderr


def test_nothing_in_the_folders_changes(runs):
    before = {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()}
    compare("runs/echo", "runs/other", "--metric", "anls")
    assert call("diff", "runs/echo", "runs/other").exit_code == 0
    assert before == {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()}


def test_other_metrics_can_be_named(runs):
    (task,) = compare("runs/echo", "runs/other", "--metric", "cer", "--metric", "anls")["tasks"]
    assert [r["metric"] for r in task["results"]] == ["cer", "cer", "anls", "anls"]
    assert only(task["results"], metric="cer", run="other")["lost"] == 2


def test_a_metric_of_the_task_file_is_taken_as_it_was_scored(project):
    code = "def mine(prediction, answers):\n    return Ratio(prediction is not None)\n"
    project.write_task(code=code, metrics="[mine, exact_match]")
    run(project, project.model, "runs/echo")
    run(project, other_model(project), "runs/other")
    project.task.unlink()
    (task,) = compare("runs/echo", "runs/other")["tasks"]
    mine = only(task["results"], metric="mine", run="other")
    assert (mine["value"], mine["better"]) == (pytest.approx(2 / 3), None)
    assert task["flips"][0]["metric"] == "exact_match"  # the first that is known to tell
    call("score", "runs/other", "--metric", "anls")
    assert mistake(call("compare", "runs/echo", "runs/other")).startswith(
        "runs/other: not scored by 'mine', which stands in the task file; run the task again"
    )


def test_a_question_that_was_corrected_is_left_out(runs):
    runs.data(*(row(n, question="Say w0 please") if n == 0 else row(n) for n in range(6)))
    run(runs, "other.py:Echo", "runs/other", "--limit", "5")
    (task,) = compare("runs/echo", "runs/other")["tasks"]
    left = only(task["left_out"], run="model")
    assert task["n"] + left["left_out"] == 6
    assert left["question"] + left["absent"] == left["left_out"] > 0
    assert "model: " in call("compare", "runs/echo", "runs/other").stdout


def test_runs_of_one_model_are_called_by_their_folders(project):
    project.write_task(code=TOLD, program="told", variants=GRID)
    project.write_model(prompt=", prompt")
    both = ("--variant", "bare", "--variant", "brief")
    assert run(project, project.model, "runs/a", *both) == 0
    assert run(project, project.model, "runs/b", *both) == 0
    (task,) = compare("runs/a", "runs/b")["tasks"]
    assert task["runs"] == ["a", "b"]
    assert [(r["variant"], r["run"]) for r in task["results"]] == [
        ("bare", "a"), ("bare", "b"), ("brief", "a"), ("brief", "b"),
    ]  # fmt: skip


def test_several_tasks_are_compared_task_by_task(runs):
    other = runs.folder / "second.py"
    other.write_text(runs.task.read_text().replace('name="small"', 'name="second"'))
    for name in ("model", "other"):
        done = call("run", other, "--model", f"{name}.py:Echo", "--out", f"runs/second-{name}")
        assert done.exit_code in (0, 3)
    words = ("runs/echo", "runs/second-model", "runs/other", "runs/second-other")
    found = compare(*words)
    assert [(task["task"], task["runs"]) for task in found["tasks"]] == [
        ("small", ["model", "other"]),
        ("second", ["model", "other"]),
    ]
    assert found["win_rate"] is None
    line = mistake(call("compare", "predicted.jsonl", *words))
    assert line == "predicted.jsonl: neither a run's folder nor a file is there"
    Path("predicted.jsonl").write_text('{"id": "s0", "prediction": "w0"}\n')
    line = mistake(call("compare", *words, "predicted.jsonl"))
    assert line == "predicted.jsonl: of which task? give runs of one, not of small, second"


# Files of others' predictions


def predicted(name, *rows, **columns):
    lines = [json.dumps({"id": f"s{n}", "prediction": text} | columns) for n, text in rows]
    Path(name).write_text("\n".join(lines) + "\n")
    return name


def test_a_file_takes_the_answers_of_the_run_beside_it(runs):
    file = predicted("theirs.jsonl", *((n, f"w{n}" if n % 2 else "no") for n in range(5)))
    (task,) = compare("runs/echo", file)["tasks"]
    assert (task["runs"], task["n"]) == (["model", "theirs.jsonl"], 5)
    theirs = only(task["results"], run="theirs.jsonl")
    assert (theirs["value"], theirs["difference"]) == (0.4, -0.6)
    assert theirs["images"] == 3
    assert only(task["cost"], run="theirs.jsonl")["seconds"] is None
    assert only(task["left_out"], run="model")["absent"] == 1
    assert compare(file, "runs/echo")["tasks"][0]["baseline"] == "theirs.jsonl"


def test_an_exported_table_of_a_run_is_such_a_file(runs):
    pl.read_parquet("runs/other/predictions.parquet").select("sample_id", "text").write_csv("t.csv")
    (task,) = compare("runs/other", "t.csv", "--where", "sample_id=s1")["tasks"]
    assert only(task["results"], run="t.csv")["difference"] is not None
    assert task["n"] == 1


def test_a_file_with_other_answers_of_its_own_is_left_out_where_they_differ(runs):
    file = predicted("theirs.jsonl", (0, "w0"), (1, "w1"), answers=["w0"])
    (task,) = compare("runs/echo", file)["tasks"]
    assert (task["n"], only(task["left_out"], run="theirs.jsonl")["answers"]) == (1, 1)


def test_two_files_need_answers_and_a_metric(runs):
    own = {"answers": ["w0", "w1"]}
    files = [
        predicted(name, (0, text), (1, "w1"), **own) for name, text in zip("ab", "xw", strict=True)
    ]
    for file in files:
        Path(file).rename(f"{file}.jsonl")
    names = [f"{file}.jsonl" for file in files]
    assert mistake(call("compare", *names)).startswith("name a metric with --metric")
    (task,) = compare(*names, "--metric", "exact_match")["tasks"]
    assert (task["task"], task["n"]) == ("files of predictions", 2)
    bare = predicted("bare.jsonl", (0, "x"))
    assert mistake(call("compare", bare, names[0], "--metric", "anls")).startswith(
        "bare.jsonl: name the column with --answers; its columns are id, prediction"
    )


# Mistakes


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["runs/echo"], "a comparison takes two runs or more; name another"),
        (["runs/echo", "gone"], "gone: neither a run's folder nor a file is there"),
        (["runs/echo", "data"], "data: no finished run here; give the folder that `sgleval run`"),
        (["runs/echo", "runs/echo"], "runs/echo is given twice; name two different runs"),
        (["runs/echo", "runs/other", "--metric", "anl"], "--metric anl: no such metric; did you"),
        (["runs/echo", "model.py"], "model.py is no file of predictions; give a .jsonl, .json,"),
        (["runs/echo", "none.jsonl"], "none.jsonl: none of its ids (id, such as 'x0') is a sample"),
        (
            ["runs/echo", "runs/other", "--", "--tp-size", "2"],
            "compare takes no server flags after",
        ),
    ],
)
def test_what_cannot_be_compared_is_one_line(runs, words, line):
    Path("none.jsonl").write_text('{"id": "x0", "prediction": "w0"}\n')
    assert mistake(call("compare", *words)).startswith(line)


def test_runs_on_other_data_are_one_line(project):
    run(project, project.model, "runs/a")
    project.data(row(7), row(8))
    run(project, project.model, "runs/b")
    assert mistake(call("compare", "runs/a", "runs/b")) == (
        "a and b: no samples in common; compare runs on the same data"
    )


# diff


def test_diff_shows_facts_and_answers_that_differ(runs):
    found = json.loads(call("diff", "runs/echo", "runs/other", "--json").stdout)
    facts = {r["fact"] for r in found["manifest"]}
    assert {"identity", "parts.model", "model.name"} <= facts
    assert not facts & {"start", "end", "counts.failed", "parts.program", "dataset.sha256"}
    answers = found["answers"]
    assert (answers["same"], answers["changed"]) == (4, 2)
    assert (answers["right_to_wrong"], answers["wrong_to_right"]) == (2, 0)
    assert answers["rows"][1] == {
        "variant": "default",
        "perturbation": "none",
        "sample_id": "s2",
        "right_a": True,
        "right_b": False,
        "failed": False,
        "failed_b": True,
        "a": "w2",
        "b": "ValueError: too hard",
    }
    shown = call("diff", "runs/echo", "runs/other").stdout
    assert "4 answers the same, 2 changed" in shown
    assert "right → wrong" in shown


def test_diff_of_equal_runs_says_so(runs):
    run(runs, runs.model, "runs/again")
    shown = call("diff", "runs/echo", "runs/again").stdout
    assert shown == (
        "the manifests say the same\n"
        "6 answers the same, 0 changed; by exact_match 0 right → wrong, 0 wrong → right\n"
    )


def test_diff_counts_samples_that_changed_and_answers_in_one_run_alone(runs):
    runs.data(row(0, question="Say w0 please"), *map(row, range(1, 7)), row(8))
    run(runs, runs.model, "runs/later")
    found = json.loads(call("diff", "runs/echo", "runs/later", "--json").stdout)
    answers = found["answers"]
    assert (answers["same"], answers["only_a"], answers["only_b"]) == (6, 0, 2)
    assert answers["samples"] == {"question": 1, "images": 0, "choices": 0, "answers": 0}
    assert "dataset.sha256" in {r["fact"] for r in found["manifest"]}
    assert "1 with another question" in call("diff", "runs/echo", "runs/later").stdout


def test_diff_of_runs_without_a_common_variant_shows_what_they_are(project):
    project.write_task(code=TOLD, program="told", variants=GRID)
    project.write_model(prompt=", prompt")
    run(project, project.model, "runs/a", "--variant", "bare", "--variant", "brief")
    more = 'grid(instruction={"x": ".", "y": "!"})'
    project.write_task(code=TOLD, program="told", variants=more)
    run(project, project.model, "runs/b", "--variant", "x", "--variant", "y")
    found = json.loads(call("diff", "runs/a", "runs/b", "--json").stdout)
    assert (found["answers"]["only_a"], found["answers"]["only_b"]) == (6, 6)
    assert "variants.x.instruction" in {r["fact"] for r in found["manifest"]}


def test_diff_takes_two_runs(runs):
    assert "takes 2 values" in mistake(call("diff", "runs/echo"))
    assert mistake(call("diff", "runs/echo", "data")).startswith("data: no finished run here")


@pytest.mark.parametrize("command", ["compare", "diff"])
def test_help_says_what_is_compared(command):
    done = call(command, "--help")
    assert done.exit_code == 0
    assert done.stdout.startswith("Usage: ")
