"""Published predictions, scored by the command, give the published figures."""

import json
import re

import pytest
from click.testing import CliRunner

from sgleval.cli import main
from sgleval.metrics import METRICS


@pytest.fixture
def golden(shared):
    return shared / "golden"


def summary_of(path, *metrics, **flags):
    """Return what `sgleval score PATH --metric … --json` prints; a flag may be given a list."""
    words = ["score", str(path), "--json"]
    for metric in metrics:
        words += ["--metric", metric]
    for flag, given in flags.items():
        for value in given if isinstance(given, list) else [given]:
            words += [f"--{flag}", str(value)]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def values(summary):
    return {row["metric"]: row["value"] for row in summary["results"]}


def figures(summary):
    """Return the values by category (or whatever `--by` named), of the first metric."""
    first = summary["results"][0]["metric"]
    return {g["group"]: g["value"] for g in summary["groups"] if g["metric"] == first}


def expected(folder):
    return json.loads((folder / "expected.json").read_text())


def test_textvqa(golden):
    folder = golden / "textvqa_llava15_13b"
    found = values(
        summary_of(
            folder / "predictions.jsonl", "vqa_accuracy_evalai", "vqa_accuracy", answers="answers"
        )
    )
    assert {name: round(100 * value, 4) for name, value in found.items()} == {
        "vqa_accuracy_evalai": 61.254,
        "vqa_accuracy": 61.254,
    }


def test_textvqa_row_by_row(golden):
    from sgleval.foreign import Columns
    from sgleval.foreign.frames import take
    from sgleval.score import score

    path = golden / "textvqa_llava15_13b/predictions.jsonl"
    taken, _ = take(path, Columns(), with_choices=False)
    scores = score(taken.samples(), taken.predictions(), [METRICS["vqa_accuracy_evalai"]])
    lines = path.read_text(encoding="utf-8").splitlines()
    published = [json.loads(line)["score"] for line in lines]
    assert [round(value, 4) for value in scores["numerator"]] == published


def test_pope(golden):
    folder = golden / "pope_llava15_13b"
    found = summary_of(folder / "predictions.jsonl", "pope_f1", answers="answer", by="category")
    wanted = expected(folder)
    assert 100 * values(found)["pope_f1"] == pytest.approx(wanted["value"], abs=1e-9)
    by_category = {name: row["f1"] for name, row in wanted["by_category"].items()}
    assert figures(found) == pytest.approx(by_category, abs=1e-12)


@pytest.mark.parametrize("model", ["llava15_7b", "llava15_13b", "lavin"])
def test_mme(golden, model):
    path = golden / f"mme/{model}.jsonl"
    names = ("mme_perception", "mme_cognition")
    found = summary_of(path, *names, answers="answer", by="category", group="image")
    wanted = expected(golden / "mme")[model]
    assert values(found) == pytest.approx(
        dict(zip(names, (wanted["computed"][k] for k in ("Perception", "Cognition")), strict=True)),
        abs=1e-9,
    )
    groups = {g["group"]: g["value"] for g in found["groups"]}
    assert groups == pytest.approx(wanted["by_category"], abs=1e-9)
    assert [(row["categories"], row["of"]) for row in found["results"]] == [(10, 10), (4, 4)]


@pytest.mark.parametrize(
    ("flags", "figure", "n"),
    [
        ({}, 74.39283187927376, 4241),
        ({"where": "is_multimodal=true"}, 71.64105106593951, 2017),
        ({"prediction": "gpt3_cot_prediction"}, 75.17095024758312, 4241),
    ],
)
def test_scienceqa(golden, flags, figure, n):
    path = golden / "scienceqa/predictions.jsonl"
    found = summary_of(path, "scienceqa_accuracy", answers="answer", **flags)
    assert 100 * values(found)["scienceqa_accuracy"] == pytest.approx(figure, abs=1e-9)
    assert found["n"] == n


