import base64
import csv
import io
import json
import re
from pathlib import Path

import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgleval.answers.closed import Choice, YesNo
from sgleval.answers.number import Number
from sgleval.dataset import Dataset
from sgleval.dataset.check import report
from sgleval.dataset.keys import key_of
from sgleval.errors import UserError
from sgleval.sample import Image, Sample

SHARED = Path(__file__).parents[1].parent / "shared" / "data"


def png(size=(6, 4), color="red") -> bytes:
    file = io.BytesIO()
    PIL.Image.new("RGB", size, color).save(file, "PNG")
    return file.getvalue()


def row(number=1, **columns):
    """A good row, with columns changed or (None) left out."""
    whole = {"id": f"q{number}", "image": "a.png", "question": "Чей это чек?", "answers": ["да"]}
    return {name: value for name, value in (whole | columns).items() if value is not None}


@pytest.fixture
def folder(tmp_path):
    """A folder `data` with a.png, b.png (in sub/), the same picture again, and no image."""
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.png").write_bytes(png())
    (folder / "again.png").write_bytes(png())
    (folder / "sub" / "b.png").write_bytes(png((10, 20), "blue"))
    (folder / "text.png").write_text("no image")
    (tmp_path / "outside.png").write_bytes(png())
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    return folder


def written(folder, *rows, **options):
    lines = [one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in rows]
    (folder / "data.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return Dataset.files(folder, **options)


def samples(dataset, answer=None, seed=0):
    return list(dataset.samples(seed=seed, answer=answer))


def problems(dataset, answer=None):
    with pytest.raises(UserError) as error:
        dataset.scan(seed=0, answer=answer)
    return str(error.value).splitlines()


# Rows in the standard shape


def test_a_standard_row_needs_no_to_sample(folder):
    extra = {"page": 3, "signed": True, "note": None, "boxes": [1], "more": {"a": 1}, "x": 0.5}
    (sample,) = samples(written(folder, row(choices=["да", "нет"], **extra)))
    assert sample == Sample(
        id="q1",
        images=[Image(folder / "a.png")],
        question="Чей это чек?",
        answers=["да"],
        choices=["да", "нет"],
        tags={"page": "3", "signed": "true", "x": "0.5"},
    )


@pytest.mark.parametrize(
    ("columns", "answers"),
    [
        ({"answers": "12"}, ("12",)),
        ({"answers": 12}, ("12",)),
        ({"answers": ["12", 12.5, True]}, ("12", "12.5", "true")),
        ({"answers": None, "answer": "twelve"}, ("twelve",)),
        ({"answers": "12", "answer": "twelve"}, ("12",)),
        ({"answers": {"total": "3,50 €"}}, ('{"total": "3,50 €"}',)),
        ({"answers": [""]}, ("",)),
    ],
)
def test_answers_are_a_list_or_one(folder, columns, answers):
    (sample,) = samples(written(folder, row(**columns)))
    assert sample.answers == answers
    assert sample.tags == {}


def test_two_images_keep_their_order(folder):
    dataset = written(folder, row(image=None, images=["sub/b.png", "a.png"]))
    (sample,) = samples(dataset)
    assert [image.size for image in sample.images] == [(10, 20), (6, 4)]
    scan = dataset.scan(seed=0)
    assert (scan.images, scan.most_images) == (2, 2)


def test_a_number_is_an_id(folder):
    assert samples(written(folder, row(id=7)))[0].id == "7"


@pytest.mark.parametrize(
    "cell",
    [
        "a.png",
        "sub/../a.png",
        "data:image/png;base64," + base64.b64encode(png()).decode(),
        {"bytes": None, "path": "a.png"},
    ],
)
def test_image_cells_of_all_kinds_are_the_same_image(folder, cell):
    (sample,) = samples(written(folder, row(image=cell)))
    assert sample.images[0].bytes == png()


def test_csv_and_parquet_give_the_samples_of_json_lines(folder, tmp_path):
    rows = [
        row(1, answers=["да", "Да"], choices=["да", "Да"], split="dev"),
        row(2, image="sub/b.png", question="a, b\nc"),
    ]
    expected = samples(written(folder, *rows))
    with (folder / "t.csv").open("w", newline="", encoding="utf-8") as file:
        columns = ["id", "image", "question", "answers", "choices", "split"]
        table = csv.DictWriter(file, columns)
        table.writeheader()
        for one in rows:
            lists = {name: json.dumps(one[name]) for name in ("answers", "choices") if name in one}
            table.writerow(one | lists)
    pq.write_table(pa.Table.from_pylist(rows), folder / "t.parquet")
    assert samples(Dataset.files(folder / "t.csv")) == expected
    assert samples(Dataset.files(folder / "t.parquet")) == expected


def test_parquet_may_hold_the_images(folder):
    path = folder / "images.parquet"
    whole = row(image={"bytes": png(), "path": "elsewhere.png"})
    several = row(2, image=None, images=[{"bytes": png()}])
    pq.write_table(pa.Table.from_pylist([whole | {"images": None}, several]), path)
    assert [sample.images[0].bytes for sample in samples(Dataset.files(path))] == [png(), png()]


# Sources


def test_generated_rows_follow_the_seed(folder):
    def rows(seed):
        yield row(1, image=png(), answers=[str(seed)])
        yield row(2, image=folder / "a.png")
        yield row(3, image=str(folder / "a.png"))

    dataset = Dataset.generate(rows, name="rendered", revision="2")
    assert samples(dataset, seed=5)[0].answers == ("5",)
    assert dataset.scan(seed=5).images == 1
    assert (dataset.name, dataset.revision) == ("rendered", "2")


def test_a_generator_without_a_seed_is_refused():
    def rows():
        return []

    with pytest.raises(UserError, match=r"rows\(\) cannot take a seed: write `def rows\(seed\)`"):
        Dataset.generate(rows)


def test_what_a_generator_yields_is_checked():
    (line,) = problems(Dataset.generate(lambda seed: [row(image=png()), ["q2"]]))
    assert line == "<lambda>() row 2: is ['q2']; yield dicts"
    (line,) = problems(Dataset.generate(lambda seed: [row(image="a.png")]))
    assert line.startswith("<lambda>() row 1: image 'a.png' is relative")


def test_a_generator_that_raises_is_named_with_its_line():
    def rows(seed):
        yield row(image=png())
        raise OSError("no disk")

    (line,) = problems(Dataset.generate(rows))
    assert line.startswith("rows() raised OSError: no disk (")
    assert line.endswith(") after 1 rows")


def test_relative_paths_start_at_the_task_file_and_data_at_the_working_folder(
    folder, tmp_path, monkeypatch
):
    written(folder, row())
    assert samples(Dataset.files("data").located(tmp_path))[0].id == "q1"
    monkeypatch.chdir(tmp_path)
    task = Dataset.files("nowhere", to_sample=lambda row: Sample("x", [row["image"]], "?", ["y"]))
    replaced = task.located(Path("/elsewhere")).replaced_by_files("data")
    assert samples(replaced)[0].id == "x"
    assert (task.name, replaced.name) == ("nowhere", "data")


def test_a_dataset_beside_its_task_file_is_called_like_its_folder(folder):
    assert Dataset.files(".").located(folder).name == "data"
    assert Dataset.files(".", name="mine").located(folder).name == "mine"


def test_files_replace_a_generator_and_keep_to_sample(folder):
    written(folder, row())
    dataset = Dataset.generate(
        lambda seed: [], to_sample=lambda row: Sample("x", [row["image"]], "?", ["y"])
    )
    assert samples(dataset.replaced_by_files(folder))[0].id == "x"


# to_sample and group_by


def joined(rows):
    answers = [json.dumps([one["answers"] for one in rows])]
    return Sample(rows[0]["id"], [rows[0]["image"]], "?", answers)


@pytest.mark.parametrize("order", ["aabb", "abab", "abba", "baab"])
def test_rows_of_one_image_come_together_sorted_or_not(folder, order):
    rows = [
        row(i, image={"a": "a.png", "b": "sub/b.png"}[image], answers=str(i))
        for i, image in enumerate(order)
    ]
    dataset = written(folder, *rows, to_sample=joined, group_by="image")
    expected = [
        json.dumps([str(i) for i, image in enumerate(order) if image == wanted])
        for wanted in dict.fromkeys(order)
    ]
    assert [sample.answers[0] for sample in samples(dataset)] == expected
    assert dataset.scan(seed=0).n == 2


@given(st.lists(st.integers(0, 4), max_size=20))
def test_groups_keep_every_row_and_the_order_of_first_rows(values):
    rows = [{"n": n, "image": b"", "at": i} for i, n in enumerate(values)]
    dataset = Dataset.generate(
        lambda seed: rows,
        to_sample=lambda rows: Sample(str(rows[0]["n"]), [], "?", [str(one["at"]) for one in rows]),
        group_by="n",
    )
    expected = {
        str(n): tuple(str(i) for i, m in enumerate(values) if m == n) for n in dict.fromkeys(values)
    }
    got = {sample.id: sample.answers for sample in dataset.samples(seed=0)}
    assert list(got.items()) == list(expected.items())


def test_a_row_without_the_column_to_group_by_is_named(folder):
    dataset = written(folder, row(1), row(2, image=None), to_sample=joined, group_by="image")
    (line,) = problems(dataset)
    assert line.startswith(f"{folder}/data.jsonl:2: has no 'image' to group by; its columns are id")


def test_group_by_needs_a_to_sample():
    with pytest.raises(UserError, match="group_by='image' needs a to_sample"):
        Dataset.files("data", group_by="image")


def fails(row):
    raise ValueError("no\nmatter what")


@pytest.mark.parametrize(
    ("to_sample", "message"),
    [
        (lambda row: row["imge"], "has no column 'imge'; its columns are id, image, question"),
        (lambda row: {}["x"], "has no column 'x'; its columns are"),
        (lambda row: {}["id"], "to_sample raised KeyError: 'id'"),
        (fails, "to_sample raised ValueError: no matter what ("),
        (lambda row: row, "to_sample returned {'id': 'q1'"),
        (lambda row: Sample(1, [], "", []), "to_sample raised TypeError: id is 1; give a str"),
    ],
)
def test_mistakes_in_to_sample_name_the_row(folder, to_sample, message):
    (line,) = problems(written(folder, row(), to_sample=to_sample))
    assert line.startswith(f"{folder}/data.jsonl:1: {message}")


# Bad rows


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (row(2, id="q1"), "the id 'q1' is there a second time; give each row its own"),
        (row(2, id=None), "has no id; its columns are image, question, answers"),
        (row(2, id=" "), "the id is empty; give each row its own"),
        (row(2, id=[1]), "the id is [1]; give text or a whole number"),
        (row(2, question=" \n"), "the question is empty; write one or drop the row"),
        (row(2, question=None), "has no question; its columns are id, image, answers"),
        (row(2, question=5), "the question is 5; give text"),
        (row(2, answers=None), "no accepted answers; give at least one under answers"),
        (row(2, answers=[]), "no accepted answers; give at least one under answers"),
        (row(2, answers=""), "no accepted answers; give at least one under answers"),
        (row(2, answers=[{"answer": "x"}]), "answers holds {'answer': 'x'}; give texts or numbers"),
        (row(2, choices="a|b"), "choices is 'a|b'; give a list (in a CSV cell a JSON array"),
        (row(2, image=None), "no image; give one under image or several under images"),
        (row(2, images=["a.png"]), "has both image and images; give one of them"),
        (row(2, image="c.png"), "image {}/c.png is missing; put it there or drop the row"),
        (row(2, image="sub"), "image {}/sub is a folder; name a file"),
        (row(2, image="text.png"), "image {}/text.png cannot be read as an image"),
        (row(2, image="../outside.png"), "image '../outside.png' lies outside {}; put it in"),
        (row(2, image="/etc/hostname"), "image '/etc/hostname' lies outside {}; put it in there"),
        (row(2, image="link.png"), "image 'link.png' lies outside {}; put it in there"),
        (row(2, image="a\0.png"), "image 'a\\x00.png' is no path"),
        (row(2, image="x" * 5000), "image {}/xxx"),
        (row(2, image="https://x.org/a.png"), "image 'https://x.org/a.png' is on the network"),
        (
            row(2, image="data:image/png;base64,%%%"),
            "image 'data:image/png;base64,%%%' is a broken",
        ),
        (row(2, image="data:image/svg+xml,<svg>"), "image 'data:image/svg+xml,<svg>' is a broken"),
        (row(2, image=5), "image is 5; give a path, bytes or a data URL"),
        (row(2, image=["a.png"]), "image is ['a.png']; give a path"),
        (
            '{"id": "q2", "image": "a.png", "question": "\\ud83d", "answers": "x"}',
            "a text holds half",
        ),
    ],
)
def test_a_bad_row_is_one_line_with_file_and_row(folder, bad, message):
    (line,) = problems(written(folder, row(1), bad))
    assert line.startswith(f"{folder}/data.jsonl:2: {message.replace('{}', str(folder), 1)}")


