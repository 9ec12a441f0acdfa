import datetime as dt
import hashlib
import json
import os
import resource
import tracemalloc
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgleval import store
from sgleval.dataset.keys import ABSENT, Places
from sgleval.errors import RunError, UserError
from sgleval.runtime.run_batch import Outcome
from sgleval.store import Journal

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


def outcome(text="да", error=None, meta=None):
    variables = {} if error else {"answer": text}
    return Outcome(variables, {"answer": meta or {}}, error, 0.5, NOON, 1, {"prompt_tokens": 7})


def key(number):
    return hashlib.sha256(str(number).encode()).hexdigest()[:32]


def kept(journal, numbers):
    return {n: journal.read(key(n))["variables"]["answer"] for n in numbers if key(n) in journal}


def test_what_was_appended_is_read_back(tmp_path):
    with Journal(tmp_path / "run" / "journal.jsonl") as journal:
        entry = journal.append(key(1), "terse", "s1", outcome("Кафе «Уют»\n"))
        assert journal.read(key(1)) == entry
        assert journal.read(key(2)) is None
    with Journal(tmp_path / "run" / "journal.jsonl") as journal:
        assert key(1) in journal
        assert journal.read(key(1)) == entry
    assert entry["variables"] == {"answer": "Кафе «Уют»\n"}
    assert (entry["variant"], entry["sample_id"], entry["requests"]) == ("terse", "s1", 1)
    assert entry["tokens"] == {"prompt_tokens": 7}


def test_a_line_stands_in_the_file_as_soon_as_it_is_appended(tmp_path):
    with Journal(tmp_path / "journal.jsonl") as journal:
        journal.append(key(1), "default", "s1", outcome())
        assert len((tmp_path / "journal.jsonl").read_text().splitlines()) == 1


def test_a_failed_sample_is_asked_again_and_its_answer_then_counts(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append(key(1), "default", "s1", outcome(error="RequestError: HTTP 500"))
        assert key(1) not in journal
        assert journal.read(key(1))["error"] == "RequestError: HTTP 500"
    for again in range(2):
        with Journal(path) as journal:
            if not again:
                assert key(1) not in journal
                journal.append(key(1), "default", "s1", outcome("yes"))
            assert kept(journal, [1]) == {1: "yes"}


def test_in_memory_an_answer_takes_at_most_50_bytes(tmp_path):
    with Journal(tmp_path / "journal.jsonl") as journal:
        tracemalloc.start()
        for number in range(5000):
            journal.append(key(number), "default", "s", outcome("long " * 100))
        taken, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert taken < 5000 * 50


def test_clear_starts_over(tmp_path):
    with Journal(tmp_path / "journal.jsonl") as journal:
        for number in (1, 2):
            journal.append(key(number), "default", "s", outcome("old"))
        assert kept(journal, [1, 2])  # so that something was read ahead
        journal.clear()
        assert key(1) not in journal
        assert journal.read(key(2)) is None
        journal.append(key(3), "default", "s", outcome("new"))
        assert kept(journal, [1, 2, 3]) == {3: "new"}


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 2000), texts=st.lists(st.text(max_size=8), min_size=1, max_size=4))
def test_a_journal_cut_at_any_byte_loses_at_most_the_cut_line(tmp_path_factory, cut, texts):
    path = tmp_path_factory.mktemp("cut") / "journal.jsonl"
    with Journal(path) as journal:
        for number, text in enumerate(texts):
            journal.append(key(number), "default", "s", outcome(text))
    whole = path.read_bytes()
    cut = cut % (len(whole) + 1)
    os.truncate(path, cut)
    lines = whole[:cut].count(b"\n")
    with Journal(path) as journal:
        assert kept(journal, range(len(texts))) == dict(enumerate(texts[:lines]))
        for number in range(lines, len(texts)):
            journal.append(key(number), "default", "s", outcome(texts[number]))
        assert kept(journal, range(len(texts))) == dict(enumerate(texts))
    lines = path.read_bytes().splitlines()
    assert [json.loads(line)["ok"] for line in lines] == [True] * len(texts)


@pytest.mark.parametrize("size", [1, 64, 300, 1000])
def test_a_journal_is_indexed_in_blocks_of_any_size(tmp_path, monkeypatch, size):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        for number in range(5):
            journal.append(
                key(number), "default", "s", outcome(error="odd" if number % 2 else None)
            )
    with path.open("ab") as file:
        file.write(b'{"key": "torn')
    monkeypatch.setattr(store, "BLOCK", size)
    with Journal(path) as journal:
        assert [key(number) in journal for number in range(5)] == [True, False, True, False, True]
        assert journal.read(key(3))["error"] == "odd"
        journal.append(key(5), "default", "s", outcome("new"))
    with Journal(path) as journal:
        assert kept(journal, [5]) == {5: "new"}


