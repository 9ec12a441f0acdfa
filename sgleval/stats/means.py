"""Means over groups of unequal size, and how unequal the sizes are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Means(NamedTuple):
    """The mean of the groups' means beside that of all values."""

    macro: float
    flat: float


def macro_mean(groups: Mapping[str, Sequence[float]]) -> Means | None:
    """Return the mean within each group, then over groups, and the mean over all values.

    Groups without values do not count; None if none has any.

    >>> macro_mean({"vg": [0.8, 0.4], "swig": [0.5], "hake": [0.9]})
    Means(macro=0.6666666666666666, flat=0.65)
    """
    known = [values for values in groups.values() if values]
    if not known:
        return None
    values = [value for group in known for value in group]
    return Means(_mean([_mean(group) for group in known]), _mean(values))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def representation_bias(
    counts: Sequence[float], list_sizes: Sequence[float] | None = None
) -> float | None:
    """Return how far from equal the groups are named: the total variation distance to uniform.

    `counts` holds how often each group's words occur; where the lists of words differ in size each
    is divided by its own. From 0 to below 1; None without an occurrence (Liang et al. 2022, HELM).

    >>> representation_bias([3, 1])
    0.25
    """
    sizes = list_sizes or [1] * len(counts)
    rates = [count / size for count, size in zip(counts, sizes, strict=True)]
    total = sum(rates)
    if not total:
        return None
    return sum(abs(rate / total - 1 / len(rates)) for rate in rates) / 2
