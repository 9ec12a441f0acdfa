"""Ratio and the decorator that turns a pure function into a metric."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from string import ascii_uppercase
from typing import TYPE_CHECKING, Literal, NamedTuple, TypedDict, Unpack

if TYPE_CHECKING:
    from sgleval.answers.answer import Parsed
    from sgleval.sample import Sample

Direction = Literal["higher", "lower"]
Group = Literal["all", "each_and_all"]
Composite = Literal["mean", "sum"]


class Ratio(NamedTuple):
    """One sample's share of a value: a metric's value is Σ numerator / Σ denominator."""

    numerator: float
    denominator: float = 1.0


MetricFunction = Callable[..., Ratio]
PartsFunction = Callable[[str | None, Sequence[str]], dict[str, Ratio]]
Parser = Callable[..., "Parsed"]
"""`(text, choices) -> Parsed` reads an answer out of what a model wrote; `choices` maps letter to
option's text and is None without options. One that reads text as the kind of thing that the
accepted answer is takes a third parameter `answers`."""


class Traits(TypedDict, total=False):
    """What few metrics have; see the fields of `Metric`."""

    parts: PartsFunction | None
    parser: Parser | None
    group: Group | None
    group_size: int | None
    composite: Composite | None
    categories: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Metric:
    """A pure function `(prediction, answers[, choices]) -> Ratio` with its direction and source.

    `prediction=None` is a sample without an answer and scores the worst value.
    """

    function: MetricFunction
    name: str
    better: Direction | None
    """None where neither direction is better, as for the share of yes."""
    bounds: tuple[float, float | None]
    """The least and the greatest Σ / Σ; no greatest (None) for error rates. A composite "sum" is at
    most this times its categories."""
    source: str
    parts: PartsFunction | None = None
    """For structured answers: the share of each field beside that of the whole."""
    parser: Parser | None = None
    """The metric's own way to read text. Such a metric is given what the model wrote (without
    reasoning, stripped) and not what the answer type read in it, and calls the parser itself."""
    group: Group | None = None
    """Samples that count together, such as the rotations of one question; with m the least
    numerator among a group's k members, "all" makes each member's ratio (m / k) / (1 / k) and
    "each_and_all" adds m to its numerator."""
    group_size: int | None = None
    """The only number of members that a group may have, where there is one."""
    composite: Composite | None = None
    """A second step: the mean, or the sum, of the values (Σ / Σ) of a column's categories."""
    categories: tuple[str, ...] | None = None
    """The only categories that the composite takes; others are ignored, absent ones add nothing."""

    def __call__(
        self,
        prediction: str | None,
        answers: Sequence[str],
        choices: Mapping[str, str] | None = None,
    ) -> Ratio:
        """Score one answer against the accepted answers; `choices` maps letter to option's text.

        Of a metric with a `group` this is the member's own ratio, before the group is known.

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

    def of(self, prediction: str | None, sample: Sample) -> Ratio:
        """Score one answer to `sample`, with its lettered options where the metric takes them."""
        if not self.wants_choices:
            return self(prediction, sample.answers)
        return self(
            prediction,
            sample.answers,
            dict(zip(ascii_uppercase, sample.choices, strict=False)),
        )

    def read(
        self, text: str, answers: Sequence[str], choices: Mapping[str, str] | None = None
    ) -> Parsed | None:
        """Return what the metric's parser finds in `text`; None for a metric without a parser."""
        if self.parser is None:
            return None
        given = {"answers": answers} if _takes(self.parser, "answers") else {}
        return self.parser(text, choices, **given)

    @property
    def wants_choices(self) -> bool:
        """Whether the function takes the options as its parameter `choices`."""
        return _takes(self.function, "choices")

    @property
    def definition(self) -> str:
        """The first line of the function's docstring, or nothing."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]


@cache  # a signature takes longer than most metrics
def _takes(function: Callable[..., object], parameter: str) -> bool:
    return parameter in inspect.signature(function).parameters


def metric(
    *,
    better: Direction | None,
    bounds: tuple[float, float | None] = (0, 1),
    source: str,
    **traits: Unpack[Traits],
) -> Callable[[MetricFunction], Metric]:
    """Attach direction, bounds, source, and where there are such the traits of `Metric`.

    >>> @metric(better="higher", source="by definition")
    ... def starts_alike(prediction, answers):
    ...     return Ratio(prediction is not None and prediction[0] in [a[0] for a in answers])
    >>> starts_alike("cat", ["cow"])
    Ratio(numerator=1.0, denominator=1.0)
    """

    def attach(function: MetricFunction) -> Metric:
        return Metric(function, function.__name__, better, bounds, source, **traits)

    return attach


def as_metric(function: Metric | MetricFunction) -> Metric:
    """Take a user's bare function as a metric that is better higher, in [0, 1]."""
    if isinstance(function, Metric):
        return function
    return Metric(function, function.__name__, "higher", (0, 1), "the task file")
