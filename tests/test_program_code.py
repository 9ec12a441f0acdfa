import subprocess
import sys
from pathlib import Path

import pytest

from sgleval.answers import ShortText
from sgleval.program_code import program_digest
from sgleval.task import run_file

PROGRAM = '''"""A task file."""
import functools
import textwrap
import re
from dataclasses import dataclass

import sglang as sgl
from sgleval.answers import Number, ShortText
import BESIDE
from BESIDE import shorten

ANSWER = ShortText(max_chars=20)
PREFIX = "Read: "
LIMIT = 3
WORDS = {"a", "b"}
DATE = re.compile("[0-9]+")
strip = functools.partial(str.strip, "x")
UNUSED = 1

upper = lambda text: text.upper()
tools = dict(lower=lambda text: text.lower(), shout=lambda text: text + "!")


@dataclass(frozen=True)
class Style:
    """How to ask."""

    mark: str

    def apply(self, text):
        return text + self.mark


STYLE = Style(mark="?")


@functools.cache
def example(number):
    """Return an example."""
    return f"{number}. example"


@sgl.function
def other(s, question):
    s += question


@sgl.function
def ask(s, image, question, note=""):
    """Ask for one line."""
    # the picture first
    s += sgl.user(sgl.image(image) + PREFIX + shorten(question) + upper(note) + example(1))
    s += textwrap.dedent(str([LIMIT, BESIDE.STEPS, *WORDS]))
    s += tools["lower"]("A") + tools["shout"]("A")
    s += STYLE.apply("Which") + str(DATE) + strip("x")
    other(s, question)
    s += sgl.assistant(ANSWER.gen("answer") if LIMIT else Number(digits=4).gen("answer"))
'''
BESIDE = '''"""What the task file imports."""
STEPS = 4
PREFIX = "Another of this name: "
ODD = 1


def shorten(text):
    """Cut a text."""
    return PREFIX + text[:10] + end()


def end():
    return "."
'''


@pytest.fixture
def digest(tmp_path, monkeypatch):
    """Return a function that writes both files with something replaced, and takes the digest."""
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    monkeypatch.setattr("sys.path", list(sys.path))
    name = f"beside_{abs(hash(tmp_path)):x}"  # modules stay loaded: each test has its own

    def taken(old="", new="", *, beside=("", "")):
        assert old in PROGRAM
        assert beside[0] in BESIDE
        sys.modules.pop(name, None)
        (tmp_path / f"{name}.py").write_text(BESIDE.replace(*beside))
        path = tmp_path / "task.py"
        path.write_text(PROGRAM.replace(old, new).replace("BESIDE", name))
        return program_digest(run_file(path).ask)

    return taken


def test_what_changes_no_answer_keeps_the_digest(digest):
    whole = digest()
    assert digest() == whole
    assert digest("    # the picture first\n", "\n\n    # a comment, further down\n") == whole
    assert digest('    """Ask for one line."""\n', "") == whole
    assert digest('    """Return an example."""\n', '    """Return one."""\n') == whole
    assert digest('    """How to ask."""\n', "") == whole
    assert digest("UNUSED = 1", "UNUSED = 2") == whole
    assert digest("PREFIX + shorten(question)", "PREFIX  +  shorten( question )") == whole
    assert digest(beside=('    """Cut a text."""\n', "    # cut it\n")) == whole
    assert digest(beside=("ODD = 1", "ODD = 2")) == whole


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"Read: "', '"Read"'),
        ("LIMIT = 3", "LIMIT = 4"),
        ("max_chars=20", "max_chars=21"),
        ("ANSWER = ShortText(max_chars=20)", "ANSWER = Number()"),
        ("sgl.image(image) + PREFIX", "PREFIX + sgl.image(image)"),
        ('note=""', 'note="x"'),
        ('{"a", "b"}', '{"a", "c"}'),
        ('"[0-9]+"', '"[0-9]"'),
        ('str.strip, "x"', 'str.strip, "y"'),
        ("text.upper()", "text.title()"),
        ("text.lower()", "text.title()"),
        ('text + "!"', 'text + "?"'),
        ("return text + self.mark", "return self.mark + text"),
        ('Style(mark="?")', 'Style(mark="!")'),
        (". example", ". example:"),
        ("    s += question\n", "    s += question[:3]\n"),
        ("Number(digits=4)", "Number(digits=5)"),
    ],
)
def test_what_can_change_an_answer_changes_the_digest(digest, old, new):
    assert digest(old, new) != digest()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("STEPS = 4", "STEPS = 5"),
        ("text[:10]", "text[:11]"),
        ('return "."', 'return ";"'),
        ("Another of this name: ", "Other: "),
    ],
)
def test_a_change_in_a_file_beside_it_changes_the_digest(digest, old, new):
    assert digest(beside=(old, new)) != digest()


def test_an_installed_package_counts_by_name_only(digest, monkeypatch):
    def dedent(text):
        return "of another release"

    whole = digest()
    monkeypatch.setattr("textwrap.dedent", dedent)
    assert digest() == whole


def test_the_environment_inside_the_folder_of_a_task_is_installed_all_the_same(tmp_path):
    """A task at the root of a checkout has sgleval's own files below it."""
    from sgleval import program_code

    root = Path(program_code.__file__).parents[1]
    assert not program_code._beside(ShortText, root)
    assert not program_code._beside(subprocess.run, Path("/"))


def test_the_digest_is_the_same_in_another_process_and_another_place(digest, tmp_path):
    """No address of an object, no order of a set, and no path of this machine is in it."""
    whole = digest()
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in tmp_path.glob("*.py"):
        (moved / file.name).write_text(file.read_text())
    code = (
        "import sys; from pathlib import Path; from sgleval.task import run_file;"
        "from sgleval.program_code import program_digest;"
        "sys.stdout.write(program_digest(run_file(Path(sys.argv[1])).ask))"
    )
    for seed in ("1", "2"):
        command = [sys.executable, "-W", "ignore", "-c", code, str(moved / "task.py")]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        )
        assert done.stdout == whole


def test_a_function_without_source_stands_by_its_byte_code():
    def made(code):
        scope = {"helper": lambda text: text}
        exec(f"import sglang as sgl\n@sgl.function\ndef ask(s, question):\n    {code}\n", scope)
        return program_digest(scope["ask"])

    assert made("s += question") == made("s += question")
    assert made("s += question + 'a'") != made("s += question + 'b'")
    assert made("s += str(question)") != made("s += repr(question)")
