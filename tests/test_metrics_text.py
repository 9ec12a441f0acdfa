import doctest
import json
from pathlib import Path

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgleval.errors import UserError
from sgleval.metrics import (
    METRICS,
    Metric,
    Ratio,
    anls,
    as_metric,
    cer,
    exact_match,
    find_metric,
    normalize_text,
    wer,
)

SHARED = Path(__file__).parents[1].parent / "shared"
TEXT_METRICS = (exact_match, anls, wer, cer)

text = st.text(max_size=12) | st.text("ab .\"'ß\n", max_size=12)
answers = st.lists(text, min_size=1, max_size=4)
metrics = st.sampled_from(TEXT_METRICS)


def case_file(name: str) -> dict:
    path = SHARED / "reference" / "cases" / f"{name}.json"
    if not path.exists():
        pytest.skip(f"no {path.name} of the reference cases beside the repository")
    return json.loads(path.read_text(encoding="utf-8"))


def value(ratios: list[Ratio]) -> float | None:
    numerator, denominator = (sum(column) for column in zip(*ratios, strict=True))
    return numerator / denominator if denominator else None


@pytest.mark.parametrize("metric", TEXT_METRICS, ids=lambda metric: metric.name)
def test_the_reference_cases_hold(metric: Metric):
    file = case_file(metric.name)
    assert metric.better == file["direction"]
    for case in file["cases"]:
        ratio = metric(case["prediction"], case["answers"])
        assert value([ratio]) == pytest.approx(case["expected"], abs=file["tolerance"]), case
        if "numerator" in case:
            assert ratio == (case["numerator"], case["denominator"]), case


@pytest.mark.parametrize("metric", TEXT_METRICS, ids=lambda metric: metric.name)
def test_the_reference_corpora_hold(metric: Metric):
    file = case_file(metric.name)
    for corpus in file.get("corpus", []):
        if corpus.get("metric", metric.name) == metric.name:
            ratios = list(map(metric, corpus["predictions"], corpus["answers"]))
            assert value(ratios) == pytest.approx(corpus["expected"], abs=file["tolerance"]), corpus


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Total:\t 12.50 \n", "total: 12.50"),
        ("STRASSE", "strasse"),
        ("straße", "strasse"),
        ("e\N{COMBINING ACUTE ACCENT}", "é"),
        ("10²", "10²"),  # NFKC would make 102 of it
        ("the “ACME”", "the “acme”"),  # no pair round the whole
        ('"ACME".', "acme"),
        ("„Straße“", "strasse"),
        ("`«'x.'».`", "x"),
        ("...", "..."),  # something has to remain
        ('""', '""'),
        ("'", "'"),
        ("a\x1cb", "a b"),  # white space as Python sees it
        ("", ""),
    ],
)
def test_normalization_keeps_what_a_document_means(text, expected):
    assert normalize_text(text) == expected


@given(text)
def test_normalization_is_idempotent(text):
    once = normalize_text(text)
    assert normalize_text(once) == once


@given(text)
def test_only_blank_text_becomes_empty(text):
    assert (normalize_text(text) == "") == (not text.strip())


@pytest.mark.parametrize(
    ("metric", "prediction", "accepted", "expected"),
    [
        (exact_match, "ACME Corp.", ["acme  corp"], (1, 1)),
        (exact_match, "1.0", ["10"], (0, 1)),
        (exact_match, "", ["", "x"], (1, 1)),
        (anls, "ab", ["ax"], (0.5, 1)),  # exactly one half stays
        (anls, "abc", ["axy"], (0, 1)),
        (anls, "12.5", ["$12.50", "12.50"], (0.8, 1)),
        (anls, " ", [""], (1, 1)),
        (wer, "total 12,50", ["total 12.50"], (1, 2)),
        (wer, "a\N{NO-BREAK SPACE}b", ["a b"], (0, 2)),
        (wer, "x y", [""], (2, 0)),
        (wer, "x y", ["", "x z"], (1, 2)),  # no words is the worst reference for what was read
        (wer, "", ["x z", ""], (0, 0)),  # and the best for nothing
        (wer, "x", ["a b", "a b c d"], (2, 2)),  # both 1: the fewer errors
        (cer, "abcd", ["ab cd"], (1, 5)),
        (cer, "12,50", ["$12.50", "12.50"], (1, 5)),
    ],
)
def test_a_prediction_gets_its_ratio(metric, prediction, accepted, expected):
    assert metric(prediction, accepted) == expected


