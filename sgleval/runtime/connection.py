"""One HTTP connection that stays open.

urllib3 takes some 200 microseconds of Python for a request, this some 40. Where a server answers at
once, that halves what a program costs, since only one thread at a time runs Python.
"""

import contextlib
import select
import socket
import ssl
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, cast
from urllib.parse import urlsplit

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 1.0  # from here on it is looked whether the server has closed it meanwhile
BUFFER = 1 << 16
MOST_HEADERS = 200

Begun = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server said."""

    status: int
    headers: Mapping[str, str]
    """Their names in lower case."""
    data: bytes


@dataclass
class Connection:
    """A connection to the server of a URL, opened when it is first needed; one thread at a time."""

    url: str
    """`http` or `https`, a host, perhaps a port and a path that all requests begin with."""
    headers: Mapping[str, str]
    seconds: float
    """How long the server may be silent."""
    _socket: socket.socket | None = field(default=None, init=False)
    _reader: BinaryIO | None = field(default=None, init=False)
    _used: float = field(default=0.0, init=False)
    _end: Callable[[], object] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._parts = urlsplit(self.url)
        fields = {"Host": self._parts.netloc.rpartition("@")[2], "Accept": "application/json"}
        lines = [f"{name}: {value}\r\n" for name, value in (fields | dict(self.headers)).items()]
        self._head = "".join(lines).encode("latin-1")

    def close(self) -> None:
        """Close it; the next request opens it again."""
        if self._end is not None:
            self._end()
        self._reader = self._socket = None

    def ask(
        self, method: str, path: str, body: bytes | None = None, begun: Begun | None = None
    ) -> Reply:
        """Send a request with a body of JSON, or without one; return the reply.

        `begun` is called when the first part of a streamed one is there.

        Raises:
            TimeoutError: the server was silent for too long.
            OSError: there is no connection, or it broke, or what came is no HTTP.
        """
        try:
            if self._socket is None or self._is_stale(self._socket):
                self._open()
            reply = self._exchange(method, path, body, begun)
        except BaseException:
            self.close()
            raise
        self._used = time.monotonic()
        if self._has_ended(reply.headers):
            self.close()
        return reply

    def _is_stale(self, connected: socket.socket) -> bool:
        """Say whether the server has ended it, or sent what nobody asked for."""
        if time.monotonic() - self._used < IDLE_SECONDS:
            return False
        return bool(select.select([connected], [], [], 0)[0])

    @staticmethod
    def _has_ended(headers: Mapping[str, str]) -> bool:
        """Say whether the server closes it behind a reply."""
        is_measured = "content-length" in headers or "transfer-encoding" in headers
        return headers.get("connection", "").lower() == "close" or not is_measured

    def _open(self) -> None:
        self.close()
        host, is_secure = self._parts.hostname, self._parts.scheme == "https"
        if host is None or not (is_secure or self._parts.scheme == "http"):
            raise OSError(f"{self.url} is no address")
        address = host, self._parts.port or (443 if is_secure else 80)
        try:
            made = socket.create_connection(address, CONNECT_SECONDS)
        except TimeoutError as error:  # not the silence of one that is there
            raise ConnectionError(f"no connection within {CONNECT_SECONDS:.0f} s") from error
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if is_secure:
            made = ssl.create_default_context().wrap_socket(made, server_hostname=host)
        made.settimeout(self.seconds)
        self._socket, self._reader = made, cast("BinaryIO", made.makefile("rb", BUFFER))
        # no __del__: the collector of cycles might come upon the open socket first
        self._end = weakref.finalize(self, _close, self._reader, made)

    def _exchange(self, method: str, path: str, body: bytes | None, begun: Begun | None) -> Reply:
        assert self._socket is not None
        assert self._reader is not None
        head = f"{method} {self._parts.path.rstrip('/')}{path} HTTP/1.1\r\n".encode() + self._head
        if body is not None:
            head += b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
        head, body = head + b"\r\n", body or b""
        if len(body) < BUFFER:  # in one piece, so in one packet
            head, body = head + body, b""
        self._socket.sendall(head)
        if body:
            self._socket.sendall(body)
        status, headers = _head_of(self._reader)
        while 100 <= status < 200:  # noqa: PLR2004  (only told to wait)
            status, headers = _head_of(self._reader)
        return Reply(status, headers, _body_of(self._reader, headers, begun or (lambda: None)))


def _close(*opened: BinaryIO | socket.socket) -> None:
    for one in opened:
        with contextlib.suppress(OSError):
            one.close()


def _head_of(reader: BinaryIO) -> tuple[int, dict[str, str]]:
    line = reader.readline(BUFFER)
    version, _, rest = line.partition(b" ")
    if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
        raise ConnectionError("closed without a reply" if not line else f"no HTTP: {line[:80]!r}")
    headers = {"connection": "close"} if version == b"HTTP/1.0" else dict[str, str]()
    for _ in range(MOST_HEADERS):
        line = reader.readline(BUFFER)
        if line in {b"\r\n", b"\n"}:
            return int(rest[:3]), headers
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    raise ConnectionError("its reply has no end of headers")


def _body_of(reader: BinaryIO, headers: Mapping[str, str], begun: Begun) -> bytes:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        first = _chunk(reader)
        begun()
        return first and b"".join([first, *iter(lambda: _chunk(reader), b"")])
    length = headers.get("content-length")
    return reader.read() if length is None else _exactly(reader, int(length))


def _chunk(reader: BinaryIO) -> bytes:
    """Return the next chunk of a body, empty at its end."""
    size = int(reader.readline(BUFFER).partition(b";")[0], 16)
    data = _exactly(reader, size)
    while reader.readline(BUFFER) not in {b"\r\n", b"\n", b""}:
        pass  # what may follow the last chunk
    return data


def _exactly(reader: BinaryIO, length: int) -> bytes:
    data = reader.read(length)
    if len(data) < length:
        raise ConnectionError(f"it broke after {len(data)} of {length} bytes")
    return data
