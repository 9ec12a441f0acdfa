"""Metrics: pure functions of an answer and the accepted answers.

Each name has one definition, which its docstring gives; a metric of your own is a function
`(prediction, answers) -> Ratio`, bare or under `@metric`.
"""

from __future__ import annotations

from sgleval.errors import UserError, nearest
from sgleval.metrics.choice import (
    first_letter_accuracy,
    multiple_choice_accuracy,
    multiple_choice_circular,
    scienceqa_accuracy,
)
from sgleval.metrics.date import date_match
from sgleval.metrics.fields import json_fields_f1, json_record_match
from sgleval.metrics.metric import Metric, Ratio, as_metric, metric
from sgleval.metrics.mmmu import mmmu_accuracy
from sgleval.metrics.money import money_match
from sgleval.metrics.number import numeric_match, relaxed_accuracy, relaxed_accuracy_strict_years
from sgleval.metrics.rates import cer, cer_casefold, cer_item_mean, wer, wer_casefold, wer_item_mean
from sgleval.metrics.tables import mathvista_accuracy, mathvista_accuracy_script, tabmwp_accuracy
from sgleval.metrics.text import (
    anls,
    anls_paper,
    contains,
    contains_nospace,
    contains_word,
    exact_match,
    exact_match_strict,
    token_f1,
)
from sgleval.metrics.vqa import vqa_accuracy, vqa_accuracy_evalai, vqa_accuracy_script
from sgleval.metrics.yesno import (
    mme_accuracy,
    mme_accuracy_plus,
    mme_cognition,
    mme_perception,
    pope_f1,
    yes_no_accuracy,
    yes_no_f1,
    yes_no_precision,
    yes_no_recall,
    yes_no_yes_rate,
)
from sgleval.normalize import normalize_text

__all__ = [
    "METRICS",
    "Metric",
    "Ratio",
    "anls",
    "anls_paper",
    "as_metric",
    "cer",
    "cer_casefold",
    "cer_item_mean",
    "contains",
    "contains_nospace",
    "contains_word",
    "date_match",
    "exact_match",
    "exact_match_strict",
    "find_metric",
    "first_letter_accuracy",
    "json_fields_f1",
    "json_record_match",
    "mathvista_accuracy",
    "mathvista_accuracy_script",
    "metric",
    "mme_accuracy",
    "mme_accuracy_plus",
    "mme_cognition",
    "mme_perception",
    "mmmu_accuracy",
    "money_match",
    "multiple_choice_accuracy",
    "multiple_choice_circular",
    "normalize_text",
    "numeric_match",
    "pope_f1",
    "relaxed_accuracy",
    "relaxed_accuracy_strict_years",
    "scienceqa_accuracy",
    "tabmwp_accuracy",
    "token_f1",
    "vqa_accuracy",
    "vqa_accuracy_evalai",
    "vqa_accuracy_script",
    "wer",
    "wer_casefold",
    "wer_item_mean",
    "yes_no_accuracy",
    "yes_no_f1",
    "yes_no_precision",
    "yes_no_recall",
    "yes_no_yes_rate",
]

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *(exact_match, exact_match_strict, contains, contains_word, contains_nospace),
        *(numeric_match, money_match, date_match),
        *(anls, anls_paper, token_f1),
        *(wer, wer_casefold, wer_item_mean, cer, cer_casefold, cer_item_mean),
        *(relaxed_accuracy, relaxed_accuracy_strict_years),
        *(vqa_accuracy, vqa_accuracy_script, vqa_accuracy_evalai),
        *(multiple_choice_accuracy, multiple_choice_circular, first_letter_accuracy),
        *(yes_no_accuracy, yes_no_precision, yes_no_recall, yes_no_f1, yes_no_yes_rate),
        *(json_fields_f1, json_record_match),
        *(pope_f1, mme_accuracy, mme_accuracy_plus, mme_perception, mme_cognition),
        *(mmmu_accuracy, scienceqa_accuracy, tabmwp_accuracy),
        *(mathvista_accuracy, mathvista_accuracy_script),
    )
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