def test_all_problems_come_at_once_but_twenty_lines_are_enough(folder):
    bad = [row(i, question="") for i in range(30)]
    lines = problems(written(folder, row("x", answers=[]), *bad, row("y", image="c.png")))
    assert lines[0].startswith(f"{folder}/data.jsonl:1: no accepted answers")
    assert lines[1].startswith(f"{folder}/data.jsonl:2: the question is empty")
    assert len(lines) == 21
    assert lines[-1] == "... and 12 more problems"


def test_one_row_may_have_several_problems(folder):
    assert len(problems(written(folder, row(question="", answers=[])))) == 2


def test_a_missing_image_is_told_once_however_many_questions_it_has(folder):
    rows = [row(i, image=name) for i, name in enumerate(["c.png", "text.png"] * 3)]
    assert len(problems(written(folder, *rows))) == 2


def test_a_broken_line_comes_after_the_problems_before_it(folder):
    lines = problems(written(folder, row(question=""), '{"id": ', row()))
    assert lines[1] == (f"{folder}/data.jsonl:2:8: Expecting value; write one JSON object per line")


@pytest.mark.parametrize("content", [[], [""]])
def test_a_dataset_without_rows_is_refused(folder, content):
    assert problems(written(folder, *content)) == [
        "data has no rows; give a dataset with at least one"
    ]


