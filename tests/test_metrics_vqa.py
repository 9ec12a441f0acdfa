import pytest

from sgleval.metrics import vqa_accuracy, vqa_accuracy_evalai, vqa_accuracy_script
from sgleval.metrics.contractions import CONTRACTIONS
from sgleval.metrics.vqa import process

ALL_THREE = [vqa_accuracy, vqa_accuracy_script, vqa_accuracy_evalai]


@pytest.mark.parametrize("metric", ALL_THREE, ids=lambda metric: metric.name)
@pytest.mark.parametrize(("matching", "expected"), list(enumerate([0, 0.3, 0.6, 0.9, 1, 1, 1])))
def test_each_annotator_counts_the_others(metric, matching, expected):
    answers = ["red"] * matching + ["blue"] * (10 - matching)
    assert metric("red", answers) == pytest.approx((expected, 1))
    assert metric(None, answers) == (0, 1)
    assert metric("", answers) == (0, 1)


@pytest.mark.parametrize(
    ("text", "processed"),
    [
        (" The\nRed\tCar ", "red car"),
        ("red,white", "red white"),
        ("red, white", "red white"),  # the mark touches a blank: deleted
        ("red, white/blue", "red white blue"),
        ("1,000 (net)", "1000 net"),  # a number with a comma: all marks are deleted
        ("a-1,000", "a1000"),
        ("3.", "3"),
        ("3.5.", "3.5"),
        ("u.s.a", "usa"),
        ("." * 40 + "x", "." * 8 + "x"),  # 32 of them
        ("None of ten", "0 of 10"),
        ("eleven", "eleven"),
        ("dont", "don't"),
        ("somebody'd", "somebodyd"),
        ("Im", "im"),  # the entry has a capital, the words have none
        ("12:30 $5 50% & #1 john's", "12:30 $5 50% & #1 john's"),
        ("{x}!?", "x"),
        ("an", ""),
    ],
)
def test_text_is_processed_as_by_the_script(text, processed):
    assert process(text) == processed


def test_the_table_of_contractions_has_its_120_entries():
    assert len(CONTRACTIONS) == 120
    assert CONTRACTIONS["y'alld've"] == "y'all'd've"
    assert CONTRACTIONS["'ows'at"] == "'ow's'at"
    assert CONTRACTIONS["Id've"] == "I'd've"


@pytest.mark.parametrize(
    ("prediction", "answers", "always", "script", "evalai"),
    [
        ("Red", ["red"] * 10, 1, 0, 1),
        ("3.", ["3"] * 10, 1, 0, 1),
        (" red\n", ["red"] * 10, 1, 1, 1),
        ("Red", ["red"] * 9 + ["x"], 1, 1, 1),
        ("red,white", ["red white"] * 9 + ["x"], 1, 1, 0),
        ("red", ["red"], 1, 0, 0),
        ("Red.", ["red", "blue"], 1, 1 / 6, 1 / 6),
        ("red", ["red"] * 3, 1, 2 / 3, 2 / 3),
        ("red", ["red"] * 4, 1, 1, 1),
        ("what's", ["what 's"] * 10, 0, 0, 1),
    ],
)
def test_the_three_differ_where_they_should(prediction, answers, always, script, evalai):
    values = [metric(prediction, answers).numerator for metric in ALL_THREE]
    assert values == pytest.approx([always, script, evalai])
