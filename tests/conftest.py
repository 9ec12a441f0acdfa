"""What tests share: folders of their own, and one real SGLang server a session."""

import io
import re
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from PIL import Image as Pillow

SHARED = Path(__file__).parents[1].parent / "shared"


def pytest_addoption(parser):
    parser.addoption("--rewrite-golden", action="store_true", help="Rewrite tests/golden.")


@pytest.fixture
def golden(request):
    """Return a function that compares a text with its file in tests/golden."""

    def compare(name, text):
        path = Path(__file__).parent / "golden" / name
        if request.config.getoption("rewrite_golden"):
            path.write_text(text + "\n", encoding="utf-8")
        assert text + "\n" == path.read_text(encoding="utf-8"), f"{name}: --rewrite-golden?"

    return compare


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a folder with data, a task and a model (`small_project.Project`), as working folder.

    Byte code would hide an edit of the same size in the same second.
    """
    from small_project import Project

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    return Project(tmp_path)


@pytest.fixture(scope="session", autouse=True)
def user_folders(tmp_path_factory):
    """Keep the user's cache and state out of it; servers started by tests inherit this."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        patch.setenv("HF_HUB_OFFLINE", "1")  # a test that needs a hub brings its files
        yield home


@pytest.fixture
def shared():
    """Return the folder of real public samples that lies beside a developer's checkout."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared beside the checkout, where public samples and cases lie")
    return SHARED


def picture(color="white", size=(64, 48), kind="PNG"):
    """Return the bytes of a small picture."""
    page = io.BytesIO()
    Pillow.new("RGB", size, color).save(page, kind)
    return page.getvalue()


SGLEVAL = str(Path(sys.executable).with_name("sgleval"))


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """Keep `sgleval serve` up and return its address; commands for `demo` find it."""
    log = tmp_path_factory.mktemp("serve") / "log.txt"
    with log.open("w") as out:
        process = subprocess.Popen([SGLEVAL, "serve"], stdout=out, stderr=subprocess.STDOUT)
    try:
        yield _address(process, log)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130, log.read_text()


def _address(process, log):
    end = time.monotonic() + 600
    while time.monotonic() < end:
        if found := re.search(r"serving demo at (\S+);", log.read_text()):
            return found[1]
        assert process.poll() is None, log.read_text()
        time.sleep(0.5)
    raise TimeoutError(log.read_text())


@pytest.fixture
def salted(served):
    """Return a function that makes backends for the real server, each with a cache of its own."""
    from sgleval.runtime.client import Client
    from sgleval.runtime.connect import find_model
    from sgleval.runtime.sglang import SglangBackend

    model = find_model(served)
    return lambda: SglangBackend(
        Client(served, 8), model.template, extra={"cache_salt": uuid.uuid4().hex}
    )