def test_a_missing_folder_is_one_line(tmp_path):
    (line,) = problems(Dataset.files("receipts").located(tmp_path))
    assert line == f"{tmp_path}/receipts is missing; give it with --data PATH"


def test_a_row_that_went_bad_after_the_scan_is_named(folder):
    dataset = written(folder, row())
    dataset.scan(seed=0)
    written(folder, row(question=5))
    with pytest.raises(UserError, match=re.escape("data.jsonl:1: the question is 5")):
        samples(dataset)


# The scan


def test_the_scan_keeps_what_planning_needs(folder):
    rows = [row(1, page="1"), row(2, image="again.png"), row(3, image="sub/b.png", page="2")]
    scan = written(folder, *rows).scan(seed=0)
    assert (scan.n, scan.images, scan.most_images) == (3, 2, 1)
    assert list(scan.ids) == [key_of("q1"), key_of("q2"), key_of("q3")]
    assert scan.image_keys[0] == scan.image_keys[1] != scan.image_keys[2]
    assert scan.sizes == {(6, 4): 1, (10, 20): 1}
    assert (scan.tags, scan.partial_tags) == ({"page": 2}, ("page",))


@pytest.mark.parametrize(
    "change",
    [
        {"id": "other"},
        {"question": "other"},
        {"answers": ["other"]},
        {"choices": ["да", "нет"]},
        {"image": "sub/b.png"},
        {"tag": "x"},
    ],
)
def test_the_digest_is_that_of_every_sample_s_content(folder, change):
    first = written(folder, row()).scan(seed=0).digest
    assert written(folder, row(image="again.png")).scan(seed=0).digest == first
    assert written(folder, row(**change)).scan(seed=0).digest != first


