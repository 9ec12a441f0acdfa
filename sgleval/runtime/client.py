"""One pooled, timed, retrying HTTP connection per worker."""

import contextlib
import itertools
import json
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from queue import LifoQueue
from typing import Any

import orjson

from sgleval.runtime.connection import Begun, Connection, Reply
from sgleval.runtime.traffic import Traffic

BUSY = frozenset({408, 429, 503})
ONCE, TWICE, OFTEN = (
    1,
    2,
    6,
)  # attempts: a refusal, a failure or silence, a server that is away or busy
LONGEST_PAUSE = 30.0  # a server may ask for hours


class RequestError(Exception):
    """A request that got no answer; the text is the server's words, or what happened instead."""


class _Failure(Exception):  # noqa: N818  (caught here, never seen outside)
    """One attempt that failed, how many attempts its kind deserves, and the pause it asks for."""

    def __init__(
        self, problem: str, attempts: int, *, away: bool = False, pause: float | None = None
    ) -> None:
        super().__init__(problem)
        self.attempts, self.away, self.asked_pause = attempts, away, pause

    def pause(self, attempt: int) -> float:
        """Return the seconds before the next attempt: none after a failure, else growing."""
        if self.attempts < OFTEN:
            return 0.0
        backoff = random.uniform(0.5, 1.0) * 2.0 ** (attempt - 1)
        return min(LONGEST_PAUSE, max(backoff, self.asked_pause or 0.0))


@dataclass
class Client:
    """Speaks JSON with one server; threads share it, each with a connection out of the pool."""

    url: str
    workers: int = 1
    """How many connections are kept open."""
    seconds: float = 600.0
    """How long one reply may take."""
    headers: Mapping[str, str] = field(default_factory=dict)
    recover: Callable[[], None] = lambda: None
    """Called when no connection came about: returns once the server is there, or raises."""
    closed: threading.Event = field(default_factory=threading.Event)
    """Set when the run ends, so that no thread goes on trying."""

    traffic: Traffic = field(default_factory=Traffic)
    """What is in flight; whoever wants to know of a span of time puts a new one here."""

    def __post_init__(self) -> None:
        self._connections: LifoQueue[Connection] = LifoQueue()
        for _ in range(self.workers):
            self._connections.put(self._connection())

    def _connection(self) -> Connection:
        return Connection(self.url, self.headers, self.seconds)

    def get(self, path: str) -> Any:
        """Return the JSON that the server has at `path`; asked once.

        Raises:
            RequestError: no answer, or not 200.
        """
        try:
            with self._kept() as connection:
                return self._attempt(connection, "GET", path)
        except _Failure as failure:
            raise RequestError(str(failure)) from failure.__cause__

    def post(self, path: str, body: Mapping[str, Any], begun: Begun | None = None) -> Any:
        """Send `body` and return the JSON reply; of a streamed one the last event.

        `begun` is called when its first event is there, in each attempt.

        A server that is away or busy (408, 429, 503) is asked five times more with growing pauses,
        one that fails (5xx) or stays silent once more on a fresh connection, one that refuses not.

        Raises:
            RequestError: the last refusal; it becomes the row's `error`.
            RunError: the server is gone for good.
        """
        content = _content(body)
        for attempt in itertools.count(1):
            try:
                with self._kept() if attempt == 1 else closing(self._connection()) as connection:
                    return self._attempt(connection, "POST", path, content, begun)
            except _Failure as failure:
                if attempt >= failure.attempts or self.closed.wait(failure.pause(attempt)):
                    raise RequestError(str(failure)) from failure.__cause__
                if failure.away:
                    self.recover()
        raise AssertionError("an attempt returns or raises")

    @contextmanager
    def _kept(self) -> Iterator[Connection]:
        """Give one of the open connections; forks wait for one instead of opening more."""
        connection = self._connections.get()
        try:
            yield connection
        finally:
            self._connections.put(connection)

    def _attempt(
        self,
        connection: Connection,
        method: str,
        path: str,
        content: bytes | None = None,
        begun: Begun | None = None,
    ) -> Any:
        try:
            with self.traffic:
                reply = _unstreamed(connection.ask(method, path, content, begun))
        except TimeoutError as error:
            self.traffic.refused()
            raise _Failure(f"no reply within {self.seconds:.0f} s", TWICE) from error
        except (OSError, ValueError) as error:  # the latter for what is no HTTP
            raise _Failure(f"no connection to {self.url}: {error}", OFTEN, away=True) from error
        if reply.status == 200:  # noqa: PLR2004  (HTTP's OK)
            return _json(reply.data)
        problem = f"HTTP {reply.status}: {_words(reply.data)}"
        if reply.status in BUSY:
            self.traffic.refused()
            raise _Failure(problem, OFTEN, pause=_seconds(reply.headers.get("retry-after")))
        raise _Failure(problem, TWICE if reply.status >= 500 else ONCE)  # noqa: PLR2004  (5xx)


def _content(body: Mapping[str, Any]) -> bytes:
    """Return JSON; a page of a megabyte costs the standard library three milliseconds."""
    try:
        return orjson.dumps(body)
    except TypeError:  # half a surrogate pair, which is no UTF-8
        return json.dumps(body).encode()


def _json(body: bytes) -> Any:
    for loads in (orjson.loads, json.loads):  # the second one reads NaN, too
        with contextlib.suppress(ValueError):
            return loads(body)
    raise _Failure(f"HTTP 200 without JSON: {_words(body)}", ONCE)


def _unstreamed(reply: Reply) -> Reply:
    """Return a stream of SGLang's events as the reply that it would have been without streaming.

    Raises:
        ValueError: it broke off.
    """
    if not reply.headers.get("content-type", "").startswith("text/event-stream"):
        return reply
    events = [line[6:] for line in reply.data.splitlines() if line.startswith(b"data: ")]
    if len(events) == 1 or events[-1:] != [b"[DONE]"]:
        raise ValueError("the stream of its reply broke off")
    said = _json(events[-2])
    reason = (said.get("meta_info") or {}).get("finish_reason") or {}
    problem = said.get("error") or (reason if reason.get("status_code") else None)
    if problem is None:
        return Reply(200, {}, events[-2])
    status = problem.get("code") or problem.get("status_code") if isinstance(problem, dict) else 400
    return Reply(status or 400, {}, orjson.dumps({"error": problem}))


def _words(body: bytes) -> str:
    """Return what a server says in an error: one of SGLang's JSON shapes, or plain text."""
    text = body.decode(errors="replace")
    with contextlib.suppress(ValueError, AttributeError):
        error = json.loads(text)
        error = error.get("error") or error.get("message") or error.get("detail") or text
        text = str(error.get("message", error) if isinstance(error, dict) else error)
    return " ".join(text.split())[:500]


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after and retry_after.isdecimal() else None
