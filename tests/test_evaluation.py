import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter

import polars as pl
import pytest
from click.testing import CliRunner
from small_project import row

from sgleval import evaluate
from sgleval.cli import main
from sgleval.errors import RunError, UserError
from sgleval.report.terminal import as_text

MISREAD = 'if question == "Say w1 now": return "w2"'
FAIL = 'if question == "Say w1 now": raise ValueError("too dark")'
FAIL_ALL = 'raise ValueError("no memory")'


def test_the_package_offers_the_function_whatever_was_imported_before():
    import sgleval
    import sgleval.evaluation as module

    assert callable(sgleval.evaluate)
    with pytest.raises(UserError, match=r"^gone.py: no such file"):
        sgleval.evaluate("gone.py")
    with pytest.raises(UserError, match=r"^gone.py: no such file"):
        module.evaluate("gone.py")


def run(project, **given):
    return evaluate(project.task, project.model, **given)


def asked(project, numbers):
    """Say whether just these were asked, whatever the order."""
    return Counter(project.calls()) == Counter(f"Say w{number} now" for number in numbers)


# What a run returns and keeps


def test_a_run_has_predictions_scores_and_a_summary(project):
    project.write_model(MISREAD)
    done = run(project)
    answers = dict(done.predictions.select("sample_id", "answer").iter_rows())
    assert answers == {"s0": "w0", "s1": "w2", "s2": "w2"}
    assert done.scores["numerator"].sum() == 2
    (result,) = done.summary["results"]
    assert (result["value"], result["n"], result["failed"]) == (pytest.approx(2 / 3), 3, 0)


def test_the_summary_has_the_shape_of_the_contract(project):
    project.data(*(row(n, kind="word" if n else "first") for n in range(3)))
    summary = run(project).summary
    wanted = {"task", "model", "complete", "n", "failed", "results", "groups", "cost", "reuse"}
    assert wanted | {"cache_check"} <= set(summary)
    assert (summary["task"], summary["complete"], summary["n"], summary["failed"]) == (
        *("small", True, 3, 0),
    )
    assert set(summary["results"][0]) == {
        *("variant", "perturbation", "metric", "value", "low", "high"),
        *("n", "failed", "unparsed", "truncated", "method", "clusters"),
    }
    assert [group["group"] for group in summary["groups"]] == ["first", "word"]
    assert set(summary["groups"][0]) == {
        *("tag", "group", "variant", "perturbation", "metric", "value", "low", "high"),
        *("n", "failed"),
    }
    assert set(summary["cost"]) == {
        *("requests", "sent", "prompt_tokens", "cached_tokens", "image_tokens"),
        *("completion_tokens", "seconds"),
    }
    assert (summary["cost"]["requests"], summary["cost"]["sent"]) == (3, 3)
    assert summary["cost"]["prompt_tokens"] is None  # `predict` says nothing of tokens
    assert summary["reuse"] is None
    assert summary["cache_check"] is None


def test_the_folder_holds_what_the_contract_lists(project):
    done = run(project, limit=2)
    assert re.fullmatch(r"runs/small/model-[0-9a-f]{8}", str(done.folder))
    assert sorted(path.name for path in done.folder.iterdir()) == [
        *("journal.jsonl", "predictions.parquet", "run.json", "samples.parquet"),
        *("scores.parquet", "summary.json"),
    ]
    facts = json.loads((done.folder / "run.json").read_text())
    assert facts["identity"].startswith(done.folder.name[-8:])
    assert facts["complete"] is True
    assert facts["counts"] == {"n": 2, "failed": 0}
    assert json.loads((done.folder / "summary.json").read_text()) == done.summary
    assert pl.read_parquet(done.folder / "predictions.parquet").equals(done.predictions)
    assert pl.read_parquet(done.folder / "samples.parquet").equals(done.samples)
    assert pl.read_parquet(done.folder / "scores.parquet").equals(done.scores)


def test_a_run_displays_as_its_table(project):
    done = run(project)
    assert repr(done) == as_text(done.summary)
    assert "exact_match" in repr(done)


def test_shapes_of_data_that_benchmarks_have(project):
    project.write_task(
        code="@sgl.function\ndef look(s, images, question, choices, note=''):\n"
        "    s += sgl.user(sgl.image(images[-1]) + question + note + str(choices))\n"
        "    s += sgl.assistant(ANSWER.gen('answer', choices=choices))\n",
        program="look",
        answer="Choice()",
    )
    project.data(
        row(0, image=None, images=["a.png", "b.png"], choices=["w0", "нет"], note="две"),
        row(1, choices=["да", "w1", "нет"], answers=["B", "да"]),
        row(2, question="Say B сейчас", choices=["a", "w2"]),
    )
    done = run(project)
    assert done.predictions.sort("sample_id")["answer"].to_list() == ["A", "B", "B"]
    assert done.summary["results"][0]["value"] == 1.0
    read = pl.read_parquet(done.folder / "samples.parquet")
    assert read["image_ids"].list.len().to_list() == [2, 1, 1]
    assert read["answers"].to_list() == [["A"], ["B", "A"], ["B"]]
    assert read["tags"].to_list() == [{"note": "две"}, {"note": None}, {"note": None}]