RUBBISH = (
    b"\n",
    b"{}\n",
    b"no line of ours\n",
    b"\0" * 300 + b"\n",
    b'{"key": "' + b":" * 90 + b"\n",
)


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_a_line_that_is_no_entry_is_passed_over(tmp_path, rubbish):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append(key(1), "default", "s", outcome("one"))
    with path.open("ab") as file:
        file.write(rubbish)
    with Journal(path) as journal:
        journal.append(key(2), "default", "s", outcome("two"))
    with Journal(path) as journal:
        assert kept(journal, [1, 2]) == {1: "one", 2: "two"}


def test_a_second_command_on_the_folder_is_refused_in_one_line(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append(key(1), "default", "s", outcome())
        with pytest.raises(UserError) as error, Journal(path):
            pass
        assert str(error.value) == (
            f"{tmp_path}: another sgleval writes here; wait or give another --out"
        )
        assert key(1) in journal
    with Journal(path) as journal:
        assert key(1) in journal


def test_a_folder_that_cannot_be_made_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match=r"file: (File exists|Not a directory); give another --out"),
        Journal(tmp_path / "file" / "journal.jsonl"),
    ):
        pass


def test_a_full_disk_ends_the_run_and_the_journal_stays_whole(tmp_path):
    """The file may grow by less than a line, so the system writes a part and refuses the rest."""
    path = tmp_path / "journal.jsonl"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal(path) as journal:
        journal.append(key(1), "default", "s", outcome("one"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 50, before[1]))
        try:
            with pytest.raises(RunError, match="make room and run the command again"):
                journal.append(key(2), "default", "s", outcome("two"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert path.read_bytes().count(b"\n") == 1
        assert path.read_bytes().endswith(b"\n")
        assert key(2) not in journal
        journal.append(key(3), "default", "s", outcome("three"))  # room was made
    with Journal(path) as journal:
        assert kept(journal, [1, 2, 3]) == {1: "one", 3: "three"}


def test_a_refused_write_that_cannot_be_cut_off_is_dropped_when_reopened(tmp_path):
    class Full:
        """A disk that takes ten bytes of a line and then nothing, not even a truncation."""

        def __init__(self, file):
            self.file, self.room = file, 10

        def write(self, line):
            if not self.room:
                raise OSError(28, "No space left on device")
            taken, self.room = self.file.write(line[: self.room]), 0
            return taken

        def truncate(self, end):
            raise OSError(28, "No space left on device")

        def close(self):
            self.file.close()

    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append(key(1), "default", "s", outcome("one"))
        journal._file = Full(journal._file)
        with pytest.raises(RunError, match="No space left on device"):
            journal.append(key(2), "default", "s", outcome("two"))
    with Journal(path) as journal:
        journal.append(key(3), "default", "s", outcome("three"))
        assert kept(journal, [1, 2, 3]) == {1: "one", 3: "three"}


def test_of_a_reply_only_what_tables_are_made_of_is_kept(tmp_path):
    meta = {
        "id": "abc",
        "finish_reason": {"type": "stop"},
        "output_top_logprobs": [[[-0.1, 5, "yes"], [-3.4e38, 6, "no"]], None],
    }
    with Journal(tmp_path / "journal.jsonl") as journal:
        entry = journal.append(key(1), "default", "s", outcome(meta=meta))
    assert entry["meta"]["answer"] == {
        "finish_reason": {"type": "stop"},
        "output_top_logprobs": [[[-0.1, 5, "yes"]], []],
    }


@given(
    st.lists(
        st.tuples(st.integers(0, 2**64 - 1) | st.integers(0, 3), st.integers(0, 2**64 - 2)),
        max_size=60,
    )
)
def test_places_made_at_once_are_those_set_one_by_one(pairs):
    one_by_one = Places()
    for key, number in pairs:
        one_by_one.set(key, number)
    at_once = Places.of(array("Q", [key for key, _ in pairs]), array("Q", [n for _, n in pairs]))
    assert len(at_once) == len(one_by_one)
    assert all(at_once.get(key) == one_by_one.get(key) for key in range(5))
    keys = [key for key, _ in pairs]
    assert all(at_once.get(key) == one_by_one.get(key) for key in keys)
    asked = array("Q", [*keys, *range(5)])
    of_all = [one_by_one.get(key) for key in asked]
    assert at_once.of_all(asked).tolist() == [ABSENT if n is None else n for n in of_all]
    at_once.set(7, 8)
    assert at_once.get(7) == 8


def test_places_made_at_once_keep_keys_that_want_one_slot():
    keys = array("Q", [7 + (n << 32) for n in range(2000)])
    places = Places.of(keys, array("Q", range(2000)))
    assert [places.get(key) for key in keys] == list(range(2000))
    assert places.get(7 + (2000 << 32)) is None
