import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import picture
from small_project import row

from sgleval.cli import main


@pytest.fixture(autouse=True)
def signals():
    """Put the signals back that the command takes."""
    kept = {kind: signal.getsignal(kind) for kind in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for kind, handler in kept.items():
        signal.signal(kind, handler)


def call(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def run(project, *words):
    return call("run", project.task, "--model", project.model, *words)


def mistake(done):
    """Return the one line that a mistake is answered with."""
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("small ")]
    assert len(lines) == 1, done.stderr
    return lines[0].removeprefix("Error: ")


# Help and wrong use


def test_help_loads_nothing_slow():
    code = (
        "import sys\nfrom sgleval.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "slow = {'torch', 'sglang', 'datasets', 'polars', 'PIL', 'rich', 'scipy', 'numpy'}\n"
        "sys.stderr.write(' '.join(slow & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert all(name in done.stdout for name in ("run", "score", "serve", "data", "new"))


@pytest.mark.parametrize("command", [["run"], ["score"], ["serve"], ["data", "check"], ["new"]])
def test_every_command_has_help(command):
    done = call(*command, "--help")
    assert done.exit_code == 0
    assert done.stdout.startswith("Usage: ")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["rum"], "No such command 'rum'. Did you mean 'run'? (main --help)"),
        (["run", "x.py", "--metrc", "anls"], "No such option '--metrc'. Did you mean '--metric'?"),
        (["run"], "Missing argument 'TASK...'. (main run --help)"),
        (["run", "x.py", "--concurrency", "0"], "Invalid value for '--concurrency': 0 is not in"),
        (["run", "x.py", "--seed", "x"], "Invalid value for '--seed': 'x' is not a valid integer."),
        (["score", "x", "--", "--tp-size", "2"], "score takes no server flags after -- (main"),
        (["serve", "--port", "70000"], "Invalid value for '--port': 70000 is not in the range"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(words, line):
    said = mistake(call(*words)).replace("No such option:", "No such option")
    assert said.replace("'", "").startswith(line.replace("'", "")[:40])


# Bad input, before anything is sent


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["--limit", "0"],
            "--limit 0: give a number of samples from 1 on, or of images such as 20i",
        ),
        (["--limit", "ten"], "--limit ten: give a number of samples from 1 on"),
        (["--metric", "anl"], "--metric anl: no such metric; did you mean anls?"),
        (["--variant", "defalt"], "--variant defalt: no such variant; did you mean default?"),
        (["--data", "gone"], "gone is missing; give a .jsonl, .csv or .parquet file or a folder"),
        (["--data", "task.py"], "task.py is no data file; give a .jsonl, .csv or .parquet file"),
        (["--out", "task.py"], "task.py: File exists; give another --out"),
        (["--", "--tp-size", "2"], "sgleval starts no server for it; leave out --tp-size"),
    ],
)
def test_a_wrong_option_is_one_line(project, words, line):
    assert line in mistake(run(project, *words))
    assert project.calls() == []


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        (row(1, image="gone.png"), "{data}:2: image {folder}/gone.png is missing; put it there or"),
        (row(1, image="."), "{data}:2: image {folder} is a folder; name a file"),
        (row(1, image="data.jsonl"), "{data}:2: image {folder}/data.jsonl cannot be read as an"),
        (row(1, image="../task.py"), "{data}:2: image '../task.py' lies outside {folder}; put it"),
        (row(0), "{data}:2: the id 's0' is there a second time; give each row its own"),
        (row(1, question="  "), "{data}:2: the question is empty; write one or drop the row"),
        (row(1, answers=[]), "{data}:2: no accepted answers; give at least one under answers"),
        (row(1, answers=None), "{data}:2: no accepted answers; give at least one under answers"),
        ('{"id": "s1", ', "{data}:2:14: Expecting property name enclosed in double quotes"),
        ("[1]", "{data}:2:1: found a list; write one JSON object per line"),
    ],
)
def test_a_bad_row_is_one_line_with_file_and_row(project, bad, line):
    project.data(row(0), bad)
    folder = project.folder / "data"
    said = mistake(run(project))
    assert said.startswith(line.format(data=folder / "data.jsonl", folder=folder))
    assert project.calls() == []


