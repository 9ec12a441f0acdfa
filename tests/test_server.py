"""A server of our own: it comes up or says why, is brought back, and leaves nothing behind."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fake_server import FakeServer

from sgleval.errors import RunError, UserError
from sgleval.runtime import server as module
from sgleval.runtime.server import (
    ENVIRONMENT,
    Server,
    environment,
    free_port,
    healthy,
    refuse_busy_port,
    server_flags,
)

pytestmark = pytest.mark.timeout(60)
FAKE = Path(__file__).with_name("fake_server.py")
UP = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
def serve():
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
LEAVES_A_CHILD = """
import subprocess, pathlib
child = subprocess.Popen([sys.executable, "-c", CHILD])
while not pathlib.Path("child").exists():
    pass
pathlib.Path("pids").write_text(str(child.pid))
serve()
"""
SLEEPS = "import pathlib, time; pathlib.Path('child').touch(); time.sleep(99)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "


@pytest.fixture
def made(monkeypatch, tmp_path):
    """Return a function that makes a Server whose command is a Python script; all end here."""
    servers = []
    monkeypatch.chdir(tmp_path)

    def make(code, **fields):
        command = property(lambda self: [sys.executable, "-c", code, str(self.port)])
        monkeypatch.setattr(Server, "command", command)
        servers.append(Server("model", "folder", [], "version", **fields))
        return servers[-1]

    monkeypatch.setattr(module, "STOP_SECONDS", 1.0)
    yield make
    for server in servers:
        server.stop()


def gone(pid, seconds=5.0):
    """Say whether a process ends in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        stat = Path(f"/proc/{pid}/stat")
        with contextlib.suppress(FileNotFoundError):
            if stat.read_text().rpartition(") ")[2][0] != "Z":
                time.sleep(0.02)
                continue
        return True
    return False


# Coming up


def test_a_server_that_ends_at_once_says_why(made):
    server = made("import sys; print('unrecognized arguments: --nonsense'); sys.exit(2)")
    with pytest.raises(RunError) as caught, server.running():
        pass
    assert "ended with exit code 2" in str(caught.value)
    assert str(caught.value).endswith("unrecognized arguments: --nonsense")
    assert server.log.is_file()  # it has more than the message


def test_only_the_end_of_a_long_log_is_shown(made):
    server = made("for n in range(999): print('line', n)")
    with pytest.raises(RunError) as caught:
        server.start()
    lines = str(caught.value).splitlines()
    assert lines[-1] == "line 998"
    assert len(lines) < 30


def test_a_server_is_ready_when_its_health_says_so(monkeypatch, made):
    told = []
    server = made("", tell=told.append)
    command = [sys.executable, str(FAKE), str(server.port), "1"]
    monkeypatch.setattr(Server, "command", command)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    with server.running() as url:
        assert healthy(url)
        assert url == f"http://127.0.0.1:{server.port}"
    assert told[0] == "starting the server, 0 s"
    assert len(told) >= 3
    assert not healthy(url)
    assert not server.log.exists()


@pytest.mark.parametrize("unready", [0, 2])
def test_healthy_means_200(unready):
    with FakeServer(unready=unready) as server:
        assert [healthy(server.url) for _ in range(unready + 1)] == [False] * unready + [True]


def test_nobody_there_is_not_healthy():
    assert not healthy(f"http://127.0.0.1:{free_port()}")


def test_a_server_that_is_never_ready_is_ended(made, monkeypatch):
    monkeypatch.setattr(module, "READY_SECONDS", 0.3)
    server = made("import time; print('loading', flush=True); time.sleep(99)")
    with pytest.raises(RunError, match=r"not ready after 1 s(.|\n)*loading"):
        server.start()
    assert not server.alive()


def test_a_port_that_was_taken_meanwhile_is_given_up_for_another(made):
    taken = "print('[Errno 98] Address already in use')"
    code = f"{UP}\nif int(sys.argv[1]) == {{}}:\n    {taken}\n    sys.exit(1)\nserve()"
    server = made("")
    first = server.port
    type(server).command = property(
        lambda self: [sys.executable, "-c", code.format(first), str(self.port)]
    )
    with server.running() as url:
        assert url != f"http://127.0.0.1:{first}"


def test_a_port_that_the_user_asked_for_is_not_given_up(made):
    server = made("print('address already in use'); exit(1)", port=free_port())
    with pytest.raises(RunError, match="address already in use"):
        server.start()


def test_our_environment_reaches_the_server(made):
    server = made(
        f"{UP}\nimport os, json\nprint(json.dumps(dict(os.environ)), flush=True)\nserve()"
    )
    with server.running():
        text = server.log.read_text()
    for name, value in ENVIRONMENT.items():
        assert f'"{name}": "{value}"' in text
    assert ENVIRONMENT["SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION"] == "0"


# Being brought back


def test_a_dead_server_is_brought_back_three_times(made):
    told = []
    server = made(f"{UP}\nserve()", tell=told.append)
    with server.running() as url:
        for _ in range(3):
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait()
            server.restart()
            assert healthy(url)
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
        with pytest.raises(RunError, match="the server died 4 times; the end of"):
            server.restart()
    assert told.count("the server died; starting it again") == 3


