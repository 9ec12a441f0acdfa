"""Scoring what others produced: files in the shapes that people and tools write."""

import csv
import json

import polars as pl
import pytest
import xlsxwriter

from sgleval.errors import UserError
from sgleval.foreign import Columns, score_file
from sgleval.metrics import METRICS


@pytest.fixture
def file(tmp_path):
    """Return a function that writes rows to a file by its ending and returns the path."""

    def write(name, rows):
        path = tmp_path / name
        match path.suffix:
            case ".jsonl":
                path.write_text("".join(json.dumps(row) + "\n" for row in rows))
            case ".json":
                path.write_text(json.dumps(rows))
            case ".parquet":
                pl.DataFrame(rows).write_parquet(path)
            case _:
                with path.open("w", newline="") as out:
                    mark = "\t" if path.suffix == ".tsv" else ","
                    writer = csv.DictWriter(out, list(rows[0]), delimiter=mark)
                    writer.writeheader()
                    writer.writerows(rows)
        return path

    return write


def scored(path, *metrics, **columns):
    return score_file(
        path, [METRICS[name] for name in metrics or ["exact_match"]], Columns(**columns)
    )


def values(summary):
    return {row["metric"]: row["value"] for row in summary["results"]}


ROWS = [
    {"id": "a", "prediction": "cat", "answers": ["Cat", "a cat"], "category": "pets"},
    {"id": "b", "prediction": "1,2", "answers": ["12"], "category": "sums"},
    {"id": "c", "prediction": "", "answers": ["x"], "category": "sums"},
]


@pytest.mark.parametrize("ending", ["jsonl", "json", "parquet"])
def test_the_standard_columns_need_no_flags(file, ending):
    summary = scored(file(f"mine.{ending}", ROWS), "exact_match", "anls")
    assert values(summary) == {"exact_match": 1 / 3, "anls": pytest.approx(5 / 9)}
    assert (summary["task"], summary["model"]) == (f"mine.{ending}", "prediction")
    assert (summary["n"], summary["failed"], summary["complete"]) == (3, 0, True)
    groups = [(g["tag"], g["group"], g["value"]) for g in summary["groups"][::2]]
    assert groups == [("category", "pets", 1), ("category", "sums", 0)]
    assert summary["columns"] == {
        "prediction": "prediction", "answers": "answers", "choices": None, "group": None,
        "by": "category", "id": "id",
    }  # fmt: skip


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_cells_of_a_table_are_text_and_json_arrays_of_answers(file, ending):
    rows = [
        {"prediction": "[1, 2]", "answers": '["[1, 2]", "x"]'},
        {"prediction": "007", "answers": "007"},
        {"prediction": "", "answers": '[""]'},
        {"prediction": "a,\tb\nc", "answers": "A,\tB\nC"},
        {"prediction": "[1]", "answers": "[1"},
    ]
    summary = scored(file(f"mine.{ending}", rows))
    assert values(summary) == {"exact_match": 0.8}
    assert summary["failed"] == 0


def test_a_bare_string_is_one_answer_even_if_it_looks_like_a_list(file):
    rows = [
        {"prediction": '["a", "b"]', "answers": '["a", "b"]'},
        {"prediction": "5", "answers": 5},
    ]
    assert values(scored(file("mine.jsonl", rows))) == {"exact_match": 1}


@pytest.mark.parametrize("row", [{"prediction": None}, {}])
def test_null_is_a_failed_sample_and_scores_the_worst(file, row):
    rows = [{"prediction": "", "answers": [""]}, row | {"answers": [""]}]
    summary = scored(file("mine.jsonl", rows), "exact_match", "cer")
    assert summary["failed"] == 1
    assert values(summary) == {"exact_match": 0.5, "cer": None}
    assert [(r["n"], r["failed"], r["unparsed"]) for r in summary["results"]] == [(2, 1, 0)] * 2


def test_predictions_are_stripped_and_reasoning_is_removed(file):
    rows = [{"prediction": "<think>no?</think>\n yes\n", "answers": "yes"}]
    summary = scored(file("mine.jsonl", rows), "exact_match_strict", "mme_accuracy")
    assert values(summary) == {"exact_match_strict": 1, "mme_accuracy": 1}


