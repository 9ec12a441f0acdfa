"""An SGLang server of our own: a subprocess on a loopback port, ended on every way out."""

import collections
import contextlib
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import urllib3

from sgleval.digests import user_folder
from sgleval.errors import RunError, UserError
from sgleval.runtime import cpu_platform

READY_SECONDS = 3600.0  # a large model on a slow disk; a server that fails says so at once
STOP_SECONDS = 20.0
RESTARTS = 3

COMMON_FLAGS = (
    *("--random-seed", "0"),
    "--constrained-json-disable-any-whitespace",  # else a JSON grammar admits endless blanks
    "--enable-cache-report",
    "--enable-metrics",
    "--sleep-on-idle",  # an idle scheduler burns most of a core otherwise
    *("--mm-preprocess-cache-size-mb", "256"),  # else every question decodes its image again
)
CPU_FLAGS = (
    *cpu_platform.FLAGS,
    "--skip-server-warmup",
    *("--mem-fraction-static", "0.3"),  # of the whole machine's memory, which others use too
    *("--max-total-tokens", "65536"),  # some 50 receipts
)
ENVIRONMENT = {
    "SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION": "0",  # /health answers in 10 ms
    "SGLANG_FORCE_SHUTDOWN": "1",  # a lost request must not hold up the end,
    "SGLANG_PYSPY_DUMP_BEFORE_CRASH": "0",  # nor five seconds of diagnostics
    "SGLANG_CUDA_COREDUMP_BEFORE_CRASH": "0",
    "TOKENIZERS_PARALLELISM": "false",
}


@functools.cache  # flags and environment ask, and nvidia-smi takes its time
def has_gpu() -> bool:
    """Say whether the machine has an NVIDIA or AMD GPU, without importing torch."""
    if Path("/dev/kfd").exists():
        return True
    if (query := shutil.which("nvidia-smi")) is None:
        return False
    return subprocess.run([query, "-L"], capture_output=True, check=False).stdout.startswith(b"GPU")


def free_port() -> int:
    """Return a loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def refuse_busy_port(port: int) -> None:
    """Raise `UserError` where somebody listens on a port that the user asked for."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UserError(f"port {port}: {error.strerror}; give another --port") from error


def server_flags(user: Sequence[str]) -> list[str]:
    """Return the flags that suit this machine, then the user's, which replace ours."""
    given = {flag.split("=")[0] for flag in user if flag.startswith("--")}
    flags: list[str] = []
    keep = False
    for word in (*COMMON_FLAGS, *(() if has_gpu() else CPU_FLAGS)):
        keep = word not in given if word.startswith("--") else keep
        flags += [word] * keep
    return [*flags, *user]


def environment() -> dict[str, str]:
    """Return the environment of a server on this machine."""
    return ({} if has_gpu() else cpu_platform.ENVIRONMENT) | os.environ | ENVIRONMENT


@dataclass
class Server:
    """One server process; threads may share it."""

    name: str
    """What the server says that it serves."""
    model_path: str
    flags: Sequence[str]
    """What the user passed through, after our own flags for this machine."""
    weight_version: str
    port: int | None = None
    """None takes a free one."""
    tell: Callable[[str], None] = lambda _: None
    """Called about once a second while the server loads."""
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    log: Path = field(init=False)
    _restarts: int = field(default=0, init=False)
    _stopped: bool = field(default=False, init=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False)

    def __post_init__(self) -> None:
        self._fixed = self.port is not None
        self.port = self.port or free_port()
        self.log = user_folder("state") / f"server-{os.getpid()}-{self.port}.log"
        # The kernel ends the server with the thread that started it, so one thread starts them all.
        self._spawner = ThreadPoolExecutor(1, thread_name_prefix="server")

    @property
    def url(self) -> str:
        """The server's address on the loopback interface."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def command(self) -> list[str]:
        """The command line that starts the server."""
        return [
            *(sys.executable, "-m", "sgleval.runtime.launch", str(os.getpid())),
            *("--model-path", self.model_path, "--host", "127.0.0.1", "--port", str(self.port)),
            *("--served-model-name", self.name, "--weight-version", self.weight_version),
            *server_flags(self.flags),
        ]

    def alive(self) -> bool:
        """Say whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start the process and wait until it answers.

        Raises:
            RunError: it ended or was not ready in time; the message closes with the log's tail.
        """
        try:
            self._spawn_and_wait()
        except RunError as error:
            if self._fixed or "address already in use" not in str(error).lower():
                raise
            self.port = free_port()  # somebody took it between our look and the server's bind
            self._spawn_and_wait()

    @contextlib.contextmanager
    def running(self) -> Iterator[str]:
        """Start the server, give its address, and end it on every way out."""
        try:
            self.start()
            yield self.url
        finally:
            self.stop()

    def restart(self) -> None:
        """Bring a dead server back on its port; at most three times a run, then `RunError`."""
        with self._lock:
            if self._stopped or self.alive():
                return
            self._restarts += 1
            if self._restarts > RESTARTS:
                raise RunError(f"the server died {self._restarts} times; {self.tail()}")
            self._end()  # what the dead one left of its group
            self.tell("the server died; starting it again")
            self._spawn_and_wait()

    def stop(self) -> None:
        """End the whole process group; the log goes with it unless the server had failed."""
        self._stopped = True  # before the lock, which a restart in another thread holds
        with self._lock:
            failed = self.process is not None and not self.alive()
            self._end()
            self._spawner.shutdown(wait=False)
            if not failed:
                self.log.unlink(missing_ok=True)

    def tail(self, lines: int = 25) -> str:
        """Return where the log is and its last lines."""
        with contextlib.suppress(FileNotFoundError), self.log.open(errors="replace") as text:
            return f"the end of {self.log}:\n" + "".join(collections.deque(text, lines)).rstrip()
        return f"no log at {self.log}"

    def _spawn_and_wait(self) -> None:
        with self.log.open("wb") as out:
            self.process = self._spawner.submit(
                subprocess.Popen,
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment(),
            ).result()
        try:
            self._wait()
        except BaseException:
            self._end()
            raise

    def _wait(self) -> None:
        began = time.monotonic()
        while not healthy(self.url):
            seconds = time.monotonic() - began
            if not self.alive():
                code = self.process.returncode if self.process else None
                raise RunError(f"the server ended with exit code {code}; {self.tail()}")
            if self._stopped:
                raise RunError("the server was stopped while it started")
            if seconds > READY_SECONDS:
                raise RunError(f"the server was not ready after {seconds:.0f} s; {self.tail()}")
            self.tell(f"starting the server, {seconds:.0f} s")
            time.sleep(0.5)

    def _end(self) -> None:
        if self.process is None:
            return
        for kind, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, kind)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
        self.process.wait()


def healthy(url: str, path: str = "/health", seconds: float = 5.0) -> bool:
    """Say whether a server answers 200."""
    with contextlib.suppress(urllib3.exceptions.HTTPError):
        timeout = urllib3.Timeout(seconds)
        return urllib3.request("GET", url + path, retries=False, timeout=timeout).status == 200  # noqa: PLR2004
    return False
