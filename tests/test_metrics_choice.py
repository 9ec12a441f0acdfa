"""Multiple choice, and the rules of ScienceQA, MMMU, TabMWP and MathVista."""

import pytest

from sgleval.metrics import (
    METRICS,
    first_letter_accuracy,
    mathvista_accuracy,
    mathvista_accuracy_script,
    mmmu_accuracy,
    multiple_choice_accuracy,
    multiple_choice_circular,
    scienceqa_accuracy,
    tabmwp_accuracy,
)
from sgleval.metrics.tables import normalize_tabmwp

ANIMALS = {"A": "cat", "B": "dog", "C": "bird", "D": "a fish"}
LABELLED = [
    multiple_choice_accuracy,
    multiple_choice_circular,
    first_letter_accuracy,
    scienceqa_accuracy,
    mmmu_accuracy,
]


@pytest.mark.parametrize("metric", LABELLED, ids=lambda metric: metric.name)
def test_a_label_is_right_wrong_or_missing(metric):
    assert metric("B", ["B"], ANIMALS) == (1, 1)
    assert metric("B", ["C"], ANIMALS) == (0, 1)
    assert metric("B", ["C", "B"], ANIMALS) == (1, 1)
    for unread in ("", "E", "I cannot see the picture."):
        assert metric(unread, ["B"], ANIMALS) == (0, 1)
        assert metric.read(unread, ["B"], ANIMALS).answer is None
    assert metric(None, ["B"], ANIMALS) == (0, 1)


@pytest.mark.parametrize(
    ("text", "label", "first_letter", "scienceqa", "mmmu"),
    [
        ("(B)", "B", None, None, "B"),
        ("B. dog", "B", "B", "B", None),
        ("B.", "B", "B", None, "B"),
        ("**B**", "B", None, None, None),
        ("A dog", "B", "A", None, "A"),
        ("Bird", "C", "B", None, None),
        ("The answer is B.", "B", None, "B", "B"),
        ("The answer is Bird.", "C", None, "B", None),
        ("The answer is A. No: The answer is B.", "B", None, None, "B"),
        ("Not (A) but (C), I think it is (B) or so", None, None, None, "B"),
        ("I see a dog in front of a cat", None, None, None, "A"),
        ("b", "B", None, None, None),
    ],
)
def test_the_parsers_differ_where_they_should(text, label, first_letter, scienceqa, mmmu):
    metrics = (multiple_choice_accuracy, *LABELLED[2:])
    found = [metric.read(text, ["B"], ANIMALS).answer for metric in metrics]
    assert found == [label, first_letter, scienceqa, mmmu]


@pytest.mark.parametrize("metric", LABELLED[:4], ids=lambda metric: metric.name)
def test_the_text_of_an_option_may_be_accepted_instead_of_its_label(metric):
    assert metric("B", ["Dog"], ANIMALS) == (1, 1)
    assert metric("B", ["dog"], ANIMALS | {"D": "dog"}) == (0, 1)  # of two options
    assert metric("A", ["B"], {"A": "B", "B": "A"}) == (0, 1)  # a label is a label


def test_without_options_any_letter_is_one():
    assert multiple_choice_accuracy("The answer is (F).", ["F"]) == (1, 1)
    assert first_letter_accuracy("Z", ["Z"]) == (1, 1)
    assert scienceqa_accuracy("E", ["E"]) == (1, 1)
    assert scienceqa_accuracy("F", ["F"]) == (0, 1)


