"""Every case of the reference, where it lies beside the checkout, and others' unit cases."""

import json
from collections import defaultdict
from pathlib import Path
from string import ascii_uppercase

import pytest

from sgleval.metrics import (
    METRICS,
    Metric,
    Ratio,
    anls,
    anls_paper,
    calibration,
    cer,
    exact_match_strict,
    json_record_match,
    relaxed_accuracy,
    wer,
)

SHARED = Path(__file__).parents[1].parent / "shared"
CASES = SHARED / "reference" / "cases"
OTHERS = {"statistics", "perturbations"}
HELD = sorted(path.stem for path in CASES.glob("*.json") if path.stem not in OTHERS)
NO_RULE = {"unparsed", "empty", "failed"}


def case_file(name: str) -> dict:
    return json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))


def options(choices) -> dict[str, str] | None:
    listed = isinstance(choices, list)
    return dict(zip(ascii_uppercase, choices, strict=False)) if listed else choices


def call(metric: Metric, prediction, answers, choices=None) -> Ratio:
    return metric(prediction, answers, *([options(choices)] if metric.wants_choices else []))


def value(ratios) -> float | None:
    numerator, denominator = (sum(column) for column in zip(*ratios, strict=True))
    return numerator / denominator if denominator else None


def grouped(metric: Metric, ratios: list[Ratio], groups: list) -> list[Ratio]:
    members = defaultdict(list)
    for ratio, group in zip(ratios, groups, strict=True):
        members[group].append(ratio.numerator)
    together = []
    for ratio, group in zip(ratios, groups, strict=True):
        least, k = min(members[group]), len(members[group])
        assert metric.group_size in (None, k)
        alone = Ratio(ratio.numerator + least, ratio.denominator)
        together.append(alone if metric.group == "each_and_all" else Ratio(least / k, 1 / k))
    return together


def by_category(metric: Metric, ratios: list[Ratio], categories: list[str]) -> dict[str, float]:
    rows = defaultdict(list)
    for ratio, category in zip(ratios, categories, strict=True):
        if metric.categories is None or category in metric.categories:
            rows[category].append(ratio)
    return {category: value(rows[category]) for category in rows}


@pytest.fixture(autouse=True)
def needs_shared(shared):
    """Skip where the cases are not beside the checkout."""


def test_each_case_file_is_one_of_a_metric():
    assert {case_file(name)["metric"] for name in HELD} <= METRICS.keys()


@pytest.mark.parametrize("name", HELD)
def test_the_reference_cases_hold(name):
    file = case_file(name)
    metric = METRICS[file["metric"]]
    assert metric.better == file["direction"]
    for case in file["cases"]:
        if metric.group and isinstance(case["answers"], list) and isinstance(case["choices"], list):
            ratios = circular(metric, case["prediction"], case)
        else:
            ratios = [call(metric, case["prediction"], case["answers"], case.get("choices"))]
        assert value(ratios) == pytest.approx(case["expected"], abs=file["tolerance"]), case
        if "numerator" in case:
            assert ratios == [(case["numerator"], case["denominator"])], case
        if "record" in case:
            record = json_record_match(case["prediction"], case["answers"])
            assert record == (case["record"], 1), case


def circular(metric: Metric, predictions: list, case: dict) -> list[Ratio]:
    ratios = [
        call(metric, said, [answer], choices)
        for said, answer, choices in zip(predictions, case["answers"], case["choices"], strict=True)
    ]
    return grouped(metric, ratios, [0] * len(ratios)) if metric.group else ratios


@pytest.mark.parametrize("name", HELD)
def test_the_parsers_read_what_the_reference_reads(name):
    file = case_file(name)
    metric = METRICS[file["metric"]]
    for case in file["cases"]:
        if "parsed" not in case or case["prediction"] is None:
            continue
        found = metric.read(case["prediction"], case["answers"], options(case.get("choices")))
        assert found.answer == case["parsed"], case
        if "rule" in case:
            assert found.rule == ("none" if case["rule"] in NO_RULE else case["rule"]), case


