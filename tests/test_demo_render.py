"""The rendered documents: the same from a seed, different between seeds, and true."""

import random
from collections import Counter
from io import BytesIO

import pytest
from PIL import Image

from sgleval.demo import receipts, scenes
from sgleval.demo.receipts import receipt
from sgleval.demo.render import READ_ALL, pages, questions_of, transcripts_of
from sgleval.demo.scenes import scene

DRAWN = {
    receipt: [page for _, page in pages(receipt, "test", 60)],
    scene: [page for _, page in pages(scene, "test", 60)],
}


@pytest.mark.parametrize("draw", [receipt, scene])
def test_the_same_seed_draws_the_same_rows(draw):
    assert list(questions_of(draw, 3, 4)) == list(questions_of(draw, 3, 4))


@pytest.mark.parametrize("draw", [receipt, scene])
def test_another_seed_draws_other_pictures_and_other_ids(draw):
    one, other = list(questions_of(draw, 0, 4)), list(questions_of(draw, 1, 4))
    assert not {row["id"] for row in one} & {row["id"] for row in other}
    assert not {row["image"] for row in one} & {row["image"] for row in other}


def test_a_longer_set_contains_a_shorter_one():
    short, long = list(questions_of(scene, 5, 3)), list(questions_of(scene, 5, 6))
    assert long[: len(short)] == short


@pytest.mark.parametrize(
    ("draw", "size"), [(receipt, (receipts.WIDTH, receipts.HEIGHT)), (scene, (168, 168))]
)
def test_rows_have_the_standard_shape_and_tags_of_text(draw, size):
    rows = list(questions_of(draw, 0, 3))
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        assert Image.open(BytesIO(row["image"])).size == size
        assert row["question"].strip()
        assert [bool(answer) for answer in row["answers"]] == [True]
        tags = {key: row[key] for key in row.keys() - {"id", "image", "question", "answers"}}
        assert len(tags) == 2
        assert all(isinstance(value, str) for value in tags.values())


@pytest.mark.parametrize("draw", [receipt, scene])
def test_every_mark_lies_in_the_picture(draw):
    for page in DRAWN[draw]:
        width, height = page.image.size
        assert all(0 <= mark.x < width and 0 <= mark.y < height for mark in page.marks)


def test_no_two_receipts_are_alike():
    assert len({page.text for page in DRAWN[receipt]}) == 60
    assert len({page.image.tobytes() for page in DRAWN[receipt]}) == 60
    lines = Counter(len(page.text.splitlines()) for page in DRAWN[receipt])
    assert len(lines) == 3


def test_what_is_read_off_a_receipt_stands_in_its_text():
    for page in DRAWN[receipt]:
        for question in page.questions:
            if question.tags["skill"] == "reading":
                assert question.answer in page.text


def test_the_marks_of_a_receipt_spell_its_text():
    for page in DRAWN[receipt]:
        lines = ["".join(line.split()) for line in page.text.splitlines()]
        spelt = ["" for _ in lines]
        for mark in page.marks:
            spelt[mark.line] += mark.label
        assert spelt == lines


def test_the_total_is_the_sum_of_what_stands_above():
    content = receipts.invent(random.Random(1))
    assert content.total == sum(content.items.values()) + content.tax


def test_a_comparison_agrees_with_the_prices():
    rng = random.Random(2)
    content = receipts.invent(rng)
    asked = next(q for q in receipts.ask(content, rng) if q.tags["type"] == "comparison")
    one, other = asked.text.removeprefix("is ").removesuffix("?").split(" more expensive than ")
    assert (asked.answer == "yes") == (content.items[one] > content.items[other])


@pytest.mark.parametrize(
    ("draw", "tag", "value"),
    [
        (receipt, "type", "presence"),
        (receipt, "type", "comparison"),
        (scene, "leaf", "object.presence"),
        (scene, "leaf", "relation.left"),
        (scene, "leaf", "relation.above"),
    ],
)
def test_yes_and_no_are_both_common(draw, tag, value):
    asked = (q for page in DRAWN[draw] for q in page.questions if q.tags[tag] == value)
    said = Counter(question.answer for question in asked)
    assert set(said) == {"yes", "no"}
    assert min(said.values()) >= 0.25 * said.total()


def test_every_leaf_of_the_taxonomy_is_asked():
    leaves = {q.tags["leaf"] for page in DRAWN[scene] for q in page.questions}
    assert leaves == {
        "object.presence",
        "object.count",
        "attribute.color",
        "attribute.shape",
        "attribute.size",
        "relation.left",
        "relation.above",
    }


def test_a_shape_has_one_name():
    for number in range(30):
        drawn = scenes.scatter(random.Random(number))
        assert len({shape.name for shape in drawn}) == len(drawn)


def test_transcripts_are_those_of_the_same_receipts():
    asked = {row["image"] for row in questions_of(receipt, 0, 3)}
    rows = list(transcripts_of(receipt, 0, 3))
    assert {row["image"] for row in rows} == asked
    assert {row["question"] for row in rows} == {READ_ALL}