def test_a_bad_task_file_is_one_line(project):
    for text, line in [
        ("x = 1\n", "no variable `task` of sgleval.Task"),
        ("import gone\n", "task.py:1: ModuleNotFoundError: No module named 'gone'; mend the file"),
    ]:
        project.task.write_text(text)
        assert line in mistake(run(project))
    assert mistake(call("run", "gone.py", "--model", project.model)).startswith(
        "gone.py: no such file"
    )
    assert mistake(call("run", "data", "--model", project.model)).startswith("data: a folder")


def test_a_parameter_that_nothing_fills_is_one_line(project):
    code = '@sgl.function\ndef other(s, image, question, kind):\n    s += ANSWER.gen("answer")\n'
    project.write_task(code=code, program="other")
    assert mistake(run(project)).startswith("program other: nothing fills the parameter 'kind'")


def test_what_is_wrong_with_the_second_task_is_found_before_the_first_is_asked(project):
    other = project.folder / "other.py"
    other.write_text(project.task.read_text().replace('files("data")', 'files("gone")'))
    done = call("run", project.task, other, "--model", project.model)
    assert f"{project.folder / 'gone'} is missing; give it with --data PATH" in mistake(done)
    assert project.calls() == []


@pytest.mark.parametrize(
    ("model", "line"),
    [
        ("gone.py:Echo", "gone.py is no file; give FILE.py:FACTORY"),
        ("model.py:Ecko", "no function or class 'Ecko' there; name one"),
        ("model.py:Path", "has no predict(images, question, choices)"),
        ("gone", "no such folder; give demo, a model's folder or hub id"),
        ("data", "no config.json in this folder; give a model's folder"),
    ],
)
def test_a_model_that_is_none_is_one_line(project, model, line):
    assert line in mistake(call("run", project.task, "--model", model))


def test_a_url_where_no_server_answers_is_one_line(project):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # nobody listens on it
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        line = mistake(call("run", project.task, "--model", url))
    assert line.startswith(f"--model {url}: no SGLang server answers there")


def test_serve_refuses_a_port_in_use_and_a_model_that_is_not_its_own(project):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert str(port) in mistake(call("serve", "--port", port))
    assert "nothing to serve" in mistake(call("serve", "--model", project.model))