# Asking only what is new


def test_the_same_command_again_asks_nothing(project):
    first, again = run(project), run(project)
    assert asked(project, range(3))
    assert again.predictions.equals(first.predictions)
    assert (again.summary["cost"]["sent"], again.summary["cost"]["requests"]) == (0, 3)
    assert again.folder == first.folder


def test_the_same_command_again_does_not_open_the_model(project):
    run(project)
    from dataclasses import replace

    from sgleval.runtime.connect import find_model

    def opened(*_):
        raise AssertionError("the model was opened")

    model = replace(find_model(project.model), open=opened)
    assert evaluate(project.task, model).summary["n"] == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda project: {"metrics": ["anls"]},
        lambda project: project.write_task(code="# a comment\n") or {},
        lambda project: project.write_task(metrics="[exact_match, anls]") or {},
        lambda project: {"limit": 2},
        lambda project: {"concurrency": 1},
        lambda project: project.data(row(0, answers=["w0", "W0"]), row(1), row(2)) or {},
        lambda project: project.data(row(0, kind="new tag"), row(2), row(1)) or {},
    ],
    ids=["metric", "comment", "metrics", "limit", "concurrency", "answers", "tags and order"],
)
def test_what_changes_no_answer_asks_nothing(project, change):
    run(project)
    done = run(project, **change(project))
    assert asked(project, range(3))
    assert done.summary["cost"]["sent"] == 0


def test_a_larger_limit_asks_only_what_is_new(project):
    project.data(*map(row, range(8)))
    assert len(run(project, limit=3).predictions) == 3
    before = project.calls()
    assert len(run(project, limit=6).predictions) == 6
    assert len(set(project.calls())) == len(project.calls()) == 6
    assert project.calls()[:3] == before


@pytest.mark.parametrize(
    ("changed", "calls"),
    [
        ({"question": "Say w0 please"}, ["Say w0 please"]),
        ({"image": "c.png"}, ["Say w0 now"]),
        ({"choices": ["w0", "w1"]}, ["Say w0 now"]),
        ({"id": "renamed"}, ["Say w0 now"]),
    ],
)
def test_a_corrected_sample_is_asked_again_and_no_other(project, changed, calls):
    run(project)
    project.data(row(0, **changed), row(1), row(2))
    done = run(project)
    assert project.calls()[3:] == calls
    assert len(done.predictions) == 3


def test_another_variant_asks_only_its_own_and_a_new_label_nothing(project):
    project.write_model(prompt=", prompt")
    variants = "{'now': {'question': 'Say w0 a'}, 'then': {'question': 'Say w0 b'}}"
    project.write_task(variants=variants)
    run(project, limit=1)
    done = run(project, limit=1, variants=["now", "then"])
    assert len(project.calls()) == 2
    assert done.predictions["variant"].to_list() == ["now", "then"]
    project.write_task(variants=variants.replace("then", "later"))
    assert run(project, limit=1, variants=["later"]).summary["cost"]["sent"] == 0


def test_another_program_has_another_folder(project):
    first = run(project)
    project.write_task(answer="ShortText(max_chars=9)")
    assert run(project).folder != first.folder
    assert len(project.calls()) == 6


# Failures


def test_failed_samples_are_rows_and_are_asked_again(project):
    project.write_model(FAIL)
    done = run(project)
    assert (done.summary["failed"], done.summary["n"], done.summary["complete"]) == (1, 3, True)
    failed = done.predictions.filter(pl.col("sample_id") == "s1").row(0, named=True)
    assert (failed["error"], failed["answer"]) == ("ValueError: too dark", None)
    assert done.summary["results"][0]["value"] == pytest.approx(2 / 3)
    project.write_model()
    done = run(project)
    assert done.summary["failed"] == 0
    assert asked(project, [0, 1, 1, 2])


def test_unparsed_answers_are_counted_apart_and_not_asked_again(project):
    project.write_task(answer="Number()")
    project.data(row(0), row(1, question="Say 12 now", answers=["12"]))
    for _ in range(2):
        (result,) = run(project).summary["results"]
        assert (result["value"], result["unparsed"], result["failed"]) == (0.5, 1, 0)
    assert len(project.calls()) == 2


def test_a_run_of_which_most_fail_stops_and_says_why(project):
    project.data(*map(row, range(60)))
    project.write_model(FAIL_ALL)
    with pytest.raises(RunError) as error:
        run(project, concurrency=2)
    assert (
        str(error.value) == "20 of the first 20 requests failed, most with: ValueError: no memory"
    )
    # The 20th, another that ended with it, and the two that had started by then.
    assert len(project.calls()) <= 23


def test_half_of_the_first_failing_does_not_stop_it(project):
    project.data(*map(row, range(30)))
    project.write_model("if int(question.split()[1][1:]) % 2: raise ValueError('odd')")
    assert run(project, concurrency=1).summary["failed"] == 15