@pytest.mark.parametrize(
    ("metric", "flags", "key"),
    [
        ("multiple_choice_circular", {"group": "group"}, "value"),
        ("multiple_choice_accuracy", {"where": "id=@group"}, "vanilla"),
        ("multiple_choice_accuracy", {}, "all_rows"),
        ("first_letter_accuracy", {}, "all_rows"),
    ],
)
def test_mmbench(golden, metric, flags, key):
    folder = golden / "mmbench_dev_llava15_13b"
    path = folder / "predictions.jsonl"
    found = summary_of(path, metric, answers="answer", choices="choices", **flags)
    wanted = expected(folder)
    assert 100 * values(found)[metric] == pytest.approx(wanted[key], abs=1e-9)
    if flags.get("group"):
        assert found["results"][0]["sets"] == wanted["n_groups"]


def test_docvqa(golden):
    folder = golden / "docvqa_val1000"
    for model, wanted in expected(folder).items():
        found = summary_of(
            folder / "predictions.jsonl", "anls", "anls_paper",
            prediction=f"predictions.{model}", answers="answers",
        )  # fmt: skip
        for metric, value in values(found).items():
            assert 100 * value == pytest.approx(wanted[metric], abs=1e-9), (model, metric)


def test_ocr_rates_of_the_slices_that_are_there(shared):
    folder = shared / "golden/ocr_reference"
    names = ("cer", "wer", "cer_casefold", "wer_casefold")
    checked = 0
    for slice_, models in expected(folder).items():
        gold = shared / "data" / slice_ / "data.jsonl"
        if not gold.exists():
            continue
        found = summary_of(
            folder / "predictions.jsonl", *names, gold=gold, id="id", answers="answers",
            where=f"dataset={slice_}", by="model",
        )  # fmt: skip
        rates = {(g["group"], g["metric"]): g["value"] for g in found["groups"]}
        for model, wanted in models.items():
            for name in names:
                assert rates[model, name] == pytest.approx(wanted[name], abs=5e-7), (slice_, model)
                checked += 1
    assert checked


@pytest.fixture
def unit(golden):
    return json.loads((golden / "scorer_unit_cases/cases.json").read_text())


def mean(metric, pairs):
    shares = [METRICS[metric](said, answers) for said, answers in pairs]
    return sum(s.numerator for s in shares) / sum(s.denominator for s in shares)


def test_pix2struct(unit):
    cases = unit["pix2struct_metrics"]
    pairs = [(item["prediction"], item["targets"]) for item in cases["items"]]
    wanted = cases["expected_percent"]
    for metric, name in [
        ("exact_match_strict", "exact_match"),
        ("anls", "anls"),
        ("relaxed_accuracy", "relaxed_accuracy"),
    ]:
        assert 100 * mean(metric, pairs) == pytest.approx(wanted[name], abs=0.05), metric


@pytest.mark.parametrize("metric", ["anls", "anls_paper"])
def test_shunk031(unit, metric):
    cases = unit["anls_json"]
    found = [METRICS[metric](said, cases["answers"]).numerator for said in cases["predictions"]]
    assert found == pytest.approx(cases["expected_per_item"], abs=5e-5)
    assert sum(found) / len(found) == pytest.approx(cases["expected_mean"], abs=5e-5)


def test_jiwer(unit):
    cases = unit["jiwer_wer"]
    for reference, said, wer, *_ in cases["wer_mer_wil"]:
        assert mean("wer", [(said, [reference])]) == pytest.approx(wer, abs=1e-12)
    for reference, said, cer in cases["cer"]:
        assert mean("cer", [(said, [reference])]) == pytest.approx(cer, abs=1e-12)
    corpus = cases["corpus"]
    pairs = [
        (said, [reference])
        for said, reference in zip(corpus["hypothesis"], corpus["reference"], strict=True)
    ]
    for metric in ("wer", "cer"):
        assert mean(metric, pairs) == pytest.approx(corpus[metric], abs=1e-12)


def test_the_table_of_a_file_shows_its_values(golden):
    path = golden / "mmbench_dev_llava15_13b/predictions.jsonl"
    words = ["score", str(path), "--metric", "multiple_choice_circular", "--group", "group"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0
    assert re.search(r"multiple_choice_circular\s+0\.677", done.stdout)
    assert "1176 sets of samples, right only as a whole" in done.stdout


def test_list_shows_every_metric_with_its_definition_direction_and_source():
    done = CliRunner().invoke(main, ["score", "--list"])
    assert done.exit_code == 0
    for name, metric in METRICS.items():
        assert name in done.stdout
        assert metric.source.split()[0] in done.stdout
