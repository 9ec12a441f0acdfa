"""Who waits for whom among prompts that begin alike, so that no beginning is computed twice."""

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """What one prompt of a group waits for."""

    leader: int | None
    """The position of the prompt that is answered first; None for the one that goes ahead."""
    gain: int
    """How many tokens would be computed once more if both started together."""


def places(tails: Sequence[Sequence[Hashable]], shared: int) -> list[Place]:
    """Return each prompt's place, given what follows the `shared` tokens that all begin with.

    The tails are read like a trie: where it branches, a prompt of the branch that most have goes
    ahead; of each other branch one waits for it, and leads its own.

    >>> for place in places(["what", "who pays", "who sells", "who sees"], shared=1000):
    ...     print(place.leader, place.gain)
    2 1002
    2 1004
    None 0
    2 1006
    """
    keys = _by_frequency(tails)
    order = sorted(range(len(tails)), key=keys.__getitem__)
    found = [Place(None, 0)] * len(tails)
    above = [(order[0], -shared)]  # each with what it has in common with those before it
    for before, here in pairwise(order):
        alike = _alike(tails[before], tails[here])
        while len(above) > 1 and above[-1][1] >= alike:
            above.pop()
        leader, cached = above[-1]
        found[here] = Place(leader, alike - cached)
        above.append((here, alike))
    return found


def _by_frequency(tails: Sequence[Sequence[Hashable]]) -> list[list[tuple[int, int]]]:
    """Return a key for each tail that sorts the branch that most have first, at every token."""
    nodes: dict[tuple[int, Hashable], int] = {}
    paths = [list(_path(tail, nodes)) for tail in tails]
    count = Counter(node for path in paths for node in path)
    return [[(-count[node], node) for node in path] for path in paths]


def _path(tail: Sequence[Hashable], nodes: dict[tuple[int, Hashable], int]) -> Iterator[int]:
    """Yield the trie's node after each token of a tail, numbered as they come."""
    node = 0
    for token in tail:
        node = nodes.setdefault((node, token), len(nodes) + 1)
        yield node


def _alike(one: Sequence[Any], other: Sequence[Any]) -> int:
    """Return how many items two sequences have in common at their beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))