def test_columns_may_be_named_and_reached_into(file):
    rows = [{"out": {"m": "x", "n": ["y"]}, "gold": {"list": ["x"]}, "a.b": "x", "k": 1}]
    path = file("mine.jsonl", rows)
    assert values(scored(path, prediction="out.m", answers="gold.list")) == {"exact_match": 1}
    assert values(scored(path, prediction="out.n", answers="gold.list")) == {"exact_match": 0}
    assert values(scored(path, prediction="out.n.0", answers="a.b")) == {"exact_match": 0}
    assert values(scored(path, prediction="a.b", answers="gold.list.0")) == {"exact_match": 1}


@pytest.mark.parametrize(
    ("where", "n"),
    [
        (["flag=true"], 2),
        (["flag=false"], 1),
        (["flag=true", "split=dev"], 1),
        (["k=@id"], 2),
        (["doc.k=1"], 3),
        (["split=a=b"], 1),
    ],
)
def test_where_keeps_the_rows_that_meet_all_conditions(file, where, n):
    rows = [
        {"id": 1, "k": "1", "flag": True, "split": "dev"},
        {"id": 2, "k": "1", "flag": True, "split": "a=b"},
        {"id": 3, "k": 3, "flag": False, "split": None},
    ]
    rows = [row | {"prediction": "x", "answers": "x", "doc": {"k": 1}} for row in rows]
    assert scored(file("mine.jsonl", rows), where=tuple(where))["n"] == n


def test_answers_may_stand_in_a_gold_file(file):
    gold = file(
        "gold.jsonl", [{"id": i, "answers": ["x"], "kind": "k", "set": i % 2} for i in range(4)]
    )
    rows = [{"id": str(i), "prediction": "x", "answers": ["wrong"]} for i in range(3)]
    path = file("mine.csv", rows)
    summary = scored(path, gold=gold, id="id", by="kind")
    assert values(summary) == {"exact_match": 1}
    assert [(g["group"], g["n"]) for g in summary["groups"]] == [("k", 3)]
    assert not summary["complete"]
    assert summary["note"] == f"not predicted and not counted: 1 of {gold}"
    summary = scored(path, gold=gold, where=("set=0",))
    assert summary["n"] == 2


def test_two_models_answers_to_one_sample_are_two_rows_of_one_image(file):
    gold = file("gold.jsonl", [{"id": i, "answers": ["x"]} for i in range(4)])
    rows = [
        {"id": i, "model": m, "prediction": "x" if m == "good" or i else "y"}
        for i in range(4)
        for m in ("good", "bad")
    ]
    summary = scored(file("mine.jsonl", rows), gold=gold, id="id", by="model")
    assert [(g["group"], g["value"], g["n"]) for g in summary["groups"]] == [
        ("bad", 0.75, 4),
        ("good", 1, 4),
    ]
    alone = scored(file("one.jsonl", rows[1::2]), gold=gold, id="id")["results"][0]
    assert summary["results"][0]["high"] == 1.0 != alone["high"]  # four clusters, not eight


def test_options_are_lists_or_letters(file):
    rows = [
        {"prediction": "(B)", "answer": "dog", "choices": ["cat", "dog"]},
        {"prediction": "a dog", "answer": "A", "choices": {"B": "cat", "A": "dog"}},
        {"prediction": "C", "answer": "B", "choices": ["cat", "dog"]},
    ]
    summary = scored(file("mine.jsonl", rows), "multiple_choice_accuracy")
    assert values(summary) == {"multiple_choice_accuracy": 2 / 3}
    assert summary["results"][0]["unparsed"] == 1
    assert {row["rule"]: row["n"] for row in summary["rules"]} == {
        "inside": 1,
        "label": 1,
        "none": 1,
    }


