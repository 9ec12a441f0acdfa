import pytest

from sgleval.errors import UserError
from sgleval.metrics import (
    METRICS,
    mme_accuracy,
    mme_cognition,
    mme_perception,
    pope_f1,
    yes_no_accuracy,
    yes_no_f1,
    yes_no_precision,
    yes_no_recall,
    yes_no_yes_rate,
)

YES_NO = [name for name in METRICS if name.startswith(("yes_no", "mme", "pope"))]


MEASURES = (yes_no_accuracy, yes_no_precision, yes_no_recall, yes_no_f1, yes_no_yes_rate)


@pytest.mark.parametrize(
    ("said", "gold", "expected"),
    [
        ("Yes.", "yes", [(1, 1), (1, 1), (1, 1), (2, 2), (1, 1)]),
        ("Yes", "no", [(0, 1), (0, 1), (0, 0), (0, 1), (1, 1)]),
        ("NO", "yes", [(0, 1), (0, 0), (0, 1), (0, 1), (0, 1)]),
        ("There is no dog", "No", [(1, 1), (0, 0), (0, 0), (0, 0), (0, 1)]),
        ("not sure", "yes", [(0, 1), (0, 0), (0, 1), (0, 1), (0, 1)]),
        ("", "no", [(0, 1), (0, 0), (0, 0), (0, 0), (0, 1)]),
        (None, "yes", [(0, 1), (0, 0), (0, 1), (0, 1), (0, 1)]),
        (None, "no", [(0, 1), (0, 0), (0, 0), (0, 0), (0, 1)]),
    ],
)
def test_each_measure_gets_its_ratio(said, gold, expected):
    assert [measure(said, [gold]) for measure in MEASURES] == expected


@pytest.mark.parametrize(
    ("text", "plain", "pope", "mme"),
    [
        ("Yes", "yes", "yes", "yes"),
        ("no", "no", "no", "no"),
        ("NO", "no", "yes", "no"),
        ("not sure", None, "no", "no"),
        ("notice", None, "yes", "no"),
        ("The answer is yes", "yes", "yes", None),
        ("It is not. Yes", "yes", "no", None),
        ("Yes, there is no doubt", "yes", "no", "yes"),
        ("eyes", None, "yes", "yes"),
        ("no yes", None, "no", "no"),
        ("", None, "yes", None),
    ],
)
def test_the_three_rules_differ_where_they_should(text, plain, pope, mme):
    metrics = (yes_no_accuracy, pope_f1, mme_accuracy)
    assert [metric.read(text, ["yes"]).answer for metric in metrics] == [plain, pope, mme]


@pytest.mark.parametrize(
    ("said", "gold", "expected"),
    [
        ("Yes", "yes", (2, 2)),
        ("Yes", "no", (0, 1)),
        ("No", "yes", (0, 1)),
        ("No", "no", (0, 0)),
        ("", "yes", (2, 2)),
        (None, "yes", (0, 1)),
        (None, "no", (0, 1)),  # an error is one, whatever was right
    ],
)
def test_pope_counts_true_negatives_nowhere(said, gold, expected):
    assert pope_f1(said, [gold]) == expected


@pytest.mark.parametrize("metric", [mme_perception, mme_cognition], ids=lambda metric: metric.name)
def test_an_answer_of_mme_is_worth_a_hundred_before_its_image_is_known(metric):
    assert metric("yes", ["Yes"]) == (100, 1)
    assert metric("no", ["Yes"]) == (0, 1)
    assert metric("who knows", ["No"]) == (0, 1)
    assert metric(None, ["No"]) == (0, 1)


@pytest.mark.parametrize("name", [name for name in YES_NO if name != "yes_no_yes_rate"])
@pytest.mark.parametrize("answers", [["maybe"], ["yes", "no"], [""], ["B"]])
def test_an_accepted_answer_that_is_neither_is_refused(name, answers):
    for prediction in ("yes", None):
        with pytest.raises(UserError, match=f"{name}: the accepted answers are .*; give yes or no"):
            METRICS[name](prediction, answers)
