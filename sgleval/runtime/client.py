"""One pooled, timed, retrying HTTP connection per worker."""

import contextlib
import itertools
import json
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError, ReadTimeoutError

from sgleval.runtime.traffic import Traffic

BUSY = frozenset({408, 429, 503})
ONCE, TWICE, OFTEN = (
    1,
    2,
    6,
)  # attempts: a refusal, a failure or silence, a server that is away or busy
CONNECT_SECONDS = 10.0
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
        self._pool = self._connections(self.workers)

    def get(self, path: str) -> Any:
        """Return the JSON that the server has at `path`; asked once.

        Raises:
            RequestError: no answer, or not 200.
        """
        try:
            return self._attempt(self._pool, "GET", path, None)
        except _Failure as failure:
            raise RequestError(str(failure)) from failure.__cause__

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send `body` and return the JSON reply.

        A server that is away or busy (408, 429, 503) is asked five times more with growing pauses,
        one that fails (5xx) or stays silent once more on a fresh connection, one that refuses not.

        Raises:
            RequestError: the last refusal; it becomes the row's `error`.
            RunError: the server is gone for good.
        """
        pool = self._pool
        for attempt in itertools.count(1):
            try:
                return self._attempt(pool, "POST", path, body)
            except _Failure as failure:
                if attempt >= failure.attempts or self.closed.wait(failure.pause(attempt)):
                    raise RequestError(str(failure)) from failure.__cause__
                if failure.away:
                    self.recover()
            pool = self._connections(1)
        raise AssertionError("an attempt returns or raises")

    def _connections(self, number: int) -> urllib3.PoolManager:
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=self.seconds)
        return urllib3.PoolManager(
            maxsize=number,
            block=True,  # forks wait for a connection instead of opening and dropping more
            headers=dict(self.headers),
            timeout=timeout,
            retries=False,
        )

    def _attempt(
        self, pool: urllib3.PoolManager, method: str, path: str, body: Mapping[str, Any] | None
    ) -> Any:
        try:
            with self.traffic:
                reply = pool.request(method, self.url + path, json=body)
        except ReadTimeoutError as error:
            self.traffic.refused()
            raise _Failure(f"no reply within {self.seconds:.0f} s", TWICE) from error
        except HTTPError as error:
            raise _Failure(f"no connection to {self.url}: {error}", OFTEN, away=True) from error
        if reply.status == 200:  # noqa: PLR2004  (HTTP's OK)
            return _json(reply.data)
        problem = f"HTTP {reply.status}: {_words(reply.data)}"
        if reply.status in BUSY:
            self.traffic.refused()
            raise _Failure(problem, OFTEN, pause=_seconds(reply.headers.get("Retry-After")))
        raise _Failure(problem, TWICE if reply.status >= 500 else ONCE)  # noqa: PLR2004  (5xx)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise _Failure(f"HTTP 200 without JSON: {_words(body)}", ONCE) from error


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