def test_vlmevalkit_files_are_known_by_their_columns(file):
    rows = [
        {"index": 1, "A": "cat", "B": "dog", "C": "", "answer": "B", "prediction": "B. dog",
         "category": "pets", "g_index": 1},
        {"index": 1000001, "A": "dog", "B": "cat", "C": "", "answer": "A", "prediction": "cat",
         "category": "pets", "g_index": 1},
        {"index": 2, "A": "1", "B": "2", "C": "3", "answer": "C", "prediction": "3",
         "category": "sums", "g_index": 2},
    ]  # fmt: skip
    metrics = ["multiple_choice_accuracy", "multiple_choice_circular"]
    summary = scored(file("model_MMBench.tsv", rows), *metrics)
    assert values(summary) == {metrics[0]: 2 / 3, metrics[1]: 0.5}
    assert summary["results"][1]["sets"] == 2
    assert {g["group"] for g in summary["groups"]} == {"pets", "sums"}


def test_vlmevalkits_excel_files_are_read_as_its_tsv_files(file, tmp_path):
    rows = [
        {"index": 1, "question": "a", "answer": "12.5", "prediction": "12.5", "split": "val"},
        {"index": 2, "question": "b", "answer": "007", "prediction": "7", "split": "val"},
        {"index": 3, "question": "c", "answer": "red", "prediction": "", "split": "val"},
        {"index": 4, "question": "d", "answer": "3", "prediction": 3, "split": "val"},
    ]
    workbook = xlsxwriter.Workbook(tmp_path / "model_Set.xlsx")
    sheet = workbook.add_worksheet()
    for line, cells in enumerate([list(rows[0]), *(row.values() for row in rows)]):
        for column, cell in enumerate(cells):
            sheet.write(line, column, cell)
    workbook.close()
    summary = scored(tmp_path / "model_Set.xlsx", "exact_match")
    assert values(summary) == values(scored(file("model_Set.tsv", rows), "exact_match"))
    assert values(summary) == {"exact_match": 0.5}
    assert summary["failed"] == 0


def test_vlmevalkit_writes_lists_of_answers_as_python_does(file):
    rows = [
        {"index": 1, "question": "?", "answer": "['12.50', \"it's\"]", "prediction": "It's"},
        {"index": 2, "question": "?", "answer": "[__import__('os')]", "prediction": "x"},
    ]
    assert values(scored(file("model_DocVQA.tsv", rows), "exact_match")) == {"exact_match": 0.5}


def test_lmms_eval_samples_are_known_by_their_columns(file):
    rows = [
        {"doc_id": 0, "doc": {"answers": ["red"] * 10, "image_id": "i"}, "target": "red",
         "resps": [["Red"]], "filtered_resps": ["Red"]},
        {"doc_id": 1, "doc": {"answers": ["blue"] * 10, "image_id": "i"}, "target": "blue",
         "resps": [["It is blue"]], "filtered_resps": ["It is blue"]},
    ]  # fmt: skip
    summary = scored(file("20250101_samples_textvqa.jsonl", rows), "vqa_accuracy")
    assert values(summary) == {"vqa_accuracy": 0.5}
    assert summary["results"][0]["low"] is None  # one image
    assert summary["columns"]["prediction"] == "filtered_resps"
    assert summary["columns"]["answers"] == "doc.answers"
    only_target = [{key: row[key] for key in ("doc_id", "target", "resps")} for row in rows]
    summary = scored(file("samples_x.jsonl", only_target), "contains")
    assert values(summary) == {"contains": 1}


def test_annotations_of_vqa_are_objects_with_an_answer(file):
    people = [{"answer": "net", "answer_id": i} for i in range(10)]
    rows = [{"question_id": 1, "prediction": "Net", "answers": people}]
    assert values(scored(file("mine.json", rows), "vqa_accuracy")) == {"vqa_accuracy": 1}


def test_a_gold_record_is_an_object_and_so_may_a_prediction_be(file):
    rows = [{"prediction": {"total": "5"}, "answers": {"total": "5", "tip": "1"}}]
    summary = scored(file("mine.jsonl", rows), "json_fields_f1")
    assert values(summary) == {"json_fields_f1": 2 / 3}
    assert [part["part"] for part in summary["parts"]] == ["total", "tip"]


