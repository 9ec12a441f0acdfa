"""Scores of texts and images in pairs, one of which fits: VL-CheckList and Winoground."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    Pairs = Sequence[tuple[float, float] | Sequence[float]]


def pair_accuracy(pairs: Pairs) -> float | None:
    """Return the share of pairs (positive, negative) whose positive scores strictly higher.

    None without pairs (Zhao et al. 2022, VL-CheckList).

    >>> pair_accuracy([(0.9, 0.7), (0.8, 0.6), (0.4, 0.3), (0.6, 0.6)])
    0.75
    """
    return sum(right > wrong for right, wrong in pairs) / len(pairs) if pairs else None


class Judged(NamedTuple):
    """How well texts are told apart that are judged one by one; None where it is 0 / 0."""

    accuracy: float | None
    precision: float | None
    recall: float | None
    f1: float | None


def pair_threshold(pairs: Pairs, threshold: float = 0.5) -> Judged:
    """Judge both texts of each pair (positive, negative) alone: true if above `threshold`.

    >>> pair_threshold([(0.9, 0.7), (0.8, 0.6), (0.4, 0.3), (0.6, 0.6)])
    Judged(accuracy=0.5, precision=0.5, recall=0.75, f1=0.6)
    """
    hits = sum(right > threshold for right, _ in pairs)
    alarms = sum(wrong > threshold for _, wrong in pairs)
    return Judged(
        _ratio(hits + len(pairs) - alarms, 2 * len(pairs)),
        _ratio(hits, hits + alarms),
        _ratio(hits, len(pairs)),
        _ratio(2 * hits, hits + alarms + len(pairs)),
    )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


class Matched(NamedTuple):
    """What of two images and their captions is matched."""

    text: bool
    """Each image prefers its caption."""
    image: bool
    """Each caption prefers its image."""
    group: bool
    """Both."""


def winoground(scores: Sequence[Sequence[float]]) -> Matched:
    """Match two images and two captions by `scores[image][caption]`, where i belongs to i.

    Ties match nothing (Thrush et al. 2022, Winoground).

    >>> winoground([[0.9, 0.2], [0.95, 0.8]])
    Matched(text=False, image=False, group=False)
    """
    (first, second), (third, fourth) = scores
    text = first > second and fourth > third
    image = first > third and fourth > second
    return Matched(text, image, text and image)
