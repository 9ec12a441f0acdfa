"""The summary of a foreign file: what `sgleval score FILE` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sgleval.foreign.frames import take
from sgleval.score.groups import CATEGORY, GROUP
from sgleval.score.scores import score
from sgleval.score.summary import summarize

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sgleval.foreign.columns import Columns
    from sgleval.metrics.metric import Metric


def score_file(path: Path, metrics: Sequence[Metric], columns: Columns) -> dict[str, Any]:
    """Score the predictions of a JSONL, JSON, CSV, TSV or Parquet file; return a run's summary.

    A row without a prediction (null) is a failed sample; text is scored without a closed reasoning
    block and white space at its ends. Rows that show the same image, or have the same id, are not
    independent in the intervals. `columns` of the summary says what was read as what; `cost`,
    `reuse`, `efficiency` and `calibration` are null.

    Raises:
        UserError: something is missing or cannot be read; one line that opens with the place.
    """
    with_choices = any(metric.wants_choices or metric.parser is not None for metric in metrics)
    taken, left = take(path, columns, with_choices=with_choices)
    samples, predictions, read = taken.samples(), taken.predictions(), taken.columns
    group, category = read.group or GROUP, read.by or CATEGORY
    scores = score(samples, predictions, metrics, group=group, category=category)
    summary = summarize(samples, predictions, scores, metrics, group=group, category=category)
    # Whatever else is a tag here only says which rows count together.
    summary["groups"] = [row for row in summary["groups"] if row["tag"] == read.by]
    roles = ("prediction", "answers", "choices", "group", "by", "id")
    return {
        "task": path.name,
        "model": read.prediction,
        "note": f"not predicted and not counted: {left} of {columns.gold}" if left else None,
        "complete": not left,
        "n": samples.height,
        "failed": int(predictions["error"].is_not_null().sum()),
        **summary,
        "columns": {role: getattr(read, role) for role in roles},
        "cost": None,
        "reuse": None,
        "cache_check": None,
        "efficiency": None,
        "calibration": None,
    }