@pytest.mark.parametrize(
    ("metric", "accepted", "expected"),
    [
        (exact_match, [""], (0, 1)),
        (anls, [""], (0, 1)),
        (wer, ["one two"], (2, 2)),
        (wer, [""], (1, 0)),
        (wer, ["", "one two", "one"], (1, 1)),
        (cer, ["ab"], (2, 2)),
        (cer, [" "], (1, 0)),
    ],
)
def test_no_prediction_scores_the_worst_value(metric, accepted, expected):
    assert metric(None, accepted) == expected


@given(metrics, st.none() | text, answers)
def test_values_stay_within_the_bounds(metric, prediction, answers):
    ratio = metric(prediction, answers)
    lower, upper = metric.bounds
    assert lower <= ratio.numerator
    assert upper is None or ratio.numerator <= upper * ratio.denominator


@given(
    metrics, st.none() | text, answers.flatmap(lambda a: st.tuples(st.just(a), st.permutations(a)))
)
def test_the_order_of_answers_changes_nothing(metric, prediction, orders):
    assert metric(prediction, orders[0]) == metric(prediction, orders[1])


@given(metrics, answers)
def test_an_accepted_answer_is_perfect(metric, answers):
    ratio = metric(answers[-1], answers)
    assert ratio.numerator == (ratio.denominator if metric.better == "higher" else 0)


words = st.lists(st.sampled_from(["a", "b", "c."]), max_size=5).map(" ".join)


@given(st.lists(st.tuples(words, words), min_size=1, max_size=6))
def test_summed_ratios_equal_jiwer_over_the_whole_corpus(pairs):
    references, predictions = map(list, zip(*pairs, strict=True))
    for metric, rate in ((wer, jiwer.wer), (cer, jiwer.cer)):
        ours = value([metric(said, [wanted]) for wanted, said in pairs])
        # Without any reference word jiwer shows the number of insertions; sgleval has no value.
        assert ours == (pytest.approx(rate(references, predictions)) if any(references) else None)


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
    assert metric("YES", ["yes"]) == (1, 1)
    assert as_metric(metric) is metric


def test_a_metric_that_takes_choices_gets_them_by_letter():
    metric = as_metric(lambda prediction, answers, choices: Ratio(choices["B"] == prediction))
    assert metric.wants_choices
    assert not anls.wants_choices
    assert metric("dog", ["B"], {"A": "cat", "B": "dog"}) == (1, 1)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_the_examples_in_the_docstrings_hold(metric: Metric):
    for example in doctest.DocTestFinder().find(
        metric.function, metric.name, globs={metric.name: metric}
    ):
        assert doctest.DocTestRunner().run(example) == (0, len(example.examples))
        assert example.examples


def json_lines(path: Path) -> list[dict]:
    if not path.exists():
        pytest.skip(f"no {path.parent.name} beside the repository")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_anls_of_published_docvqa_answers_is_the_published_value():
    golden = SHARED / "golden" / "docvqa_val1000"
    rows = json_lines(golden / "predictions.jsonl")
    expected = json.loads((golden / "expected.json").read_text(encoding="utf-8"))
    for model, values in expected.items():
        ratios = [anls(row["predictions"][model], row["answers"]) for row in rows]
        assert len(ratios) == values["n"]
        assert 100 * value(ratios) == pytest.approx(values["anls"], abs=1e-9), model


OCR_LINES = ("ocr_receipt_lines", "ocr_uw3_lines", "ocr_ru_lines", "ocr_pages", "ocr_scene_words")


@pytest.mark.parametrize("dataset", OCR_LINES)
def test_error_rates_of_real_ocr_engines_are_the_known_values(dataset):
    golden = SHARED / "golden" / "ocr_reference"
    read = [row for row in json_lines(golden / "predictions.jsonl") if row["dataset"] == dataset]
    gold = {
        row["id"]: row["answers"] for row in json_lines(SHARED / "data" / dataset / "data.jsonl")
    }
    expected = json.loads((golden / "expected.json").read_text(encoding="utf-8"))[dataset]
    for model, known in expected.items():
        rows = [row for row in read if row["model"] == model]
        assert len(rows) == known["n"]
        for metric in (wer, cer):
            ratios = [metric(row["prediction"], gold[row["id"]]) for row in rows]
            assert value(ratios) == pytest.approx(known[metric.name], abs=1e-6), model
