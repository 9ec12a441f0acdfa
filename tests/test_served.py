"""The servers that `sgleval serve` keeps up are found while they are up, and only by their like."""

import dataclasses
import json
import os
import subprocess
import sys

import pytest
from fake_server import FakeServer

from sgleval.digests import user_folder
from sgleval.runtime import serve, served
from sgleval.runtime.served import Served, find_served, recorded
from sgleval.runtime.server import free_port

pytestmark = pytest.mark.timeout(60)
VERSION = "sgleval-1"


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.fixture
def up():
    with FakeServer(info={"weight_version": VERSION}) as server:
        yield Served(server.url, os.getpid(), VERSION, ["--tp-size", "2"])


def records():
    return sorted((user_folder("state") / "servers").glob("*.json"))


def ended_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_server_is_found_by_its_model_and_flags_as_long_as_the_block_runs(up):
    with recorded(up):
        assert find_served(VERSION, ("--tp-size", "2")) == up
    assert find_served(VERSION, ("--tp-size", "2")) is None
    assert records() == []


@pytest.mark.parametrize(
    ("version", "flags"),
    [
        (VERSION, []),
        (VERSION, ["--tp-size", "4"]),
        (VERSION, ["--tp-size", "2", "--log-level", "info"]),
        ("sgleval-2", ["--tp-size", "2"]),
    ],
)
def test_other_models_and_flags_are_not_found_and_the_record_stays(up, version, flags):
    with recorded(up):
        assert find_served(version, flags) is None
        assert len(records()) == 1


def test_the_record_goes_when_the_block_fails(up):
    with pytest.raises(KeyboardInterrupt), recorded(up):
        raise KeyboardInterrupt
    assert records() == []


def test_the_record_of_a_process_that_has_ended_is_removed_without_a_word(up, capfd):
    for version in (VERSION, "sgleval-2"):
        with recorded(dataclasses.replace(up, process=ended_process())):
            assert find_served(version, up.flags) is None
            assert records() == []
    assert capfd.readouterr() == ("", "")


def test_a_server_that_is_just_being_started_again_keeps_its_record(up):
    away = dataclasses.replace(up, url=f"http://127.0.0.1:{free_port()}")
    with recorded(away):
        assert find_served(VERSION, up.flags) is None
        assert len(records()) == 1


@pytest.mark.parametrize("info", [{"weight_version": "other"}, ["odd"]])
def test_another_server_on_the_same_port_is_not_taken(up, info):
    with FakeServer() as other:
        other.info = info
        with recorded(dataclasses.replace(up, url=other.url)):
            assert find_served(VERSION, up.flags) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"url": "http://x"}', '"text"'])
def test_a_record_that_cannot_be_read_is_passed_over(up, text):
    with recorded(up):
        (user_folder("state") / "servers" / "0.json").write_text(text)
        assert find_served(VERSION, up.flags) == up


def test_a_record_holds_what_the_next_command_needs(up):
    with recorded(up):
        assert json.loads(records()[0].read_text()) == dataclasses.asdict(up)


def test_serve_says_that_a_server_is_up_already(up, monkeypatch, tmp_path):
    """With the flags as the model has them: a hub's also names its commit."""
    from sgleval.runtime.model import Model

    model = Model(
        name="org/model",
        identity="",
        template=None,
        facts={"source": "own server", "weight_version": VERSION, "flags": up.flags},
        open=lambda *_: pytest.fail("a second server was started"),
        concurrency=1,
    )
    monkeypatch.setattr(serve, "find_model", lambda *_: model)
    told = []
    with served.recorded(up):
        serve.keep_up("org/model", [], None, None, told.append)
    assert told == [f"org/model is up at {up.url} already"]