def corpora(*, circular: bool):
    for name in HELD:
        file = case_file(name)
        for corpus in file.get("corpus", []):
            if (name == "multiple_choice_circular") == circular:
                yield file, corpus, corpus.get("metric", file["metric"])


def test_the_reference_corpora_hold():
    seen = set()
    for file, corpus, name in corpora(circular=False):
        said, answers = corpus["predictions"], corpus["answers"]
        if name == "yes_no_unparsed_rate":
            read = METRICS["yes_no_accuracy"].read
            unparsed = [read(text, answers).answer is None for text in said]
            assert sum(unparsed) / len(said) == pytest.approx(corpus["expected"])
            continue
        seen.add(name)
        assert headline(METRICS[name], said, answers, corpus) == pytest.approx(
            corpus["expected"], abs=file["tolerance"]
        ), corpus
    assert seen >= {"wer", "cer", "yes_no_f1", "pope_f1", "mme_perception", "json_record_match"}


def headline(metric: Metric, said: list, answers: list, corpus: dict) -> float | None:
    ratios = list(map(metric, said, answers))
    categories = corpus.get("categories")
    if metric.group:
        keys = list(zip(categories, corpus["groups"], strict=True))
        ratios = grouped(metric, ratios, keys)
    if metric.composite is None or categories is None:
        return value(ratios)
    values = by_category(metric, ratios, categories)
    assert values == pytest.approx(corpus["by_category"])
    total = sum(values.values())
    return total if metric.composite == "sum" else total / len(values)


def test_the_circular_corpora_hold():
    cases = case_file("multiple_choice_circular")["cases"]
    for _, corpus, name in corpora(circular=True):
        ratios = [
            ratio
            for said, case in zip(corpus["predictions"], cases, strict=True)
            for ratio in circular(METRICS[name], said, case)
        ]
        assert value(ratios) == pytest.approx(corpus["expected"]), corpus


def test_the_calibration_cases_hold():
    held = 0
    for case in case_file("statistics")["cases"]:
        if case["name"] == "brier" or case["name"].startswith(("ece_", "selective_")):
            held += 1
            found = getattr(calibration, case["name"])(**case["input"])
            assert found == pytest.approx(case["expected"], abs=1e-9), case
    assert held == 18


def unit_cases() -> dict:
    path = SHARED / "golden" / "scorer_unit_cases" / "cases.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_unit_cases_of_pix2struct_hold():
    held = unit_cases()["pix2struct_metrics"]
    expected = held["expected_percent"]
    for metric, name in (
        (exact_match_strict, "exact_match"),
        (anls, "anls"),
        (relaxed_accuracy, "relaxed_accuracy"),
    ):
        ratios = [metric(item["prediction"], item["targets"]) for item in held["items"]]
        assert 100 * value(ratios) == pytest.approx(expected[name]), metric.name


@pytest.mark.parametrize("metric", [anls, anls_paper], ids=lambda metric: metric.name)
def test_the_unit_cases_of_shunk031_hold(metric):
    held = unit_cases()["anls_json"]
    ratios = [metric(said, held["answers"]) for said in held["predictions"]]
    expected = pytest.approx(held["expected_per_item"], abs=5e-5)
    assert [ratio.numerator for ratio in ratios] == expected
    assert value(ratios) == pytest.approx(held["expected_mean"], abs=5e-5)


def test_the_unit_cases_of_jiwer_hold():
    held = unit_cases()["jiwer_wer"]
    for reference, said, expected, *_ in held["wer_mer_wil"]:
        assert value([wer(said, [reference])]) == pytest.approx(expected)
    for reference, said, expected in held["cer"]:
        assert value([cer(said, [reference])]) == pytest.approx(expected)
    corpus = held["corpus"]
    wanted = [[reference] for reference in corpus["reference"]]
    for metric in (wer, cer):
        ratios = list(map(metric, corpus["hypothesis"], wanted))
        assert value(ratios) == pytest.approx(corpus[metric.name])
