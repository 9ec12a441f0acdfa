"""From journal to tables: the rows of `samples.parquet` and `predictions.parquet`."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from sgleval.answers import UNPARSED, Answer, confidence, option_probabilities
from sgleval.metrics.metric import Ratio
from sgleval.plan import Request
from sgleval.sample import Sample
from sgleval.task import Extract, Task

_COLUMNS: dict[str, Any] = {
    "variant": pl.String,
    "perturbation": pl.String,
    "sample_id": pl.String,
    "answer": pl.String,
    "text": pl.String,
    "rule": pl.String,
    "error": pl.String,
    "finish_reason": pl.String,
    "confidence": pl.Float64,
    "probabilities": pl.List(pl.Struct({"option": pl.String, "p": pl.Float64})),
    "prompt_tokens": pl.UInt32,
    "cached_tokens": pl.UInt32,
    "image_tokens": pl.UInt32,
    "completion_tokens": pl.UInt32,
    "requests": pl.UInt16,
    "seconds": pl.Float64,
    "started_at": pl.Datetime("us", "UTC"),
}
PREDICTIONS = pl.Schema(_COLUMNS)
"""The columns of `predictions.parquet`."""

_TEXTS: dict[str, Any] = {
    "perturbation": pl.String,
    "sample_id": pl.String,
    "question": pl.String,
    "answers": pl.List(pl.String),
    "choices": pl.List(pl.String),
}
COPIES = pl.Schema(_TEXTS)
"""The columns of `copies.parquet`: the texts of a perturbed sample where they are not its own."""

Row = dict[str, Any]


def samples_schema(tags: Iterable[str]) -> pl.Schema:
    """Return the columns of `samples.parquet`; `tags` become the struct's fields, in this order."""
    fields: dict[str, pl.DataType] = dict.fromkeys(tags, pl.String()) or {"_": pl.String()}
    columns: dict[str, Any] = {
        "sample_id": pl.String,
        "image_ids": pl.List(pl.String),
        "question": pl.String,
        "answers": pl.List(pl.String),
        "choices": pl.List(pl.String),
        "tags": pl.Struct(fields),  # polars cannot write a struct without fields, hence `_`
    }
    return pl.Schema(columns)


def sample_row(sample: Sample) -> Row:
    """Return one row of samples."""
    ids = {"sample_id": sample.id, "image_ids": [image.digest[:16] for image in sample.images]}
    return ids | _texts(sample) | {"tags": sample.tags}


def copy_row(name: str, copy: Sample, original: Sample) -> Row | None:
    """Return one row of copies by the perturbation's full name; None if no text was changed."""
    texts = _texts(copy)
    if texts == _texts(original):
        return None
    return {"perturbation": name, "sample_id": copy.id} | texts


def _texts(sample: Sample) -> Row:
    return {
        "question": sample.question,
        "answers": list(sample.answers),
        "choices": list(sample.choices),
    }


def prediction(
    sample: Sample,
    variant: str,
    entry: Mapping[str, Any],
    answer: Answer,
    extract: Extract | None = None,
) -> Row:
    """Return one row of predictions out of what the journal kept of an answer."""
    row: Row = {
        "variant": variant,
        "perturbation": entry["perturbation"],
        "sample_id": sample.id,
        "error": entry["error"],
        "requests": entry["requests"],
        "seconds": entry["seconds"],
        "started_at": dt.datetime.fromisoformat(entry["started_at"]),
        **entry["tokens"],
    }
    if entry["error"] is not None:
        return row
    try:
        text = _text(entry["variables"], extract)
    except Exception as error:  # noqa: BLE001  (`extract` is the user's; the answer is paid for)
        return row | {
            "error": f"{'extract' if extract else 'answer'}: {type(error).__name__}: {error}"
        }
    return row | {"text": text} | _read(sample, text, entry["meta"].get("answer") or {}, answer)


def row_of(task: Task, request: Request, entry: Mapping[str, Any]) -> Row:
    """Return the row of predictions of one of a task's requests."""
    answer = task.answer_of(request.variant)
    return prediction(request.sample, request.variant, entry, answer, task.extract)


def headline(task: Task, request: Request, row: Row) -> Ratio:
    """Return what a row of predictions scores by the task's first metric."""
    metric = task.measures[0]
    return metric.of(row.get("text" if metric.parser else "answer"), request.sample)


def _text(variables: Mapping[str, str], extract: Extract | None) -> str:
    """Return the answer's text out of the program's variables."""
    text = extract(variables) if extract else variables["answer"]
    if not isinstance(text, str):
        raise TypeError(f"returned {text!r:.60}; it must return a str")
    return text


def _read(sample: Sample, text: str, meta: Mapping[str, Any], answer: Answer) -> Row:
    """Parse an answer's text and say how sure the model was of it."""
    parsed = answer.parse(text, sample.choices)
    options = answer.options(sample.choices)
    probabilities = option_probabilities(meta, options)
    return {
        "answer": parsed.answer,
        "rule": UNPARSED.rule if parsed.answer is None else parsed.rule,
        "finish_reason": (meta.get("finish_reason") or {}).get("type"),
        "confidence": confidence(meta, options, probabilities, parsed.answer),
        "probabilities": probabilities
        and [{"option": option, "p": p} for option, p in probabilities.items()],
    }
