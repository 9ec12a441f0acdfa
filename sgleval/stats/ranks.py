"""Many models on many tasks: how often one beats another, where their units cannot be averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sgleval.metrics.metric import Direction

    Column = Sequence[float | None]

FEWEST = 2
"""Values that a column needs to rank anything."""


def win_rates(values: Column, better: Direction) -> list[float | None]:
    """Return of each value the share of the others that it beats; equal ones count one half.

    None where a value is None, and everywhere if fewer than two values are there (HELM's win rate).

    >>> win_rates([0.5, 0.6, 0.6, 0.9], "higher")
    [0.0, 0.5, 0.5, 1.0]
    """
    sign = 1 if better == "higher" else -1
    known = [sign * value for value in values if value is not None]
    if len(known) < FEWEST:
        return [None] * len(values)
    return [None if value is None else _share_beaten(sign * value, known) for value in values]


def _share_beaten(value: float, known: Sequence[float]) -> float:
    worse, equal = sum(other < value for other in known), known.count(value)
    return (worse + (equal - 1) / 2) / (len(known) - 1)


def mean_win_rate(columns: Sequence[tuple[Column, Direction | None]]) -> list[float | None]:
    """Return of each model the mean of its win rates over the columns.

    A column is one task's values, a model at the same place in each, and its direction. Columns
    without a direction or with fewer than two values are skipped; a model that is in no other has
    None.

    Raises:
        ValueError: columns of different lengths.

    >>> mean_win_rate([([0.5, 0.6, 0.6, 0.9], "higher"), ([0.3, 0.1, 0.2, 0.2], "lower")])
    [0.0, 0.75, 0.5, 0.75]
    """
    ranked = [win_rates(values, better) for values, better in columns if better is not None]
    if len({len(values) for values, _ in columns}) > 1:
        raise ValueError("columns of different lengths; give each model a place in all of them")
    models = len(columns[0][0]) if columns else 0
    return [_mean([rates[model] for rates in ranked]) for model in range(models)]


def _mean(rates: Column) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return sum(known) / len(known) if known else None
