"""The floor: requests ready to be sent, in the ideal order, by as little client as it takes."""

from __future__ import annotations

import http.client
import threading
from collections import deque
from dataclasses import dataclass, field
from urllib.parse import urlsplit

Group = list[bytes]
"""The bodies of the requests about one page."""


@dataclass
class Queue:
    """Of each page one request first; the others when that one is answered, before a new page."""

    groups: deque[Group]
    ready: deque[bytes] = field(default_factory=deque)
    leading: int = 0
    """How many pages wait for their first answer."""
    turn: threading.Condition = field(default_factory=threading.Condition)

    def next(self) -> tuple[bytes, Group | None] | None:
        """Return a body and, for a page's first one, those that follow it; None at the end."""
        with self.turn:
            while not self.ready and not self.groups:
                if not self.leading:
                    return None
                self.turn.wait()
            if self.ready:
                return self.ready.popleft(), None
            self.leading += 1
            leader, *siblings = self.groups.popleft()
            return leader, siblings

    def led(self, siblings: Group) -> None:
        """Hear that a page is in the cache."""
        with self.turn:
            self.leading -= 1
            self.ready.extend(siblings)
            self.turn.notify_all()


def replay(url: str, groups: list[Group], window: int) -> None:
    """Post all bodies to `/generate` with at most `window` of them in flight.

    Raises:
        SystemExit: a reply was not 200.
    """
    queue, problems = Queue(deque(groups)), list[str]()
    workers = [
        threading.Thread(target=_post_all, args=(urlsplit(url).netloc, queue, problems))
        for _ in range(window)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if problems:
        raise SystemExit(problems[0])


def _post_all(address: str, queue: Queue, problems: list[str]) -> None:
    connection = http.client.HTTPConnection(address, timeout=600)
    while (job := queue.next()) is not None:
        body, siblings = job
        connection.request("POST", "/generate", body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        said = reply.read()
        if reply.status != 200:
            problems.append(f"HTTP {reply.status}: {said[:300]!r}")
        if siblings is not None:
            queue.led(siblings)
    connection.close()