def test_the_digest_does_not_depend_on_the_answer_type(folder):
    dataset = written(folder, row(choices=["да", "нет"]))
    digests = {dataset.scan(seed=0, answer=answer).digest for answer in (None, Choice(), YesNo())}
    assert len(digests) == 1


def test_each_good_sample_is_shown_to_the_caller(folder):
    seen = []
    written(folder, row(1), row(2)).scan(seed=0, each=seen.append)
    assert [sample.id for sample in seen] == ["q1", "q2"]


def test_answers_that_the_constraint_cannot_produce_are_counted(folder):
    rows = [row(i, answers=["twelve"]) for i in range(4)] + [row(5, answers=["twelve", "12"])]
    scan = written(folder, *rows).scan(seed=0, answer=Number())
    assert (scan.unreachable, scan.unreachable_ids) == (4, ("q0", "q1", "q2"))


# Choices


CATS = ["cat", "dog", "dog", "A"]


@pytest.mark.parametrize(
    ("answers", "choices", "letters"),
    [
        (["dog"], ["cat", "dog"], ("B",)),
        (["B"], ["cat", "dog"], ("B",)),
        (["b"], ["cat", "dog"], ("B",)),
        (["dog", "B"], ["cat", "dog"], ("B",)),
        (["cat", "B"], ["cat", "dog"], ("A", "B")),
        (["A"], CATS, ("D",)),
        (["b"], ["a", "c", "b"], ("C",)),
        ([2], [1, 2], ("B",)),
    ],
)
def test_an_option_s_text_or_letter_becomes_its_letter(folder, answers, choices, letters):
    dataset = written(folder, row(answers=answers, choices=choices))
    assert samples(dataset, Choice())[0].answers == letters
    assert samples(dataset)[0].answers == tuple(map(str, answers))
    assert dataset.scan(seed=0, answer=Choice()).unreachable == 0


