"""Exact and adjusted p-values: McNemar's test of pairs, Holm's correction for many tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def mcnemar(only_a: int, only_b: int) -> float:
    """Return the exact two-sided p-value of two runs that are right on the same number of samples.

    `only_a` and `only_b` count the samples that one run alone has right. Takes them for
    independent, so for one question per image only (McNemar 1947; X ~ Binomial(sum, 1/2)).

    >>> round(mcnemar(2, 10), 9)
    0.038574219
    """
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(only_a, only_b), only_a + only_b, 0.5)))


def holm(p: Sequence[float]) -> list[float]:
    """Return the p-values of one table, adjusted for their number, in the given order (Holm 1979).

    >>> holm([0.01, 0.04, 0.03, 0.005])
    [0.03, 0.06, 0.06, 0.02]
    """
    adjusted, largest = [0.0] * len(p), 0.0
    for done, place in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        largest = max(largest, min(1.0, (len(p) - done) * p[place]))
        adjusted[place] = largest
    return adjusted
