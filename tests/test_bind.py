import pytest
import sglang as sgl

from sgleval.bind import Tags, bind, check, tags_taken
from sgleval.errors import UserError
from sgleval.sample import Image, Sample

PICTURES = [Image(b"first"), Image(b"second")]


def sample(**fields):
    whole = {"id": "s", "images": PICTURES[:1], "question": "Which?", "answers": ["a"]}
    return Sample(**whole | fields)


def found(everywhere=(), partly=(), most_images=1):
    return Tags(frozenset(everywhere), frozenset([*everywhere, *partly]), most_images)


def unchanged(text):
    return text


@sgl.function
def every_kind(s, image, question, kind, note="default"):
    s += question


@sgl.function
def several(s, images, choices, *rest, style="plain", **more):
    s += str(choices)


def test_a_program_gets_images_question_choices_and_tags():
    given = bind(every_kind, {}, sample(tags={"kind": "word", "other": "x"}), unchanged)
    assert given == {"image": PICTURES[0], "question": "Which?", "kind": "word"}
    given = bind(several, {}, sample(images=PICTURES, choices=["x", "y"]), unchanged)
    assert given == {"images": PICTURES, "choices": ["x", "y"]}


def test_the_variant_comes_first_then_the_sample_then_tags_then_the_default():
    tags = {"question": "of a tag", "kind": "word", "note": "of a tag"}
    one = bind(every_kind, {"note": "of a variant"}, sample(tags=tags), unchanged)
    assert (one["note"], one["question"]) == ("of a variant", "Which?")
    assert bind(every_kind, {"question": "Mine?"}, sample(tags=tags), unchanged)["question"] == (
        "Mine?"
    )
    assert bind(every_kind, {}, sample(tags=tags), unchanged)["note"] == "of a tag"
    assert "note" not in bind(every_kind, {}, sample(tags={"kind": "word"}), unchanged)


def test_a_parameter_bound_before_is_left_alone():
    given = bind(every_kind.bind(kind="bound"), {}, sample(tags={"kind": "word"}), unchanged)
    assert "kind" not in given


def test_texts_of_the_sample_are_cleaned_and_the_variants_are_not():
    def clean(text):
        return text.replace("<pad>", "< pad>")

    asked = sample(question="A <pad>?", choices=["<pad>"], tags={"kind": "<pad>"})
    given = bind(every_kind, {"note": "<pad>"}, asked, clean)
    assert (given["question"], given["kind"], given["note"]) == ("A < pad>?", "< pad>", "<pad>")
    assert bind(several, {}, asked, clean)["choices"] == ["< pad>"]


def test_tags_taken_are_those_that_reach_the_program():
    assert tags_taken(every_kind, {}) == ("kind", "note")
    assert tags_taken(every_kind, {"note": "x"}) == ("kind",)
    assert tags_taken(several, {}) == ("style",)


def test_everything_is_filled_by_something():
    check(every_kind, {"default": {}}, found(everywhere=["kind"]))
    check(every_kind, {"a": {"kind": "x"}, "b": {"kind": "y", "note": ""}}, found())
    check(every_kind, {"default": {}}, found(everywhere=["kind"], partly=["note"]))
    check(several, {"default": {"style": "x"}}, found(most_images=9))


@sgl.function
def reserved(s, question, temperature):
    s += question


@pytest.mark.parametrize(
    ("program", "variants", "tags", "line"),
    [
        (
            every_kind,
            {"default": {}},
            found(everywhere=["page"]),
            "program every_kind: nothing fills the parameter 'kind'; give it a default, or name it"
            " like a variant's argument, one of image, images, question, choices, or a tag of the"
            " data (page)",
        ),
        (
            every_kind,
            {"default": {}},
            found(partly=["kind"]),
            "program every_kind: only some rows have the tag 'kind'; give the parameter a default",
        ),
        (
            every_kind,
            {"a": {"kind": "x"}, "b": {}},
            found(),
            "program every_kind: nothing fills the parameter 'kind'; give it a default, or name it"
            " like a variant's argument, one of image, images, question, choices, or a tag of the"
            " data (none)",
        ),
        (
            every_kind,
            {"terse": {"kid": "x"}},
            found(),
            "variant 'terse': program every_kind has no parameter 'kid'; add it there",
        ),
        (
            reserved,
            {"default": {}},
            found(everywhere=["temperature"]),
            "program reserved: parameter 'temperature' is a keyword of SGLang's run(); give it"
            " another name",
        ),
        (
            every_kind,
            {"default": {}},
            found(everywhere=["kind"], most_images=3),
            "program every_kind: it takes `image`, but a sample has 3 images; take `images`",
        ),
    ],
)
def test_what_cannot_be_filled_is_the_users_mistake(program, variants, tags, line):
    with pytest.raises(UserError) as error:
        check(program, variants, tags)
    assert str(error.value) == line