@pytest.mark.parametrize(
    ("answers", "choices", "message"),
    [
        (["cow"], CATS, "answer 'cow' is neither the text of one option nor a letter from A to D"),
        (["dog"], CATS, "answer 'dog' is neither"),
        (["E"], CATS, "answer 'E' is neither"),
        ([""], CATS, "answer '' is neither"),
        (["A"], ["x", " "], "has an empty choice"),
        (["A"], ["x"] * 27, "has 27 choices; at most 26"),
    ],
)
@pytest.mark.parametrize("answer", [None, Choice()])
def test_an_answer_that_is_no_option_is_a_problem(folder, answers, choices, message, answer):
    dataset = written(folder, row(answers=answers, choices=choices))
    (line,) = problems(dataset, answer)
    assert line.startswith(f"{folder}/data.jsonl:1: {message}")


def test_choice_needs_choices_and_other_types_do_not_look_at_them(folder):
    (line,) = problems(written(folder, row()), Choice())
    assert line.endswith("has no choices; the answer type Choice needs them")
    free = written(folder, row(answers=["yes"], choices=["cat", "dog"]))
    assert samples(free, YesNo())[0].answers == ("yes",)
    assert free.scan(seed=0, answer=YesNo()).n == 1


# data check


def test_the_report_says_what_is_there(folder):
    rows = [
        row(1, page=1, choices=["да", "нет"]),
        row(2, page=2, answers=["да", "Конечно"]),
        row(3, image="sub/b.png", answers="да"),
        row(4, image="missing.png"),
    ]
    lines = report(written(folder, *rows)).lines()
    assert lines[0].startswith("data: 3 samples, 2 images, digest ")
    assert lines[1:] == [
        "questions per image: 1 to 2 (median 1.5)",
        "images per question: 1",
        "image sizes: 6x4 to 10x20, 2 distinct",
        "accepted answers: 1 to 2 (median 1), several in 1 samples, the longest of 7 characters",
        "choices: 2 in 1 samples",
        "tag page: 1 (1), 2 (1); in 2 of 3 samples",
        "problems: 1",
        f"  {folder}/data.jsonl:4: image {folder}/missing.png is missing; put it there or drop "
        "the row",
    ]


def test_the_report_of_a_task_says_what_the_constraint_cannot_produce(folder):
    rows = [row(i, answers=["twelve"]) for i in range(4)]
    lines = report(written(folder, *rows), Number()).lines()
    assert "answers that the constraint cannot produce: in 4 samples (q0, q1, q2 ...)" in lines


def test_the_report_of_nothing_but_problems_is_a_report(folder):
    found = report(written(folder, row(question="")))
    assert found.problems
    assert "problems: 1" in found.lines()


def test_a_tag_with_many_values_shows_the_frequent_ones(folder):
    rows = [row(i, page=str(max(0, i - 5))) for i in range(20)]
    (line,) = [line for line in report(written(folder, *rows)).lines() if line.startswith("tag")]
    assert line.startswith("tag page: 0 (6), 1 (1)")
    assert line.endswith("and 7 more values")


# Data that nobody here made


def shared_sets():
    return sorted(path.parent for path in SHARED.glob("*/data.jsonl"))


@pytest.mark.skipif(not shared_sets(), reason="../shared/data is not here")
@pytest.mark.parametrize("path", shared_sets(), ids=lambda path: path.name)
def test_the_shared_sets_have_the_standard_shape(path):
    found = report(Dataset.files(path))
    assert str(found.problems) == ""
    assert found.scan.n == len((path / "data.jsonl").read_text().splitlines())
