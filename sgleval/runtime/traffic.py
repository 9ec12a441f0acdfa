"""What was in flight to a server, and when."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Traffic:
    """Follows the requests to one server; threads share it."""

    clock: Callable[[], float] = time.monotonic
    refusals: int = 0
    """How often the server was busy (408, 429, 503) or silent for too long."""
    _in_flight: int = field(default=0, init=False)
    _first: float | None = field(default=None, init=False)
    _last: float = field(default=0.0, init=False)
    _idle: float = field(default=0.0, init=False)
    _area: float = field(default=0.0, init=False)
    """Requests in flight times seconds."""
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __enter__(self) -> None:
        """Count a request as sent."""
        self._change(1)

    def __exit__(self, *_: object) -> None:
        """Count it as answered, or lost."""
        self._change(-1)

    def _change(self, by: int) -> None:
        with self._lock:
            now = self.clock()
            if self._first is None:
                self._first = self._last = now
            passed = now - self._last
            self._area += self._in_flight * passed
            self._idle += passed if self._in_flight == 0 else 0.0
            self._in_flight += by
            self._last = now

    def refused(self) -> None:
        """Count a refusal."""
        with self._lock:
            self.refusals += 1

    @property
    def seconds(self) -> float:
        """The seconds from the first request to the last answer."""
        return self._last - (self._last if self._first is None else self._first)

    @property
    def idle_share(self) -> float | None:
        """The share of these seconds in which no request was in flight; None without any."""
        return self._idle / self.seconds if self.seconds else None

    @property
    def in_flight(self) -> float | None:
        """How many requests were in flight on average; None without any."""
        return self._area / self.seconds if self.seconds else None
