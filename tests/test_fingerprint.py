import pytest
from conftest import picture

from sgleval import fingerprint
from sgleval.answers import Choice, ShortText
from sgleval.errors import UserError
from sgleval.fingerprint import answer_key, argument, arguments_of
from sgleval.sample import Image, Sample


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
