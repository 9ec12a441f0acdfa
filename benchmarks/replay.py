"""The floor: requests ready to be sent, in the ideal order, by as little client as it takes."""

from __future__ import annotations

import http.client
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Page:
    """The bodies of the requests about one page."""

    bodies: deque[bytes]
    left: int = 0
    """How many of them are not answered yet."""

    def __post_init__(self) -> None:
        self.left = len(self.bodies)


@dataclass
class Queue:
    """Of each page one request first; the others when that one is answered, before a new page."""

    pages: deque[Page]
    room: int
    """How many pages may be open."""
    ready: deque[tuple[Page, bytes]] = field(default_factory=deque)
    open: int = 0
    turn: threading.Condition = field(default_factory=threading.Condition)

    def take(self) -> tuple[Page, bytes] | None:
        """Return what to send next, once there is something; None at the end."""
        with self.turn:
            while not self.ready and (self.open == self.room or not self.pages):
                if not self.open:
                    return None
                self.turn.wait()
            if self.ready:
                return self.ready.popleft()
            self.open += 1
            page = self.pages.popleft()
            return page, page.bodies.popleft()

    def answered(self, page: Page) -> None:
        """Hear that a request is done: the page is in the cache, and may be done itself."""
        with self.turn:
            page.left -= 1
            self.open -= not page.left
            while page.bodies:
                self.ready.append((page, page.bodies.popleft()))
            self.turn.notify_all()


def replay(url: str, pages: list[list[bytes]], window: int, room: int) -> None:
    """Post all bodies to `/generate`, at most `window` at once and of at most `room` pages.

    Raises:
        RuntimeError: a reply was not 200.
    """
    queue = Queue(deque(Page(deque(bodies)) for bodies in pages), room)
    with ThreadPoolExecutor(window) as pool:
        workers = [pool.submit(_post_all, urlsplit(url).netloc, queue) for _ in range(window)]
    for worker in workers:
        worker.result()


def _post_all(address: str, queue: Queue) -> None:
    connection = http.client.HTTPConnection(address, timeout=600)
    while (job := queue.take()) is not None:
        page, body = job
        try:
            _post(connection, body)
        finally:
            queue.answered(page)
    connection.close()


def _post(connection: http.client.HTTPConnection, body: bytes) -> None:
    for last in (False, True):
        try:
            connection.request("POST", "/generate", body, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            said = reply.read()
        except ConnectionError:  # the server ends a connection that was idle for five seconds
            connection.close()
            if last:
                raise
        else:
            if reply.status != 200:
                raise RuntimeError(f"HTTP {reply.status}: {said[:300]!r}")
            return