GOOD = {"id": 1, "prediction": "x", "answers": "x"}


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        ([{"a": 1}], {}, "mine.jsonl: name the column with --prediction; its columns are a"),
        ([{"prediction": "x"}], {}, "name the column with --answers; its columns are prediction"),
        ([GOOD], {"by": "kind"}, "--by: no column 'kind'; its columns are id, prediction, answers"),
        ([GOOD], {"prediction": "prediction.m"}, "--prediction: no column 'prediction.m'"),
        ([GOOD], {"where": ("split",)}, "--where split: write COL=VALUE, or COL=@COL"),
        ([GOOD], {"where": ("split=a",)}, "--where split=a: no column 'split'; its columns are id"),
        ([GOOD], {"where": ("id=@x",)}, "--where id=@x: no column 'x'"),
        ([GOOD], {"where": ("id=2",)}, "no row is left to score; is --where right?"),
        ([], {}, "there are no rows"),
        ([GOOD | {"prediction": ["a", "b"]}], {}, r":1: prediction is \['a', 'b'\]; name one"),
        ([GOOD, GOOD | {"answers": []}], {}, "mine.jsonl:2: answers is empty; give an answer"),
        ([GOOD, GOOD | {"answers": [["x"]]}], {}, "mine.jsonl:2: answers is"),
        ([GOOD | {"choices": 3}], {}, "mine.jsonl:1: choices is 3; give a list of options"),
        ([GOOD | {"choices": {"A": "x", "C": "y"}}], {}, "choices has the letters A, C; give A, B"),
        ([GOOD | {"kind": ["x"]}], {"by": "kind"}, r"mine.jsonl:1: kind is \['x'\]"),
    ],
)  # fmt: skip
def test_a_mistake_is_a_line_that_names_the_place_and_the_columns(file, rows, columns, message):
    with pytest.raises(UserError, match=message) as raised:
        scored(file("mine.jsonl", rows), "multiple_choice_accuracy", **columns)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("gold", "columns", "message"),
    [
        ([{"id": 2, "answers": "x"}], {}, "mine.jsonl:1: .*gold.jsonl has no row of the id '1'"),
        ([{"id": 1, "answers": "x"}] * 2, {}, "gold.jsonl:2: id '1' is there twice; keep one"),
        ([{"id": 1, "answers": "x"}, {"answers": "x"}], {}, "gold.jsonl:2: has no id"),
        ([{"key": 1, "answers": "x"}], {}, "name with --id the column that it shares with"),
        ([{"id": 1, "answers": "x"}], {"id": "key"}, "--id: no column 'key'"),
    ],
)  # fmt: skip
def test_mistakes_of_a_gold_file_are_lines_too(file, gold, columns, message):
    rows = [{"id": 1, "prediction": "x"}]
    with pytest.raises(UserError, match=message):
        scored(file("mine.jsonl", rows), gold=file("gold.jsonl", gold), **columns)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.jsonl", None, "none.jsonl is missing; give a .jsonl, .json"),
        ("none.parquet", None, "none.parquet is missing"),
        ("mine.xlsx", b"PK", "mine.xlsx: cannot be read as an Excel file"),
        ("none.xlsx", None, "none.xlsx is missing"),
        ("mine.txt", b"x", "mine.txt is no file of predictions; give a .jsonl"),
        ("mine.jsonl", b'{"a": 1}\nx', "mine.jsonl:2:1: Expecting value"),
        ("mine.json", b"[1]", "mine.json: row 1 is 1; write objects"),
        ("mine.json", b"[1,", "mine.json:1:4: Expecting value"),
        ("mine.json", b'{"a": 1}', "mine.json: holds no list of rows"),
        ("mine.csv", b"a,b\n1,2,3\n", "mine.csv:2: 3 cells under 2 columns"),
        ("mine.csv", b'a,b\n"1,2\n', "is the quoting right?"),
        ("mine.csv", b"a\n\xff\n", "byte 0xFF is not UTF-8"),
        ("mine.parquet", b"PAR", "mine.parquet: broken after row 0"),
    ],
)  # fmt: skip
def test_a_broken_file_is_a_line(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        scored(tmp_path / name)


def test_rows_of_json_may_stand_under_one_key(file):
    assert values(scored(file("mine.json", {"version": 1, "rows": ROWS}))) == {"exact_match": 1 / 3}
