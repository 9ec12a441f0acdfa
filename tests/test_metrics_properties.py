"""What holds for every metric, whatever the model writes."""

import json

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgleval.metrics import METRICS, Metric, Ratio, cer, cer_casefold, wer, wer_casefold

OPTIONS = {"A": "cat", "B": "dog", "C": "Bird", "D": "12.50"}
NOT_PERFECT = ("vqa", "relaxed", "contains")  # one annotator is few; nan is not nan; "" is refused
OPEN = [
    metric
    for metric in METRICS.values()
    if not metric.parser and not metric.name.startswith(NOT_PERFECT)
]

written = (
    st.text(max_size=12)
    | st.text("ab .\"'ß\n", max_size=12)
    | st.text("0123456789.,-%$€() /'", max_size=10)
    | st.sampled_from(["Yes", "no.", "B", "(B)", "A dog", "The answer is C.", "5 марта 2024", "{}"])
    | st.from_regex(r"[0-9]{1,2}[./-][0-9]{1,2}[./-](20)?[0-9]{2}", fullmatch=True)
)
records = st.dictionaries(
    st.sampled_from("abc"), st.sampled_from(["", "1", "x"]) | st.none(), max_size=3
).map(json.dumps)


def accepted(metric: Metric):
    """Return a strategy of what can be accepted under the metric: a list of texts."""
    if metric.name.startswith(("yes_no", "pope", "mme")):
        return st.sampled_from([["yes"], ["no"], ["Yes", "yes"], ["No "]])
    if metric.name.startswith("json"):
        return st.lists(records, min_size=1, max_size=3)
    if metric.name.startswith("contains"):
        return st.lists(st.text("ab1.ß", min_size=1), min_size=1, max_size=3)
    if metric.wants_choices:
        return st.lists(st.sampled_from(["A", "B", "dog", "12", "0.5"]), min_size=1, max_size=3)
    return st.lists(written, min_size=1, max_size=4)


def called(metric: Metric, prediction, answers) -> Ratio:
    return metric(prediction, answers, *([OPTIONS] if metric.wants_choices else []))


asked = st.sampled_from(list(METRICS.values())).flatmap(
    lambda metric: st.tuples(st.just(metric), st.none() | written, accepted(metric))
)


@given(asked)
def test_values_stay_within_the_bounds_and_are_numbers(question):
    metric, prediction, answers = question
    numerator, denominator = called(metric, prediction, answers)
    lower, upper = metric.bounds
    assert denominator >= 0
    assert lower * denominator <= numerator
    assert upper is None or numerator <= upper * denominator


@given(asked)
def test_scoring_twice_is_scoring_once(question):
    assert called(*question) == called(*question)


@given(asked.flatmap(lambda question: st.tuples(st.just(question), st.permutations(question[2]))))
def test_the_order_of_accepted_answers_changes_nothing(drawn):
    (metric, prediction, answers), shuffled = drawn
    one, other = called(metric, prediction, answers), called(metric, prediction, shuffled)
    if metric.name == "json_fields_f1":  # of objects with equal F1 the first one's counts enter
        one, other = (n / d if d else 1.0 for n, d in (one, other))
    assert one == other


@given(asked)
def test_no_prediction_is_never_better_than_another(question):
    metric, prediction, answers = question
    failed, given = called(metric, None, answers), called(metric, prediction, answers)
    if metric.better == "lower":
        assert failed.numerator >= min(1, given.numerator)
    elif metric.better == "higher":
        assert failed.numerator == 0


@pytest.mark.parametrize("metric", OPEN, ids=lambda metric: metric.name)
@given(answers=st.lists(written, min_size=1, max_size=4))
def test_an_accepted_answer_is_perfect(metric, answers):
    ratio = metric(answers[-1], answers)
    perfect = ratio.denominator if metric.better == "higher" else 0
    assert ratio.numerator == perfect


@given(st.lists(st.sampled_from(["red", "Red.", "two", "2", "blue"]), min_size=4, max_size=10))
def test_vqa_accuracy_is_the_mean_over_the_other_annotators(answers):
    same = {"red": "red", "Red.": "red", "two": "2", "2": "2", "blue": "blue"}
    others = [
        sum(same[answer] == "red" for position, answer in enumerate(answers) if position != left)
        for left in range(len(answers))
    ]
    expected = sum(min(1, matching / 3) for matching in others) / len(answers)
    assert METRICS["vqa_accuracy"]("RED", answers).numerator == pytest.approx(expected)


words = st.lists(st.sampled_from(["a", "b", "C."]), max_size=5).map(" ".join)


@given(st.lists(st.tuples(words, words), min_size=1, max_size=6))
def test_summed_ratios_equal_jiwer_over_the_whole_corpus(pairs):
    references, predictions = map(list, zip(*pairs, strict=True))
    for metric, rate in ((wer, jiwer.wer), (cer, jiwer.cer)):
        # Without any reference word jiwer shows the number of insertions; sgleval has no value.
        expected = pytest.approx(rate(references, predictions)) if any(references) else None
        assert value([metric(said, [wanted]) for wanted, said in pairs]) == expected
    folded = [[text.casefold() for text in texts] for texts in (references, predictions)]
    for metric, rate in ((wer_casefold, jiwer.wer), (cer_casefold, jiwer.cer)):
        expected = pytest.approx(rate(*folded)) if any(references) else None
        assert value([metric(said, [wanted]) for wanted, said in pairs]) == expected


def value(ratios: list[Ratio]) -> float | None:
    numerator, denominator = (sum(column) for column in zip(*ratios, strict=True))
    return numerator / denominator if denominator else None