@pytest.mark.parametrize(
    ("text", "accepted", "right"),
    [
        ("24", ["24"], True),
        ("The answer is 24.", ["24"], True),
        ("It could be 7, so 1,024", ["1024"], True),
        ("12", ["2"], False),
        ("3.14159", ["3.14"], True),
        ("-1.5e3", ["-1500"], True),
        ("not red", ["red"], True),
        ("the result is x", ["X"], True),
        ("extra", ["x"], False),  # a single letter wants a blank beside it
        ("is x or y", ["x"], True),
        ("y = 5", ["5"], True),
        ("y = 5\nis 7", ["5"], False),  # "=" is a cue in the last line only
        ("so 5\nthen 6", ["6"], False),  # the first line has a cue, the second none
        ("is", ["is"], True),
        ("A", ["2"], False),
    ],
)
def test_open_questions_of_mmmu_are_judged_by_its_script(text, accepted, right):
    assert mmmu_accuracy(text, accepted) == (right, 1)
    assert mmmu_accuracy.read(text, accepted).rule == "open"
    assert mmmu_accuracy.read(" \n", accepted).answer is None


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("$1,000.00", "1000"),
        ("1,000.", "1000"),
        ("+007", "7"),
        ("-3/2", "-1.5"),
        ("2/3/4", "0.667"),
        ("1.0005", "1.0"),
        ("3/0", "3/0"),
        ("/", ""),
        (".,", "."),
        ("12%", "12%"),
        ("1..2", "1..2"),
        ("9" * 5000, "9" * 5000),  # Python reads no more than 4300 digits
        ("7:25 P.M.", "7:25 P.M"),
    ],
)
def test_tabmwp_normalises_numbers(text, normal):
    expected = {"1.0": "1"}.get(normal, normal)
    assert normalize_tabmwp(text) == expected


def test_tabmwp_cuts_a_unit_out_of_text_alone():
    assert normalize_tabmwp("12 apples", "apples") == "12"
    assert normalize_tabmwp("12", "2") == "12"


def test_tabmwp_takes_a_label_for_its_option():
    options = {"A": "shortage", "B": "surplus"}
    for said in ("surplus", "Surplus", "(B)", "b", "B"):
        assert tabmwp_accuracy(said, ["surplus"], options) == (1, 1)
        assert tabmwp_accuracy(said, ["B"], options) == (1, 1)
    assert tabmwp_accuracy.read("C", ["surplus"], options).answer is None
    assert tabmwp_accuracy("C", ["surplus"], options) == (0, 1)
    assert tabmwp_accuracy("x", ["x"], {"A": "x", "B": "y"}) == (1, 1)  # an option, no label
    assert tabmwp_accuracy("C", ["c"]) == (1, 1)  # no options
    assert tabmwp_accuracy(None, ["c"]) == (0, 1)


@pytest.mark.parametrize(
    ("text", "accepted", "plain", "script"),
    [
        ("4", ["4"], 1, 1),
        ("4.0", ["4"], 0, 1),
        ("99.99", ["99"], 0, 1),
        (" -7\n", ["-7"], 1, 1),
        ("1e400", ["4"], 0, 0),
        ("nan", ["4"], 0, 0),
        ("1.239", ["1.24"], 1, 1),
        ("x", ["1.24"], 0, 0),
        ("red", ["red"], 1, 1),
        ("Red", ["red"], 0, 0),
        ("4", ["five", "4"], 1, 1),
        ("", ["4"], 0, 0),
    ],
)
def test_mathvista_reads_what_kind_of_answer_is_accepted(text, accepted, plain, script):
    assert mathvista_accuracy(text, accepted) == (plain, 1)
    assert mathvista_accuracy_script(text, accepted) == (script, 1)


def test_mathvista_counts_what_is_no_number_as_unparsed():
    assert mathvista_accuracy.read("four", ["4"]).answer is None
    assert mathvista_accuracy.read("4.0", ["4"]).answer is None
    assert mathvista_accuracy_script.read("4.0", ["4"]).answer == "4"
    assert mathvista_accuracy.read("four", ["five"]).answer == "four"
    assert mathvista_accuracy.read("four", ["4.0"]).answer is None


@pytest.mark.parametrize(
    ("text", "rule"),
    [("145", "option"), ("B", "label"), ("(b) 1", "label"), ("b", "nearest"), ("(E)", "nearest")],
)
def test_mathvista_falls_back_on_the_nearest_option(text, rule):
    options = {"A": "135", "B": "145"}
    found = METRICS["mathvista_accuracy"].read(text, ["145"], options)
    assert found.rule == rule
    assert found.answer == ("135" if rule == "nearest" else "145")
    assert mathvista_accuracy("B", ["B"], options) == (1, 1)  # a label may be accepted
    assert mathvista_accuracy(None, ["135"], options) == (0, 1)