def test_threads_that_find_it_dead_together_start_it_once(made):
    server = made(f"{UP}\nserve()")
    with server.running():
        server.process.kill()
        server.process.wait()
        threads = [threading.Thread(target=server.restart) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server._restarts == 1
        assert server.alive()


def test_a_live_or_a_stopped_server_is_not_started_again(made):
    server = made(f"{UP}\nserve()")
    with server.running():
        process = server.process
        server.restart()
        assert server.process is process
    server.restart()
    assert not server.alive()


def test_stopping_does_not_wait_for_a_restart_under_way(made):
    server = made(f"{UP}\nserve()")
    failed = []

    def restart():
        try:
            server.restart()
        except RunError as error:
            failed.append(str(error))

    with server.running():
        server.process.kill()
        server.process.wait()
        type(server).command = [sys.executable, "-c", "import time; time.sleep(99)"]
        thread = threading.Thread(target=restart)
        thread.start()
        while not server.alive():
            time.sleep(0.01)
        began = time.monotonic()
    assert time.monotonic() - began < 10
    thread.join()
    assert failed == ["the server was stopped while it started"]


# Ending


@pytest.mark.parametrize("stubborn", ["", STUBBORN], ids=["", "SIGTERM ignored"])
def test_stopping_ends_the_whole_group(made, tmp_path, stubborn):
    server = made(f"{UP}\n{stubborn}\nCHILD = {stubborn + SLEEPS!r}\n{LEAVES_A_CHILD}")
    with server.running() as url:
        child = int((tmp_path / "pids").read_text())
        assert not gone(child, 0.1)
    assert gone(child)
    assert not server.alive()
    assert not healthy(url)


def test_children_of_a_server_that_died_end_with_it(made, tmp_path):
    server = made(f"{UP}\nCHILD = {SLEEPS!r}\n{LEAVES_A_CHILD}")
    with server.running():
        child = int((tmp_path / "pids").read_text())
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
    assert gone(child)
    assert server.log.exists()


def test_a_server_ends_when_the_block_fails(made):
    server = made(f"{UP}\nserve()")
    with pytest.raises(KeyboardInterrupt), server.running():
        raise KeyboardInterrupt
    assert not server.alive()


CHILD_OF = """
import subprocess, sys, os, time
child = subprocess.Popen([sys.executable, "-c", '''
import os, sys, time
from sgleval.runtime.launch import die_with_parent
die_with_parent(int(sys.argv[1]))
print("up", flush=True)
time.sleep(99)
''', str(os.getpid())], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(99)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_server_ends_with_the_process_that_started_it_even_after_kill_9():
    with subprocess.Popen([sys.executable, "-c", CHILD_OF], stdout=subprocess.PIPE) as parent:
        child = int(parent.stdout.readline())
        assert not gone(child, 0.1)
        parent.kill()
    assert gone(child)


def test_a_server_whose_parent_is_gone_already_leaves_at_once():
    code = "from sgleval.runtime.launch import die_with_parent; die_with_parent(2**22)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 1


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_server_outlives_the_thread_that_brought_it_back(made):
    server = made(
        f"{UP}\nfrom sgleval.runtime.launch import die_with_parent\n"
        f"die_with_parent({os.getpid()})\nserve()"
    )
    with server.running() as url:
        server.process.kill()
        server.process.wait()
        thread = threading.Thread(target=server.restart)
        thread.start()
        thread.join()
        time.sleep(0.3)
        assert server.alive()
        assert healthy(url)


# Ports and flags


def test_a_port_in_use_is_the_users_mistake():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port}: .*in use; give another --port"):
            refuse_busy_port(port)
    refuse_busy_port(port)


def values(flags, name):
    return [
        word.partition("=")[2] or (*flags, "")[at + 1]
        for at, word in enumerate(flags)
        if word.split("=")[0] == name
    ]


@pytest.mark.parametrize(
    "given",
    [["--random-seed", "7"], ["--random-seed=7"], ["--tp-size", "2", "--random-seed", "7"]],
)
def test_the_users_flags_replace_ours(given):
    flags = server_flags(given)
    assert values(flags, "--random-seed") == ["7"]
    assert flags[-len(given) :] == given
    assert "0" not in flags
    assert "--enable-cache-report" in flags


def test_a_users_switch_is_not_doubled():
    assert server_flags(["--enable-metrics"]).count("--enable-metrics") == 1


@pytest.mark.parametrize("gpu", [True, False])
def test_only_a_machine_without_gpu_gets_the_flags_of_the_cpu(monkeypatch, gpu):
    monkeypatch.setattr(module, "has_gpu", lambda: gpu)
    flags = server_flags([])
    assert values(flags, "--device") == ([] if gpu else ["cpu"])
    assert values(flags, "--attention-backend") == ([] if gpu else ["torch_native"])
    assert values(flags, "--random-seed") == ["0"]


@pytest.mark.parametrize("gpu", [True, False])
def test_only_a_machine_without_gpu_gets_the_environment_of_the_cpu(monkeypatch, gpu):
    monkeypatch.setattr(module, "has_gpu", lambda: gpu)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert environment().get("OMP_WAIT_POLICY") == (None if gpu else "PASSIVE")


def test_a_users_environment_goes_before_that_of_the_cpu(monkeypatch):
    monkeypatch.setattr(module, "has_gpu", lambda: False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert environment()["OMP_WAIT_POLICY"] == "ACTIVE"


def test_the_command_names_model_port_and_version():
    server = Server("org/model", "/models/it", ["--tp-size", "2"], "v1", port=31000)
    try:
        words = server.command
    finally:
        server.stop()
    assert words[:4] == [sys.executable, "-m", "sgleval.runtime.launch", str(os.getpid())]
    for name, value in [
        ("--model-path", "/models/it"),
        ("--served-model-name", "org/model"),
        ("--weight-version", "v1"),
        ("--port", "31000"),
        ("--host", "127.0.0.1"),
        ("--tp-size", "2"),
    ]:
        assert values(words, name) == [value]
