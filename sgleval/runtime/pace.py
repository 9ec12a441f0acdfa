"""How many programs are open at once: a fixed number, or as many as make the server quicker."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

MOST = 128
"""SGLang's policy `lpm` stops ordering by prefix where more requests wait."""
BETTER = 1.1  # a rate counts as better from here on: what is less may be chance
FEWEST = 16  # programs that say something of a rate
REST = 5  # rounds until it is tried again whether more would help


@dataclass
class Pace:
    """A window of programs, fixed or adapting to the server.

    An adapting one doubles while programs end at a better rate, goes back to the last size that was
    better when more of them only queue, and tries again later. It halves when the server refuses
    requests or keeps silent, and stays below the size at which it did. Nobody waits for a round.
    """

    size: int
    adapts: bool = False
    refusals: Callable[[], int] = lambda: 0
    """How often the server has been busy (429, 503) or silent for too long so far."""
    clock: Callable[[], float] = time.monotonic
    most: int = field(init=False)
    """The most programs that it will ever let in."""
    _ended: int = field(default=0, init=False)
    _began: float = field(default=0.0, init=False)
    _settled: int = field(default=0, init=False)
    """How many programs end before the rate is that of this size."""
    _best: tuple[float, int] = field(default=(0.0, 0), init=False)
    """The best rate so far, and its size."""
    _doubted: bool = field(default=False, init=False)
    _refused: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.most = max(self.size, MOST) if self.adapts else self.size
        self._settled = self.size  # all the first ones lead, which takes longer than to follow

    def finished(self) -> None:
        """Hear that a program has ended."""
        if not self.adapts:
            return
        if (refused := self.refusals()) > self._refused:
            self._refused = refused
            self.most = max(1, self.size - 1)
            self._try(max(1, self.size // 2), rounds=REST)
        self._ended += 1
        if self._ended == self._settled:
            self._began = self.clock()
        elif self._ended >= self._settled + max(2 * self.size, FEWEST):
            self._judge((self._ended - self._settled) / max(self.clock() - self._began, 1e-9))

    def _judge(self, rate: float) -> None:
        best, size = self._best
        if rate > BETTER * best:
            self._best = rate, self.size
            self._try(min(2 * self.size, self.most))
        elif not self._doubted:
            self._try(self.size)
            self._doubted = True  # one round may have had the long programs
        else:
            self._try(size, rounds=REST)

    def _try(self, size: int, rounds: int = 0) -> None:
        """Go on with a size; after so many rounds at it all rates are measured anew."""
        self._ended, self._doubted = 0, False
        self._settled = max(1, self.size, rounds * 2 * size)
        if rounds:
            self._best = 0.0, size
        self.size = size
