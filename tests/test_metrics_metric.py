import doctest
from string import ascii_uppercase

import pytest

from sgleval.answers import Parsed
from sgleval.errors import UserError
from sgleval.metrics import (
    METRICS,
    Metric,
    Ratio,
    anls,
    as_metric,
    exact_match,
    find_metric,
    metric,
)


def test_a_bare_string_of_answers_is_refused():
    with pytest.raises(TypeError, match="bare string '12'"):
        exact_match("1", "12")


def test_no_accepted_answer_is_refused():
    with pytest.raises(ValueError, match="anls: answers is empty"):
        anls("x", [])


def test_metrics_are_found_by_name():
    assert [find_metric(name).name for name in METRICS] == list(METRICS)


def test_a_typo_in_a_metric_name_suggests_the_nearest():
    with pytest.raises(UserError, match=r"'exact_macth'; did you mean exact_match\?"):
        find_metric("exact_macth")


def test_a_bare_function_is_better_higher_between_0_and_1():
    def shouts(prediction, answers):
        return Ratio(prediction is not None and prediction.isupper())

    metric = as_metric(shouts)
    assert (metric.name, metric.better, metric.bounds) == ("shouts", "higher", (0, 1))
    assert metric.definition == ""
    assert metric("YES", ["yes"]) == (1, 1)
    assert as_metric(metric) is metric


def test_a_metric_that_takes_choices_gets_them_by_letter():
    metric = as_metric(lambda prediction, answers, choices: Ratio(choices["B"] == prediction))
    assert metric.wants_choices
    assert not anls.wants_choices
    assert metric("dog", ["B"], {"A": "cat", "B": "dog"}) == (1, 1)


def test_a_decorated_metric_carries_its_traits():
    @metric(better="lower", source="a paper", group="all", group_size=2, composite="sum")
    def errors(prediction, answers):
        """Count mistakes.

        More text.
        """
        return Ratio(0)

    assert (errors.group, errors.group_size, errors.composite) == ("all", 2, "sum")
    assert (errors.parser, errors.parts, errors.categories) == (None, None, None)
    assert errors.definition == "Count mistakes."
    assert errors.read("text", ["x"]) is None


def test_a_parser_that_needs_them_is_given_the_accepted_answers():
    def by_answers(text, choices, answers):
        return Parsed(text if text in answers else None, "among")

    def by_choices(text, choices):
        return Parsed((choices or {}).get(text), "label")

    plain = metric(better="higher", source="x", parser=by_choices)(lambda prediction, answers: 0)
    other = metric(better="higher", source="x", parser=by_answers)(lambda prediction, answers: 0)
    assert plain.read("A", ["cat"], {"A": "cat"}) == Parsed("cat", "label")
    assert plain.read("A", ["cat"]) == Parsed(None, "label")
    assert other.read("A", ["A"]) == Parsed("A", "among")


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_the_examples_in_the_docstrings_hold(metric: Metric):
    for example in doctest.DocTestFinder().find(
        metric.function, metric.name, globs={metric.name: metric}
    ):
        assert doctest.DocTestRunner().run(example) == (0, len(example.examples))
        assert example.examples


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_each_metric_says_what_it_is_and_where_it_is_from(metric: Metric):
    assert metric.definition.endswith((".", "!"))
    assert metric.source
    assert metric.better in ("higher", "lower", None)
    assert (metric.better is None) == (metric.name == "yes_no_yes_rate")
    assert (metric.better == "lower") == metric.name.startswith(("wer", "cer"))


def test_groups_and_composites_are_those_of_the_definitions():
    assert {m.name: m.group for m in METRICS.values() if m.group} == {
        "multiple_choice_circular": "all",
        "mme_accuracy_plus": "all",
        "mme_perception": "each_and_all",
        "mme_cognition": "each_and_all",
    }
    composites = {m.name: m.composite for m in METRICS.values() if m.composite}
    assert composites == {"pope_f1": "mean", "mme_perception": "sum", "mme_cognition": "sum"}
    assert len(METRICS["mme_perception"].categories) == 10
    assert len(METRICS["mme_cognition"].categories) == 4
    assert METRICS["pope_f1"].categories is None


@pytest.mark.parametrize(
    "metric", [m for m in METRICS.values() if m.parser], ids=lambda metric: metric.name
)
def test_no_text_counts_as_read_that_the_metric_cannot_read(metric: Metric):
    options = dict(zip(ascii_uppercase, ("cat", "dog"), strict=False))
    answers = ['{"a": "1"}'] if metric.name.startswith("json") else ["yes"]
    for text in ("", "Vitamin C is good", "Yes and no", "{", "not sure"):
        found = metric.read(text, answers, options if metric.wants_choices else None)
        assert (found.answer is None) == (found.rule == "none")
