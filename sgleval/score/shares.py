"""What one metric says of each prediction: its numerator and denominator, in columns."""

from __future__ import annotations

import inspect
from string import ascii_uppercase
from typing import TYPE_CHECKING

import polars as pl

from sgleval.answers.answer import UNPARSED
from sgleval.errors import UserError
from sgleval.score.columns import COLUMNAR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sgleval.metrics.metric import Metric, Ratio

Options = dict[str, str] | None
Share = tuple[int, str | None, float, float, str | None, str | None]

SHARE = {
    "part": pl.String,
    "numerator": pl.Float64,
    "denominator": pl.Float64,
    "parsed": pl.String,
    "rule": pl.String,
}


def shares(metric: Metric, asked: pl.DataFrame) -> pl.DataFrame:
    """Return the rows `asked` with `part, numerator, denominator, parsed, rule`.

    `asked` has `sample_id, answer, text, answers, choices` and may have more. A row whose metric
    has parts is followed by one for each of them.

    Raises:
        UserError: an accepted answer that the metric cannot read; names the sample.
    """
    said = "answer" if metric.parser is None else "text"
    columnar = COLUMNAR.get(metric.function)
    if columnar is not None:
        values = columnar(asked[said], asked["answers"])
        nothing = (
            pl.lit(None, dtype=SHARE[name]).alias(name) for name in ("part", "parsed", "rule")
        )
        return asked.with_columns(values.get_columns()).with_columns(*nothing)
    given = [said, "answers", *(["choices"] if metric.wants_choices or metric.parser else [])]
    combinations = asked.unique(given, keep="first", maintain_order=True).with_row_index("given")
    known = combinations.select("given", *given)
    values = pl.DataFrame(
        list(_shares(metric, combinations, said)),
        schema={"given": combinations.schema["given"], **SHARE},
        orient="row",
    )
    return asked.join(known, on=given, how="left", nulls_equal=True, maintain_order="left").join(
        values, on="given", how="left", maintain_order="left_right"
    )


def _shares(metric: Metric, combinations: pl.DataFrame, said: str) -> Iterator[Share]:
    function, parts = _called(metric), metric.parts
    lettered = metric.wants_choices or metric.parser is not None
    columns = ["given", "sample_id", said, "answers", *(["choices"] if lettered else [])]
    for given, sample_id, text, answers, *texts in combinations.select(columns).iter_rows():
        options = dict(zip(ascii_uppercase, texts[0] or (), strict=False)) if lettered else None
        try:
            numerator, denominator = function(text, answers, options or None)
            fields = parts(text, answers) if parts else {}
        except UserError as error:
            raise UserError(f"sample {sample_id!r}: {error}") from error
        parsed, rule = _read(metric, text, answers, options or None)
        yield given, None, float(numerator), float(denominator), parsed, rule
        for part, share in fields.items():
            yield given, part, *share, None, None


def _read(
    metric: Metric, text: str | None, answers: Sequence[str], options: Options
) -> tuple[str | None, str | None]:
    """Return what the metric's own parser reads, and its rule; nothing for metrics without."""
    if metric.parser is None:
        return None, None
    parsed = metric.read(text, answers, options) if text is not None else None
    parsed = parsed or UNPARSED
    return parsed.answer, UNPARSED.rule if parsed.answer is None else parsed.rule


def _called(metric: Metric) -> Callable[[str | None, Sequence[str], Options], Ratio]:
    """Return the metric's function with the options where it takes them."""
    function = metric.function
    parameter = inspect.signature(function).parameters.get("choices")
    if parameter is None:
        return lambda text, answers, _: function(text, answers)
    if parameter.default is parameter.empty:  # a user's function that has to be given some
        return lambda text, answers, options: function(text, answers, choices=options or {})
    return lambda text, answers, options: function(text, answers, choices=options)
