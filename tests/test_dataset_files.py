import csv
import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sgleval.dataset.files import Files, read_csv, read_jsonl, read_parquet
from sgleval.errors import UserError


def rows_of(placed):
    return [row for _, row in placed]


def test_json_lines_are_numbered_from_one_and_blank_lines_counted(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text('{"id": 1}\n\n{"id": 2}')
    assert list(read_jsonl(path)) == [(f"{path}:1", {"id": 1}), (f"{path}:3", {"id": 2})]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_order_mark_and_windows_line_ends_change_nothing(tmp_path, mark, ending):
    jsonl, table = tmp_path / "data.jsonl", tmp_path / "data.csv"
    jsonl.write_bytes(mark + f'{{"id": "да"}}{ending}{{"id": "b"}}{ending}'.encode())
    table.write_bytes(mark + f"id{ending}да{ending}b{ending}".encode())
    assert rows_of(read_jsonl(jsonl)) == rows_of(read_csv(table)) == [{"id": "да"}, {"id": "b"}]


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c"])
def test_only_a_newline_ends_a_line(tmp_path, separator):
    text = f"one{separator}two"
    jsonl, table = tmp_path / "data.jsonl", tmp_path / "data.csv"
    jsonl.write_text(json.dumps({"question": text}, ensure_ascii=False), encoding="utf-8")
    table.write_bytes(f"question\n{text}\n".encode())
    assert rows_of(read_jsonl(jsonl)) == rows_of(read_csv(table)) == [{"question": text}]


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b'{"id": 1}\n{"id": }\n', "2:8: Expecting value"),
        (b'{"id": 1}\n[1]\n', "2:1: found a list"),
        (b'{"id": 1}\n"text"\n', "2:1: found a str"),
        ('{"id": "да"}\n{"id": "да'.encode() + b'\xe0"}\n', "2:11: byte 0xE0 is not UTF-8"),
        (b'{"id": 1', "1:9: Expecting ',' delimiter"),
    ],
)
def test_a_broken_json_line_is_named_with_its_column(tmp_path, content, where):
    path = tmp_path / "data.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError, match=re.escape(f"{path}:{where}")):
        list(read_jsonl(path))


def test_a_csv_cell_is_a_list_only_where_it_is_a_json_array(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text('id,question,answers,empty\n[1],[2],"[""a"", ""b""]",\n2,"a, ""b""\nc",[a],x\n')
    assert list(read_csv(path)) == [
        (f"{path}:2", {"id": "[1]", "question": "[2]", "answers": ["a", "b"]}),
        (f"{path}:3", {"id": "2", "question": 'a, "b"\nc', "answers": "[a]", "empty": "x"}),
    ]


def test_csv_lines_are_those_where_records_start(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text('id,question\n\n1,"two\nlines"\n2\n')
    assert [where for where, _ in read_csv(path)] == [f"{path}:3", f"{path}:5"]


def test_a_csv_column_without_a_name_is_left_out(tmp_path):
    path = tmp_path / "data.csv"  # as pandas writes its index
    path.write_text(",id\n0,a\n")
    assert rows_of(read_csv(path)) == [{"id": "a"}]


def test_a_csv_cell_may_hold_a_whole_image(tmp_path):
    path = tmp_path / "data.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["image"], ["x" * 1_000_000]])
    assert len(rows_of(read_csv(path))[0]["image"]) == 1_000_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"id,question\n1,a,b\n", ":2: 3 cells under 2 columns"),
        (b'id,question\n1,"a\n2,b\n', ":3: unexpected end of data"),
        (b'id,question\n1,"a"b\n', ":2: ',' expected"),
        (b"id,id\n1,2\n", ":1: column 'id' is there twice"),
        (b"id\n\xff\n", ":2:1: byte 0xFF is not UTF-8"),
    ],
)
def test_a_broken_csv_record_is_named_with_its_line(tmp_path, content, message):
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=re.escape(f"{path}{message}")):
        list(read_csv(path))


