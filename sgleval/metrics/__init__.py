"""Metrics: pure functions of an answer and the accepted answers.

Each name has one definition, which its docstring gives; a metric of your own is a function
`(prediction, answers) -> Ratio`, bare or under `@metric`.
"""

from __future__ import annotations

from sgleval.errors import UserError, nearest
from sgleval.metrics.fields import json_fields_f1
from sgleval.metrics.metric import Metric, Ratio, as_metric, metric
from sgleval.metrics.text import anls, cer, exact_match, normalize_text, wer

__all__ = [
    "METRICS",
    "Metric",
    "Ratio",
    "anls",
    "as_metric",
    "cer",
    "exact_match",
    "find_metric",
    "json_fields_f1",
    "metric",
    "normalize_text",
    "wer",
]

METRICS: dict[str, Metric] = {
    "exact_match": exact_match,
    "anls": anls,
    "wer": wer,
    "cer": cer,
    "json_fields_f1": json_fields_f1,
}
"""The metrics that `--metric NAME` knows beside the task's own."""


def find_metric(name: str) -> Metric:
    """Return the metric of that name.

    Raises:
        UserError: there is none; the message names the nearest.
    """
    if name not in METRICS:
        raise UserError(f"no metric is called {name!r}; {nearest(name, METRICS)}")
    return METRICS[name]