def test_an_extract_that_fails_is_counted_as_failed(project):
    project.write_task(extract="lambda said: said['gone']")
    done = run(project)
    assert done.summary["failed"] == 3
    assert done.predictions["error"].unique().to_list() == ["extract: KeyError: 'gone'"]


def test_a_metric_that_fails_on_an_answer_names_the_sample_and_the_answers_stay(project):
    code = """def mine(prediction, answers):
    return Ratio(prediction is None or {"w0": 1}[prediction])
"""
    project.write_task(code=code, metrics="[mine]")
    with pytest.raises(UserError, match=r"^sample 's1': metric mine: KeyError: 'w1'$"):
        run(project)
    assert run(project, metrics=["anls"]).summary["cost"]["sent"] == 0


def test_fresh_starts_over(project):
    run(project)
    run(project, fresh=True)
    assert asked(project, [0, 1, 2] * 2)
    assert len((run(project).folder / "journal.jsonl").read_text().splitlines()) == 3


def test_a_folder_with_another_run_is_refused_unless_fresh(project):
    run(project, out="mine")
    project.write_task(answer="ShortText(max_chars=9)")
    with pytest.raises(UserError) as error:
        run(project, out="mine")
    assert str(error.value) == "mine: holds another run (program); give another --out, or --fresh"
    assert asked(project, range(3))
    assert run(project, out="mine", fresh=True).summary["cost"]["sent"] == 3


@pytest.mark.parametrize("content", ["{}", "not JSON"])
def test_a_folder_with_anothers_run_json_is_refused(project, content):
    (project.folder / "mine").mkdir()
    (project.folder / "mine" / "run.json").write_text(content)
    with pytest.raises(UserError, match="give another"):
        run(project, out="mine")


def test_a_file_for_a_folder_is_refused(project):
    (project.folder / "mine").write_text("")
    with pytest.raises(UserError, match=r"^mine: File exists; give another --out$"):
        run(project, out="mine")
    assert project.calls() == []


def test_a_disk_that_refuses_the_tables_is_no_traceback_and_the_answers_stay(project):
    (project.folder / "mine" / "samples.parquet").mkdir(parents=True)
    with pytest.raises(RunError, match="what was answered is kept"):
        run(project, out="mine")
    (project.folder / "mine" / "samples.parquet").rmdir()
    assert run(project, out="mine").summary["cost"]["sent"] == 0


# The real command, ended in the middle

SLOW = "time.sleep(0.1)"


@pytest.fixture
def start(project):
    """Return a function that starts the command on 40 samples and waits for some answers."""
    running = []

    def started(*words, body=SLOW, answers=5):
        project.data(*map(row, range(40)))
        project.write_model(body)
        code = "from sgleval.cli import main; main()"
        given = ["--model", project.model, "--concurrency", "2", "--out", "kept", *words]
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code, "run", "task.py", *given],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        end = time.monotonic() + 60
        while answered(project) < answers:
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < end
            time.sleep(0.02)
        return process

    yield started
    for process in running:
        process.kill()
        process.communicate()


def answered(project):
    journal = project.folder / "kept" / "journal.jsonl"
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def finish(project):
    """Run the same command again: none is lost, none asked twice once its line was there."""
    before = answered(project)
    assert 5 <= before < 40
    project.write_model()
    done = run(project, out="kept", concurrency=8)
    assert (done.summary["n"], done.summary["failed"]) == (40, 0)
    assert done.summary["cost"]["sent"] == 40 - before
    lines = (project.folder / "kept" / "journal.jsonl").read_text().splitlines()
    assert len({json.loads(line)["key"] for line in lines}) == len(lines) == 40
    answers = dict(done.predictions.select("sample_id", "answer").iter_rows())
    assert answers == {f"s{number}": f"w{number}" for number in range(40)}


def test_after_kill_9_none_is_lost_and_none_asked_twice(project, start):
    process = start()
    process.kill()
    process.wait()
    assert json.loads((project.folder / "kept" / "run.json").read_text())["complete"] is False
    finish(project)


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_keep_what_was_answered(project, start, kind):
    process = start()
    process.send_signal(kind)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "Interrupted; what was answered is kept."
    assert "Traceback" not in errors
    finish(project)


def test_ctrl_c_does_not_wait_for_a_slow_predict(start):
    process = start(body="if 'w7' in question: time.sleep(100)")
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130


def test_a_second_command_on_the_same_folder_is_refused(project, start):
    start()
    with pytest.raises(UserError, match="another sgleval writes here"):
        run(project, out="kept")


def test_exit_codes_of_the_command(project):
    def code(*words):
        done = CliRunner().invoke(main, ["run", "task.py", "--model", project.model, *words])
        return done.exit_code

    assert code() == 0
    project.write_model(FAIL)
    assert code("--fresh") == 3
    project.write_model(FAIL_ALL)
    project.data(*map(row, range(30)))
    assert code("--fresh") == 1
    project.data(row(0, question=""))
    assert code() == 2