def test_parquet_keeps_lists_structs_and_nulls(tmp_path):
    path = tmp_path / "data.parquet"
    rows = [
        {"id": "a", "image": {"bytes": b"x", "path": None}, "answers": ["1", "2"], "tag": None},
        {"id": "b", "image": {"bytes": None, "path": "b.png"}, "answers": [], "tag": True},
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    assert list(read_parquet(path)) == [
        (f"{path}: row 1", rows[0]),
        (f"{path}: row 2", rows[1]),
    ]


def test_a_file_that_is_no_parquet_is_one_line(tmp_path):
    path = tmp_path / "data.parquet"
    path.write_bytes(b"no parquet at all")
    with pytest.raises(UserError, match="broken after row 0") as error:
        list(read_parquet(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["data.jsonl", "x.csv"], "data.jsonl"),
        (["metadata.csv", "x.csv"], "metadata.csv"),
        (["questions.parquet", "readme.md", ".hidden.csv"], "questions.parquet"),
        (["DATA.JSONL"], "DATA.JSONL"),
    ],
)
def test_the_one_data_file_of_a_folder_is_found(tmp_path, names, chosen):
    for name in names:
        (tmp_path / name).touch()
    assert Files(tmp_path).data_file() == tmp_path / chosen


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "holds no data file; put data.jsonl"),
        (["a.txt"], "holds no data file"),
        (["a.csv", "b.csv"], "holds several data files (a.csv, b.csv)"),
        (["data.csv", "data.jsonl"], "holds several data files (data.csv, data.jsonl)"),
    ],
)
def test_a_folder_without_one_data_file_is_refused(tmp_path, names, message):
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=re.escape(f"{tmp_path} {message}")):
        Files(tmp_path).data_file()


def test_a_folder_is_no_data_file_even_when_it_is_called_so(tmp_path):
    (tmp_path / "data.jsonl").mkdir()
    with pytest.raises(UserError, match="holds no data file"):
        Files(tmp_path).data_file()
    with pytest.raises(UserError, match="holds no data file"):
        Files(tmp_path / "data.jsonl").data_file()


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "a.xlsx").touch()
    with pytest.raises(UserError, match=r"a\.xlsx is no data file; give a \.jsonl"):
        Files(tmp_path / "a.xlsx").data_file()


def test_a_missing_default_says_how_to_give_another(tmp_path):
    default = Files(tmp_path.relative_to(tmp_path) / "data" / "sroie").located(tmp_path)
    with pytest.raises(UserError, match="data/sroie is missing; give it with --data PATH"):
        next(default.rows(0))
    with pytest.raises(UserError, match=r"data/sroie is missing; give a \.jsonl"):
        next(Files(tmp_path / "data" / "sroie").rows(0))


def test_file_name_counts_as_image(tmp_path):
    path = tmp_path / "metadata.jsonl"
    path.write_text('{"file_name": "a.png", "id": 1}\n{"file_name": "b.png", "image": "c.png"}\n')
    assert rows_of(Files(tmp_path).rows(0)) == [
        {"image": "a.png", "id": 1},
        {"file_name": "b.png", "image": "c.png"},
    ]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("sroie", "sroie"),
        ("sroie/data.jsonl", "sroie"),
        ("sroie/metadata.csv", "sroie"),
        ("sroie/test.parquet", "test"),
        ("v1.5", "v1.5"),
    ],
)
def test_a_dataset_is_called_like_its_folder_or_file(tmp_path, path, name):
    assert Files(tmp_path / path).name == name


@pytest.mark.parametrize("text", ["123456789012345678901234567890", "NaN", '"\\ud800"', "1e400"])
def test_what_the_quick_reader_of_json_refuses_or_rounds_is_read_by_the_other(tmp_path, text):
    (tmp_path / "data.jsonl").write_text(f'{{"id": {text}}}\n')
    [(_, row)] = read_jsonl(tmp_path / "data.jsonl")
    assert repr(row["id"]) == repr(json.loads(text))
