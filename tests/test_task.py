import re
import sys
from pathlib import Path

import pytest
from small_project import TASK

from sgleval.errors import UserError
from sgleval.metrics import Ratio, anls, exact_match
from sgleval.task import Task, load_task


def line_of(path, text):
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as error:
        load_task(path)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_task_is_the_files_variable(project):
    task = load_task(Path("task.py"))
    assert (task.name, task.path, list(task.variants)) == ("small", project.task, ["default"])
    assert task.measures == (exact_match,)


def test_relative_paths_start_at_the_task_file_and_those_of_data_at_the_working_folder(
    project, monkeypatch, tmp_path_factory
):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    task = load_task(project.task)
    assert task.dataset.scan(seed=0).n == 3
    with pytest.raises(UserError, match=r"^data is missing"):
        task.with_data(Path("data")).dataset.scan(seed=0)


@pytest.mark.parametrize(
    ("name", "found"), [("gone.py", "no such file"), (".", "a folder"), ("data", "a folder")]
)
def test_a_path_that_is_no_file_is_refused(project, name, found):
    with pytest.raises(UserError) as error:
        load_task(Path(name))
    assert str(error.value) == (
        f"{Path(name)}: {found}; give a task file, such as `sgleval new NAME` writes"
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x = 1\n", "{path}: no variable `task` of sgleval.Task; write `task = Task(...)`"),
        ("task = 5\n", "{path}: no variable `task` of sgleval.Task; write `task = Task(...)`"),
        ("x = 1\ny = = 2\n", "{path}:2: invalid syntax; mend it"),
        ("\n\n1 / 0\n", "{path}:3: ZeroDivisionError: division by zero; mend the file"),
        ("import nowhere_to_find\n", "{path}:1: ModuleNotFoundError: No module named"),
        (
            "import json\njson.loads('{')\n",
            "{path}:2: JSONDecodeError: Expecting property name enclosed in double quotes",
        ),
        ("raise ValueError('two\\nlines')\n", "{path}:1: ValueError: two lines; mend the file"),
    ],
)
def test_a_file_that_fails_is_named_with_the_line(tmp_path, text, line):
    path = tmp_path / "wrong.py"
    assert line_of(path, text).startswith(line.format(path=path))


def test_a_file_that_is_no_python_is_refused(tmp_path):
    path = tmp_path / "task.yaml"
    assert line_of(path, "task: 1\n") == f"{path}: not a Python file; its name must end in .py"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"answer": "ShortText"}, "answer is <class 'sgleval.answers.text.ShortText'>; give an"),
        ({"program": "ask.func"}, "put @sgl.function above the function"),
        ({"metrics": "[]"}, "its metrics are []; give at least one"),
        ({"metrics": "anls"}, "give a list of functions of sgleval.metrics"),
        ({"metrics": "['anls']"}, "metrics is ['anls']; give a list of functions of"),
        ({"metrics": "[anls, anls]"}, "its metrics are ['anls', 'anls']; give at least one, each"),
        ({"variants": "{}"}, "variants is empty; give at least one"),
    ],
)
def test_a_task_that_cannot_be_meant_is_refused(project, fields, problem):
    project.write_task(**fields)
    with pytest.raises(UserError) as error:
        load_task(project.task)
    assert str(error.value).startswith("task 'small': ")
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


def test_a_name_that_is_no_folders_is_refused(project):
    task = load_task(project.task)
    for name in ("", "a/b"):
        with pytest.raises(UserError, match="the name is a folder's, too"):
            Task(name, task.dataset, task.program, task.answer, task.metrics)


def test_a_task_named_like_a_package_imports_the_package(tmp_path, monkeypatch):
    """`easy_vqa.py` reads the package `easy_vqa`; beside it stand only its own helpers."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "own_helper_of_rich.py").write_text("NAME = 'rich'\n")
    path = tmp_path / "rich.py"
    path.write_text(
        "import rich.table\nfrom own_helper_of_rich import NAME\n"
        + TASK.format(
            answer="ShortText()",
            code="TABLE = rich.table.Table",
            fields="program=ask, answer=ANSWER, metrics=[anls]",
        )
    )
    assert load_task(path).name == "small"
    assert "site-packages" in sys.modules["rich"].__file__


def test_files_of_one_name_in_two_folders_keep_apart(tmp_path, monkeypatch):
    """Each imports the module beside it, in whatever order they are loaded."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    loaded = {}
    for name in ("first", "second", "first"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "own_helper_of_both.py").write_text(f"NAME = {name!r}\n")
        (folder / "task.py").write_text(
            "import own_helper_of_both\n"
            + TASK.format(
                answer="ShortText()",
                code="",
                fields="program=ask, answer=ANSWER, metrics=[anls],"
                " variants={own_helper_of_both.NAME: {}}",
            )
        )
        loaded[name] = load_task(folder / "task.py")
        assert list(loaded[name].variants) == [name]
    modules = {task.program.func.__module__ for task in loaded.values()}
    assert len(modules) == 2


