"""Metrics over whole columns, for those that are asked of a million predictions.

Each says the same as its function says pair by pair (`tests/test_score_columns.py`); only comparing
and counting is taken out of Python, and what texts are folded to is not called twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from unicodedata import normalize

import polars as pl

from sgleval.metrics import exact_match, exact_match_strict, vqa_accuracy, vqa_accuracy_evalai
from sgleval.metrics.contractions import CONTRACTIONS
from sgleval.metrics.vqa import ARTICLES, NUMBER_WORDS, process, process_evalai
from sgleval.normalize import normalize_text

if TYPE_CHECKING:
    from sgleval.metrics.metric import Metric, MetricFunction

PLAIN = "^[A-Za-z0-9$%&*#:']+( [A-Za-z0-9$%&*#:']+)*$"
"""Words in ASCII with single blanks and without what VQA's scripts call punctuation."""
SPECIAL = [*(f" {word} " for word in (*CONTRACTIONS, *NUMBER_WORDS, *ARTICLES)), "'s"]
"""What VQA's scripts put other text for, though it is plain."""

Fold = Callable[[str], str]
Columnar = Callable[[pl.Series, pl.Series], pl.DataFrame]
"""Takes the predictions (null: none) and their lists of accepted answers, which are not empty;
returns the columns `numerator` and `denominator`."""


def equality(fold: Fold) -> Columnar:
    """Return the columnar form of "equals an accepted answer after `fold`"."""

    def shares(said: pl.Series, accepted: pl.Series) -> pl.DataFrame:
        counts = _matches(_each(said, fold), accepted, lambda answers: _each(answers, fold))
        return counts.select(
            numerator=(pl.col("matching") > 0).cast(pl.Float64), denominator=pl.lit(1.0)
        )

    return shares


def agreement(metric: Metric, process: Fold) -> Columnar:
    """Return the columnar form of a VQA accuracy, which only asks how many of n answers match.

    What k of n are worth, the metric itself says. `process` is its processing of texts; of plain
    words it leaves only the lower case.
    """

    def shares(said: pl.Series, accepted: pl.Series) -> pl.DataFrame:
        counts = _matches(_once(said, process), accepted, lambda answers: _once(answers, process))
        pairs = counts.unique()
        worth = [metric("x", ["x"] * k + ["y"] * (n - k)).numerator for k, n in pairs.rows()]
        worths = pairs.with_columns(numerator=pl.Series(worth, dtype=pl.Float64))
        joined = counts.join(worths, on=["matching", "n"], maintain_order="left")
        return joined.select("numerator", denominator=pl.lit(1.0))

    return shares


def _matches(
    said: pl.Series, accepted: pl.Series, folded: Callable[[pl.Series], pl.Series]
) -> pl.DataFrame:
    """Return `matching` and `n`: how many of each row's accepted answers equal what was said."""
    rows = pl.DataFrame({"said": said, "accepted": accepted}).with_row_index()
    pairs = rows.explode("accepted")
    equal = (pairs["said"] == folded(pairs["accepted"])).fill_null(value=False)  # nothing said
    return (
        pl.DataFrame({"index": pairs["index"], "equal": equal})
        .group_by("index", maintain_order=True)
        .agg(matching=pl.col("equal").sum(), n=pl.len())
        .drop("index")
    )


def _each(texts: pl.Series, fold: Fold) -> pl.Series:
    """Return the texts, each through `fold`; null stays null."""
    found = [None if text is None else fold(text) for text in texts.to_list()]
    return pl.Series(texts.name, found, dtype=pl.String)


def _once(texts: pl.Series, process: Fold) -> pl.Series:
    """Return the texts as VQA's scripts compare them, each distinct one processed once."""
    distinct = pl.DataFrame({"text": texts.unique().drop_nulls()}).with_columns(
        lower=pl.col("text").str.to_lowercase()
    )
    special = pl.concat_str(pl.lit(" "), "lower", pl.lit(" ")).str.contains_any(SPECIAL)
    plain = pl.col("text").str.contains(PLAIN) & ~special
    easy, others = distinct.filter(plain), distinct.filter(~plain)["text"]
    return texts.replace_strict(
        pl.concat([easy["text"], others]),
        pl.concat([easy["lower"], _each(others, process)]),
        default=None,
        return_dtype=pl.String,
    )


COLUMNAR: dict[MetricFunction, Columnar] = {
    exact_match.function: equality(normalize_text),
    exact_match_strict.function: equality(lambda text: normalize("NFC", text).strip()),
    vqa_accuracy.function: agreement(vqa_accuracy, process),
    vqa_accuracy_evalai.function: agreement(vqa_accuracy_evalai, process_evalai),
}
