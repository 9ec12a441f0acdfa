import hashlib
import os
import sqlite3

import pytest

from sgleval import digests


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache folder of each test's own, and no connection to another's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    digests._kept.cache_clear()
    yield tmp_path / "cache" / "sgleval"
    digests._kept().close()
    digests._kept.cache_clear()


def test_the_digest_is_sha256(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert digests.file_digest(path) == hashlib.sha256(b"abc").hexdigest()


def test_a_file_is_read_again_only_when_its_size_or_time_changes(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    os.utime(path, ns=(1, 1))
    first = digests.file_digest(path)
    path.write_bytes(b"xyz")
    os.utime(path, ns=(1, 1))
    assert digests.file_digest(path) == first
    os.utime(path, ns=(2, 2))
    assert digests.file_digest(path) == hashlib.sha256(b"xyz").hexdigest()


def test_digests_outlive_the_process(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    os.utime(path, ns=(1, 1))
    first = digests.file_digest(path)
    digests._kept().close()
    digests._kept.cache_clear()
    path.write_bytes(b"xyz")
    os.utime(path, ns=(1, 1))
    assert digests.file_digest(path) == first


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        digests.file_digest(tmp_path / "a")


def test_a_home_that_cannot_be_written_costs_no_run(tmp_path, monkeypatch):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder is wanted")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert digests.file_digest(blocked)


def test_a_damaged_cache_costs_no_run(cache, tmp_path):
    cache.mkdir(parents=True)
    (cache / "digests.sqlite").write_bytes(b"no database" * 1000)
    (tmp_path / "a").write_bytes(b"abc")
    assert digests.file_digest(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


def test_a_cache_that_fails_later_costs_no_run(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    digests._kept().execute("DROP TABLE digest")
    with pytest.raises(sqlite3.OperationalError):
        digests._kept().execute("SELECT * FROM digest")
    assert digests.file_digest(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


def test_a_folder_is_its_names_and_contents(tmp_path):
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a").write_bytes(b"abc")
    first = digests.folder_digest(folder)
    (folder / "sub" / "a").rename(folder / "sub" / "b")
    assert digests.folder_digest(folder) != first
    (folder / "sub" / "b").rename(folder / "sub" / "a")
    assert digests.folder_digest(folder) == first


def test_user_folders_follow_xdg(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert digests.user_folder("state") == tmp_path / "state" / "sgleval"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert digests.user_folder("cache") == tmp_path / ".cache" / "sgleval"