OWN = """
def starts_alike(prediction, answers):
    return Ratio(prediction is not None and prediction[0] in [a[0] for a in answers])
"""


def test_metrics_are_chosen_by_name_the_tasks_own_among_them(project):
    project.write_task(code=OWN, metrics="[exact_match, starts_alike]")
    task = load_task(project.task)
    chosen = task.with_metrics(["anls", "starts_alike", "anls"]).measures
    assert [metric.name for metric in chosen] == ["anls", "starts_alike"]
    assert chosen[0] is anls
    assert chosen[1]("what", ["who"]) == Ratio(1.0)


@pytest.mark.parametrize(
    ("name", "way_out"), [("anl", "did you mean anls?"), ("start_alike", "mean starts_alike?")]
)
def test_a_misspelt_metric_suggests_the_near_one(project, name, way_out):
    project.write_task(code=OWN, metrics="[starts_alike]")
    with pytest.raises(UserError) as error:
        load_task(project.task).with_metrics([name])
    assert str(error.value).startswith(f"--metric {name}: no such metric; ")
    assert way_out in str(error.value)


def test_run_takes_the_first_variant_unless_others_are_named(project):
    project.write_task(variants="{'bare': {}, 'terse': {}, 'long': {}}")
    task = load_task(project.task)
    assert list(task.with_variants([]).variants) == ["bare"]
    assert list(task.with_variants(["long", "terse"]).variants) == ["long", "terse"]
    with pytest.raises(UserError) as error:
        task.with_variants(["ters"])
    assert str(error.value) == "--variant ters: no such variant; did you mean terse?"


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("return 1 / 0", "metric mine: ZeroDivisionError: division by zero"),
        ("return prediction.lower()", "metric mine: AttributeError: 'NoneType' object has no"),
        ("return 0.5", "metric mine returned 0.5; return a Ratio"),
        ("return 1, 2, 3", "metric mine returned (1, 2, 3); return a Ratio"),
    ],
)
def test_what_fails_inside_a_users_metric_is_one_line(project, body, line):
    project.write_task(code=f"def mine(prediction, answers):\n    {body}\n", metrics="[mine]")
    (metric,) = load_task(project.task).measures
    with pytest.raises(UserError, match=re.escape(line)):
        metric(None, ["a"])


def test_a_users_metric_may_take_the_choices_and_return_a_bare_pair(project):
    code = "def mine(prediction, answers, choices):\n    return len(choices), 2\n"
    project.write_task(code=code, metrics="[mine]")
    (metric,) = load_task(project.task).measures
    assert metric.wants_choices
    assert metric("A", ["A"], {"A": "x"}) == Ratio(1.0, 2.0)


def test_two_variants_of_one_name_are_refused_though_python_keeps_the_last(project):
    project.write_task(variants='{"bare": {}, "terse": {"question": "A"}, "bare": {}}')
    with pytest.raises(UserError, match=r"task.py:\d+: 'bare' stands twice in one dict; rename"):
        load_task(project.task)


TYPED = "grid(kind={'number': Number(), 'word': OneOf('one', 'two')})"
PROGRAM = """
@sgl.function
def typed(s, image, question, kind, other=None):
    s += sgl.user(sgl.image(image) + question)
    s += sgl.assistant(kind.gen("answer"))
"""


def test_the_answer_type_of_a_variant_also_reads_its_answers(project):
    project.write_task(code=PROGRAM, program="typed", variants=TYPED)
    task = load_task(project.task)
    assert task.answer_of("number").parse("it is 12.50").answer == "12.50"
    assert task.answer_of("word").options() == ("one", "two")


def test_of_two_answer_types_the_one_called_answer_reads(project):
    two = "{'a': {'kind': Number(), 'other': YesNo()}}"
    project.write_task(code=PROGRAM, program="typed", variants=two)
    with pytest.raises(UserError, match=r"'a' binds the answer types kind, other; name the one"):
        load_task(project.task)
    named = "{'a': {'kind': Number(), 'answer': YesNo()}}"
    code = PROGRAM.replace("other=None", "answer=None")
    project.write_task(code=code, program="typed", variants=named)
    assert load_task(project.task).answer_of("a").options() == ("yes", "no")
