import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgleval.errors import UserError
from sgleval.metrics import (
    METRICS,
    Ratio,
    anls,
    anls_paper,
    cer,
    cer_casefold,
    cer_item_mean,
    contains,
    contains_nospace,
    contains_word,
    exact_match,
    exact_match_strict,
    normalize_text,
    token_f1,
    wer,
    wer_casefold,
    wer_item_mean,
)

SHARED = Path(__file__).parents[1].parent / "shared"

text = st.text(max_size=12) | st.text("ab .\"'ß\n", max_size=12)


def value(ratios: list[Ratio]) -> float | None:
    numerator, denominator = (sum(column) for column in zip(*ratios, strict=True))
    return numerator / denominator if denominator else None


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
        (exact_match_strict, " e\N{COMBINING ACUTE ACCENT}\n", ["é"], (1, 1)),
        (exact_match_strict, "a  b", ["a b"], (0, 1)),
        (exact_match_strict, "yes", ["Yes", "yes."], (0, 1)),
        (contains, "Line\nTWO", ["line two"], (1, 1)),
        (contains, "a\n\nb", ["a b"], (0, 1)),  # two line feeds are two blanks
        (contains_nospace, "\\frac { 1 }\n{ 2 }", ["\\frac{1}{2}"], (1, 1)),
        (contains_nospace, "x\ty", ["xy"], (0, 1)),  # tabs stay
        (anls, "ab", ["ax"], (0.5, 1)),  # exactly one half stays
        (anls, "abc", ["axy"], (0, 1)),
        (anls, "12.5", ["$12.50", "12.50"], (0.8, 1)),
        (anls, " ", [""], (1, 1)),
        (anls_paper, "ab", ["ax"], (0, 1)),  # exactly one half goes
        (anls_paper, "größe", ["grobe"], (0.6, 1)),  # ß is one letter
        (anls_paper, " ", [""], (1, 1)),
        (token_f1, "a a b", ["a b b"], (2 / 3, 1)),  # a multiset
        (token_f1, "the total", ["total"], (2 / 3, 1)),  # articles stay
        (token_f1, "total:", ["total"], (0, 1)),
        (token_f1, " . ", ["."], (1, 1)),
        (wer, "total 12,50", ["total 12.50"], (1, 2)),
        (wer, "a\N{NO-BREAK SPACE}b", ["a b"], (0, 2)),
        (wer, "x y", [""], (2, 0)),
        (wer, "x y", ["", "x z"], (1, 2)),  # no words is the worst reference for what was read
        (wer, "", ["x z", ""], (0, 0)),  # and the best for nothing
        (wer, "x", ["a b", "a b c d"], (2, 2)),  # both 1: the fewer errors
        (cer, "abcd", ["ab cd"], (1, 5)),
        (cer, "12,50", ["$12.50", "12.50"], (1, 5)),
        (wer_casefold, "STRASSE X", ["straße x"], (0, 2)),
        (cer_casefold, "STRASSE", ["straße"], (0, 7)),  # seven after folding
        (cer_casefold, "E\N{COMBINING ACUTE ACCENT}", ["é"], (0, 1)),
        (wer_item_mean, "a b c", ["x"], (1, 1)),
        (wer_item_mean, "x y", [""], (1, 1)),
        (wer_item_mean, "", [""], (0, 1)),
        (cer_item_mean, "abd", ["abc"], (1 / 3, 1)),
    ],
)
def test_a_prediction_gets_its_ratio(metric, prediction, accepted, expected):
    assert metric(prediction, accepted) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("said", "word", "free"),
    [
        ("total: 12.50.", "12.50", True),
        ("x 12.50x", "12.50", False),
        ("12.505", "12.50", False),
        ("112.50", "12.50", False),
        ("1,000", "000", False),
        ("12.50,", "12.50", True),
        ("12.", "12", True),
        ("5 %", "5", True),  # only beside the digit
        ("5%", "5%", True),
        ("-5", "5", False),
        ("-$5", "5", False),
        ("-$5", "$5", False),
        ("\N{MINUS SIGN}5", "5", False),
        ("-5", "-5", True),
        ("a - 5", "5", True),
        ("2024-05", "05", True),  # a hyphen after a digit opens no number
        ("(-5)", "5", False),
        ("-abc", "abc", True),
        ("no. 7", "no", True),
        ("know no", "no", True),  # the second one
        ("nonono no", "no", True),
        ("don't", "don", True),  # an apostrophe is no letter
        ("10²", "10", False),
        ("e\N{COMBINING LOW LINE}", "e", False),
        ("привет, мир", "мир", True),
        ("миру мир!", "миру", True),
        ("эмир", "мир", False),
    ],
)
def test_a_word_stands_free_or_goes_on(said, word, free):
    assert contains_word(said, [word]) == (free, 1)


@pytest.mark.parametrize("metric", [contains, contains_word, contains_nospace], ids=str)
@pytest.mark.parametrize("prediction", ["x", None])
def test_an_empty_accepted_answer_is_refused_where_everything_contains_it(metric, prediction):
    with pytest.raises(UserError, match=f"{metric.name}: an accepted answer is empty"):
        metric(prediction, ["x", "\n"])


@pytest.mark.parametrize(
    ("metric", "accepted", "expected"),
    [
        *((METRICS[name], [""], (0, 1)) for name in ("exact_match", "exact_match_strict", "anls")),
        *((METRICS[name], [""], (0, 1)) for name in ("anls_paper", "token_f1")),
        *((METRICS[name], ["x"], (0, 1)) for name in METRICS if name.startswith("contains")),
        (wer, ["one two"], (2, 2)),
        (wer, [""], (1, 0)),
        (wer, ["", "one two", "one"], (1, 1)),
        (wer_casefold, ["one two"], (2, 2)),
        (cer, ["ab"], (2, 2)),
        (cer, [" "], (1, 0)),
        (wer_item_mean, [""], (1, 1)),
        (cer_item_mean, ["ab"], (1, 1)),
    ],
)
def test_no_prediction_scores_the_worst_value(metric, accepted, expected):
    assert metric(None, accepted) == expected


def json_lines(path: Path) -> list[dict]:
    if not path.exists():
        pytest.skip(f"no {path.parent.name} beside the repository")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("metric", [anls, anls_paper], ids=lambda metric: metric.name)
def test_anls_of_published_docvqa_answers_is_the_published_value(metric):
    golden = SHARED / "golden" / "docvqa_val1000"
    rows = json_lines(golden / "predictions.jsonl")
    expected = json.loads((golden / "expected.json").read_text(encoding="utf-8"))
    for model, values in expected.items():
        ratios = [metric(row["predictions"][model], row["answers"]) for row in rows]
        assert len(ratios) == values["n"]
        assert 100 * value(ratios) == pytest.approx(values[metric.name], abs=1e-9), model


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
        for metric in (wer, cer, wer_casefold, cer_casefold):
            ratios = [metric(row["prediction"], gold[row["id"]]) for row in rows]
            assert value(ratios) == pytest.approx(known[metric.name], abs=1e-6), model
