"""How many programs are open at once."""

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any


@dataclass
class Pace:
    """A fixed number of programs."""

    size: int

    @property
    def most(self) -> int:
        """The most that there will ever be."""
        return self.size

    def finished(self, done: Future[Any]) -> None:
        """Hear of a program that has ended."""
