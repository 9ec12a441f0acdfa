"""Ratio and the decorator that turns a pure function into a metric."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Direction = Literal["higher", "lower"]


class Ratio(NamedTuple):
    """One sample's share of a value: a metric's value is Σ numerator / Σ denominator."""

    numerator: float
    denominator: float = 1.0


MetricFunction = Callable[..., Ratio]
PartsFunction = Callable[[str | None, Sequence[str]], dict[str, Ratio]]


@dataclass(frozen=True, slots=True)
class Metric:
    """A pure function `(prediction, answers[, choices]) -> Ratio` with its direction and source.

    `prediction=None` is a sample without an answer and scores the worst value.
    """

    function: MetricFunction
    name: str
    better: Direction
    bounds: tuple[float, float | None]
    """The least and the greatest value; no greatest (None) for error rates."""
    source: str
    parts: PartsFunction | None = None
    """For structured answers: the share of each field beside that of the whole."""

    def __call__(
        self,
        prediction: str | None,
        answers: Sequence[str],
        choices: Mapping[str, str] | None = None,
    ) -> Ratio:
        """Score one answer against the accepted answers; `choices` maps letter to option's text.

        Raises:
            TypeError: the answers are one bare string, which would be taken letter by letter.
            ValueError: there is no accepted answer.
        """
        if isinstance(answers, str):
            raise TypeError(f"answers is the bare string {answers!r}; give a sequence of strings")
        if not answers:
            raise ValueError(f"{self.name}: answers is empty; give at least one accepted answer")
        given = {} if choices is None else {"choices": choices}
        numerator, denominator = self.function(prediction, answers, **given)
        return Ratio(float(numerator), float(denominator))

    @property
    def wants_choices(self) -> bool:
        """Whether the function takes the options as its parameter `choices`."""
        return "choices" in inspect.signature(self.function).parameters


def metric(
    *,
    better: Direction,
    bounds: tuple[float, float | None] = (0, 1),
    source: str,
    parts: PartsFunction | None = None,
) -> Callable[[MetricFunction], Metric]:
    """Attach direction, bounds and source to a metric's function.

    >>> @metric(better="higher", source="by definition")
    ... def starts_alike(prediction, answers):
    ...     return Ratio(prediction is not None and prediction[0] in [a[0] for a in answers])
    >>> starts_alike("cat", ["cow"])
    Ratio(numerator=1.0, denominator=1.0)
    """

    def attach(function: MetricFunction) -> Metric:
        return Metric(function, function.__name__, better, bounds, source, parts)

    return attach


def as_metric(function: Metric | MetricFunction) -> Metric:
    """Take a user's bare function as a metric that is better higher, in [0, 1]."""
    if isinstance(function, Metric):
        return function
    return Metric(function, function.__name__, "higher", (0, 1), "the task file")