def test_our_own_bug_shows_its_traceback(project, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("sgleval.evaluation.make_plan", broken)
    done = run(project)
    assert (done.exit_code, type(done.exception)) == (1, ZeroDivisionError)


def test_nohup_is_left_alone(project, monkeypatch):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert run(project).exit_code == 0
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


# Runs


def test_a_run_prints_its_table_and_where_it_is_kept(project):
    done = run(project)
    assert done.exit_code == 0
    assert "exact_match" in done.stdout
    folder = done.stdout.splitlines()[-1].removeprefix("kept in ")
    assert (project.folder / folder / "summary.json").is_file()


def test_json_is_all_that_stands_on_standard_output(project):
    done = run(project, "--json")
    summary = json.loads(done.stdout)
    assert (summary["task"], summary["n"]) == ("small", 3)
    assert summary["cost"]["sent"] == 3
    assert "exact_match" in done.stderr


def test_several_tasks_have_a_folder_each_and_a_list_of_summaries(project):
    other = project.folder / "other.py"
    other.write_text(project.task.read_text().replace('name="small"', 'name="other"'))
    done = call("run", project.task, other, "--model", project.model, "--out", "both", "--json")
    assert [summary["task"] for summary in json.loads(done.stdout)] == ["small", "other"]
    assert sorted(path.name for path in Path("both").iterdir()) == ["other", "small"]


def test_two_tasks_of_one_name_do_not_share_a_folder(project):
    done = call("run", project.task, project.task, "--model", project.model, "--out", "both")
    assert mistake(done) == "--out both: two tasks have one name; run them one by one"


def test_brackets_in_names_are_no_markup(project):
    project.data(row(0, kind="[unk]"), row(1, kind="[b]x"))
    done = run(project, "--out", "runs [1]")
    assert "kept in runs [1]" in done.stdout
    assert "[unk]" in done.stdout
    assert "[b]x" in done.stdout


def test_a_run_without_images_needs_no_model_of_ours(project, monkeypatch):
    """The model's environment is that of the command: a module on the path serves as well."""
    (project.folder / "own_echo_module.py").write_text(
        "class Echo:\n    identity = 'x'\n    def predict(self, images, question, choices):\n"
        "        return question.split()[1]\n"
    )
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert call("run", project.task, "--model", "own_echo_module:Echo").exit_code == 0


# The other commands


def test_score_scores_a_stored_run_again(project):
    assert run(project, "--out", "kept").exit_code == 0
    project.task.unlink()
    (project.folder / "model.py").unlink()
    done = call("score", "kept", "--metric", "anls", "--metric", "wer", "--json")
    summary = json.loads(done.stdout)
    assert [result["metric"] for result in summary["results"]] == ["anls", "wer"]
    assert (summary["complete"], summary["cost"]["sent"]) == (True, 0)
    assert json.loads(Path("kept/summary.json").read_text()) == summary
    assert "exact_match" in call("score", "kept").stdout


def test_score_names_what_it_cannot_score(project):
    assert mistake(call("score", "data")).startswith("data: no finished run here; give the folder")
    run(project, "--out", "kept")
    assert "did you mean anls?" in mistake(call("score", "kept", "--metric", "anl"))


def test_score_says_that_the_tasks_own_metric_stands_in_its_file(project):
    code = "def mine(prediction, answers):\n    return Ratio(prediction is not None)\n"
    project.write_task(code=code, metrics="[mine]")
    run(project, "--out", "kept")
    assert mistake(call("score", "kept")) == (
        "kept: the metric 'mine' stands in the task file; run the task again (nothing is asked"
        " again), or name others with --metric"
    )
    assert call("score", "kept", "--metric", "anls").exit_code == 0


def test_data_check_reports_a_folder_and_a_task(project):
    for source in ("data", "data/data.jsonl", "task.py"):
        done = call("data", "check", source)
        assert done.exit_code == 0
        assert done.stdout.startswith("data: 3 samples, 3 images")
        assert done.stdout.endswith("problems: 0\n")


def test_data_check_lists_every_problem_and_exits_2(project):
    project.data(row(0, question=""), row(1, image="gone.png"))
    done = call("data", "check", "data")
    assert done.exit_code == 2
    assert done.stdout.splitlines()[-3] == "problems: 2"
    assert mistake(call("data", "check", "gone")).startswith("gone is missing")


def test_new_writes_a_task_that_runs(project):
    done = call("new", "invoices")
    assert done.stdout == (
        "wrote invoices.py; put images and data.jsonl into invoices/, then: sgleval run"
        " invoices.py\n"
    )
    assert "invoices is missing; give it with --data" in mistake(
        call("run", "invoices.py", "--model", project.model)
    )
    Path("invoices").mkdir()
    Path("invoices/a.png").write_bytes(picture())
    Path("invoices/data.jsonl").write_text(json.dumps(row(0)))
    done = call("run", "invoices.py", "--model", project.model, "--json")
    assert [result["value"] for result in json.loads(done.stdout)["results"]] == [1.0, 1.0]


def test_new_overwrites_nothing_and_takes_no_odd_name(project):
    assert mistake(call("new", "task")) == "task.py: is there already; give another name"
    for name in ("a/b", "1st", "..", ""):
        assert "give a name of letters, digits" in mistake(call("new", name))


def test_a_closed_pipe_is_no_traceback(project):
    code = "from sgleval.cli import main; main()"
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, "data", "check", "data"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert "Traceback" not in done.stderr
