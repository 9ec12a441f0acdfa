import subprocess
import sys
from pathlib import Path

import pytest
from conftest import picture

from sgleval import fingerprint
from sgleval.answers import Choice, ShortText
from sgleval.errors import UserError
from sgleval.fingerprint import answer_key, argument, arguments_of, program_digest
from sgleval.sample import Image, Sample
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
    from sgleval import fingerprint

    root = Path(fingerprint.__file__).parents[1]
    assert not fingerprint._beside(ShortText, root)
    assert not fingerprint._beside(subprocess.run, Path("/"))


def test_the_digest_is_the_same_in_another_process_and_another_place(digest, tmp_path):
    """No address of an object, no order of a set, and no path of this machine is in it."""
    whole = digest()
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in tmp_path.glob("*.py"):
        (moved / file.name).write_text(file.read_text())
    code = (
        "import sys; from pathlib import Path; from sgleval.task import run_file;"
        "from sgleval.fingerprint import program_digest;"
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


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, 1.0),
        ("1", 1),
        (None, ""),
        (b"a", "a"),
        (("a", "b"), ("ab",)),
        ({"a": 1}, (("a", 1),)),
        (ShortText(max_chars=3), ShortText(max_chars=4)),
        (ShortText(), Choice()),
        (Image(b"one"), Image(b"two")),
        ({"shots": [{"q": "a"}]}, {"shots": [{"q": "b"}]}),
    ],
)
def test_arguments_that_differ_are_encoded_differently(one, other):
    encoded = [repr(arguments_of("v", {"x": value})) for value in (one, other)]
    assert encoded[0] != encoded[1]
    assert repr(argument(one)) == encoded[0].removeprefix("{'x': ").removesuffix("}")


@pytest.mark.parametrize(("value", "kind"), [(object(), "object"), (len, "builtin"), ({1}, "set")])
def test_an_odd_argument_is_refused_with_its_variant_and_name(value, kind):
    for given in (value, [value], {"deep": (value,)}):
        with pytest.raises(UserError) as error:
            arguments_of("terse", {"style": given})
        assert str(error.value).startswith(f"variant 'terse': argument 'style' holds a {kind}")
        assert "\n" not in str(error.value)


SAMPLE = {
    "id": "s",
    "images": [Image(picture("red"))],
    "question": "Which?",
    "answers": ["a"],
    "choices": ["a", "b"],
    "tags": {"kind": "word", "page": "1"},
}


def key(identity="run", arguments=None, taken=("kind",), **fields):
    bound = fingerprint.digest(arguments_of("terse", arguments or {}))
    return answer_key(identity, Sample(**SAMPLE | fields), taken, bound)


@pytest.mark.parametrize(
    "changed",
    [
        {"id": "t"},
        {"images": [Image(picture("blue"))]},
        {"images": [Image(picture("red")), Image(picture("red"))]},
        {"question": "Which one?"},
        {"choices": ["b", "a"]},
        {"tags": {"kind": "number", "page": "1"}},
        {"identity": "another run"},
        {"arguments": {"note": "x"}},
    ],
)
def test_what_reaches_the_program_is_in_the_key(changed):
    assert key(**changed) != key()


@pytest.mark.parametrize(
    "changed",
    [
        {"answers": ["b", "c"]},
        {"tags": {"kind": "word", "page": "2"}},
        {"tags": {"kind": "word"}},
    ],
)
def test_what_does_not_reach_the_program_is_not_in_the_key(changed):
    assert key(**changed) == key()
    assert len(key()) == 32


def test_a_tag_that_only_other_samples_have_is_not_in_the_key():
    assert key(taken=("kind", "colour")) == key(taken=("kind",))


def test_the_key_follows_a_files_content_and_not_its_name(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(picture("red"))
    assert key(images=[Image(tmp_path / "a.png")]) == key(images=[Image(tmp_path / "b.png")])
    assert key(images=[Image(tmp_path / "a.png")]) == key()
