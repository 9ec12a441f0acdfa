import json
import subprocess

import pytest

from sgleval import manifest
from sgleval.errors import UserError
from sgleval.plan import make_plan
from sgleval.runtime.connect import find_model
from sgleval.task import load_task


def planned(project):
    return make_plan(load_task(project.task), find_model(project.model), 2, 0)


def test_a_manifest_says_what_was_run_on_what_with_what(project):
    plan = planned(project)
    facts = json.loads(json.dumps(manifest.begun(plan)))
    assert facts["identity"] == plan.identity
    assert sorted(facts["parts"]) == ["constraint", "model", "program", "sampling", "seed"]
    assert (facts["task"], facts["task_file"]) == ("small", "task.py")
    assert facts["model"] == {
        "name": "model",
        "source": "own class",
        "factory": "model.py:Echo",
        "constraint": "none",
    }
    assert facts["constraint"] == "none"
    assert facts["dataset"] == {
        "name": "data",
        "revision": None,
        "sha256": plan.scan.digest,
        "samples": 3,
    }
    assert facts["metrics"] == ["exact_match"]
    assert facts["variants"] == {"default": {}}
    assert facts["chosen"] == 2
    assert facts["packages"]["sglang"] == "0.5.23"
    assert facts["machine"]["cores"] >= 1
    assert facts["end"] is None
    assert facts["complete"] is False
    assert facts["git"] is None  # the folder is under no version control


def test_the_end_adds_counts(project):
    ended = manifest.ended({"n": 5, "failed": 1, "complete": True, "task": "x"})
    assert ended["complete"] is True
    assert ended["counts"] == {"n": 5, "failed": 1}
    assert ended["end"].endswith("+00:00")


def test_no_path_of_this_machine_is_in_it(project):
    assert str(project.folder) not in json.dumps(manifest.begun(planned(project)))


def test_the_commit_of_the_tasks_folder_is_in_it(project):
    def git(*words):
        settings = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        command = ["git", "-C", str(project.folder), *settings, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    git("add", "task.py")
    git("commit", "-q", "-m", "one")
    commit = git("rev-parse", "HEAD")
    assert manifest.environment(project.folder)["git"] == {"commit": commit, "dirty": True}


def test_what_differs_is_named(project):
    held = manifest.begun(planned(project))
    assert manifest.differences(held, planned(project)) == []
    project.write_task(answer="ShortText(max_chars=5)")
    assert manifest.differences(held, planned(project)) == ["program"]


def test_json_is_written_whole_and_read_back(tmp_path):
    path = tmp_path / "run.json"
    assert manifest.read(path) is None
    manifest.write(path, {"task": "чек"})
    assert manifest.read(path) == {"task": "чек"}
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize("content", ["", "{", "[1]", "\0"])
def test_a_file_of_anothers_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "run.json"
    path.write_text(content)
    with pytest.raises(UserError) as error:
        manifest.read(path)
    assert str(error.value) == f"{path}: not written by sgleval; give another folder"
