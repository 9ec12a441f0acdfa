import datetime as dt
from math import log

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from sgleval.answers import Choice, Number, ShortText, YesNo
from sgleval.sample import Image, Sample
from sgleval.tables import PREDICTIONS, prediction, sample_row, samples_schema

RED, BLUE = Image(b"red"), Image(b"blue")
LINE = ShortText()
NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


def sample(number=1, **fields):
    whole = {"id": f"s{number}", "images": [RED], "question": "Which?", "answers": ["a"]}
    return Sample(**whole | fields)


def entry(answer=None, error=None, meta=None, tokens=None, **variables):
    said = {"answer": answer} if answer is not None else {}
    return {
        "perturbation": "none",
        "error": error,
        "variables": said | variables,
        "meta": {"answer": meta or {}},
        "requests": 1,
        "tokens": tokens or {},
        "seconds": 0.25,
        "started_at": NOON.isoformat(),
    }


def predictions_frame(rows):
    return pl.DataFrame(rows, schema=PREDICTIONS)


def samples_frame(samples, tags):
    return pl.DataFrame([sample_row(each) for each in samples], schema=samples_schema(tags))


def row_of(kept, answer=LINE, *, extract=None, **fields):
    (row,) = predictions_frame(
        [prediction(sample(**fields), "default", kept, answer, extract)]
    ).rows(named=True)
    return row


def test_predictions_have_exactly_the_columns_of_the_contract(tmp_path):
    predictions_frame([]).write_parquet(tmp_path / "predictions.parquet")
    assert list(pl.read_parquet_schema(tmp_path / "predictions.parquet").items()) == [
        ("variant", pl.String),
        ("perturbation", pl.String),
        ("sample_id", pl.String),
        ("answer", pl.String),
        ("text", pl.String),
        ("rule", pl.String),
        ("error", pl.String),
        ("finish_reason", pl.String),
        ("confidence", pl.Float64),
        ("probabilities", pl.List(pl.Struct({"option": pl.String, "p": pl.Float64}))),
        ("prompt_tokens", pl.UInt32),
        ("cached_tokens", pl.UInt32),
        ("image_tokens", pl.UInt32),
        ("completion_tokens", pl.UInt32),
        ("requests", pl.UInt16),
        ("seconds", pl.Float64),
        ("started_at", pl.Datetime("us", "UTC")),
    ]


@pytest.mark.parametrize(
    ("tags", "fields"),
    [((), ["_"]), (("field",), ["field"]), (("kind", "Язык"), ["kind", "Язык"])],
)
def test_samples_have_exactly_the_columns_of_the_contract(tmp_path, tags, fields):
    samples_frame([sample()], tags).write_parquet(tmp_path / "samples.parquet")
    assert list(pl.read_parquet_schema(tmp_path / "samples.parquet").items()) == [
        ("sample_id", pl.String),
        ("image_ids", pl.List(pl.String)),
        ("question", pl.String),
        ("answers", pl.List(pl.String)),
        ("choices", pl.List(pl.String)),
        ("tags", pl.Struct(dict.fromkeys(fields, pl.String))),
    ]


def test_samples_of_every_shape_are_read_back(tmp_path):
    samples = [
        sample(1, tags={"field": "total"}, answers=["12.50", "RM 12.50"]),
        sample(2, images=[RED, BLUE], question="Чем они отличаются?", answers=["цветом"]),
        sample(3, choices=["кот", "пёс"], answers=["B"], tags={"other": "x"}),
    ]
    frame = samples_frame(samples, ["field", "other"])
    frame.write_parquet(tmp_path / "samples.parquet")
    read = pl.read_parquet(tmp_path / "samples.parquet")
    assert_frame_equal(read, frame)
    assert read["image_ids"].to_list() == [
        [RED.digest[:16]],
        [RED.digest[:16], BLUE.digest[:16]],
        [RED.digest[:16]],
    ]
    assert read["answers"].to_list() == [["12.50", "RM 12.50"], ["цветом"], ["B"]]
    assert read["choices"].to_list() == [[], [], ["кот", "пёс"]]
    assert read["tags"].to_list() == [
        {"field": "total", "other": None},
        {"field": None, "other": None},
        {"field": None, "other": "x"},
    ]


def test_without_tags_there_is_one_null_field(tmp_path):
    samples_frame([sample()], []).write_parquet(tmp_path / "samples.parquet")
    assert pl.read_parquet(tmp_path / "samples.parquet")["tags"].to_list() == [{"_": None}]


def test_an_answer_is_a_row_with_what_it_cost():
    tokens = {"prompt_tokens": 90, "cached_tokens": 64, "image_tokens": 50, "completion_tokens": 3}
    row = row_of(entry("Кафе «Уют»\n", meta={"finish_reason": {"type": "stop"}}, tokens=tokens))
    assert row == {
        "variant": "default",
        "perturbation": "none",
        "sample_id": "s1",
        "answer": "Кафе «Уют»",
        "text": "Кафе «Уют»\n",
        "rule": "whole",
        "error": None,
        "finish_reason": "stop",
        "confidence": None,
        "probabilities": None,
        **tokens,
        "requests": 1,
        "seconds": 0.25,
        "started_at": NOON,
    }


def test_what_a_backend_does_not_say_is_null_and_not_zero():
    row = row_of(entry("a", tokens={"prompt_tokens": 5, "cached_tokens": None}))
    assert (row["prompt_tokens"], row["cached_tokens"], row["image_tokens"]) == (5, None, None)
    assert (row["confidence"], row["probabilities"], row["finish_reason"]) == (None, None, None)


def test_a_failed_sample_is_a_row_with_its_error_and_nothing_else():
    row = row_of(entry(error="RequestError: HTTP 400: too long"))
    assert row["error"] == "RequestError: HTTP 400: too long"
    assert [row[name] for name in ("answer", "text", "rule", "finish_reason")] == [None] * 4


def test_an_unparsed_answer_keeps_its_text():
    row = row_of(entry("I cannot say"), Number())
    assert (row["answer"], row["rule"], row["text"]) == (None, "none", "I cannot say")
    assert row["error"] is None


def test_a_truncated_answer_says_so():
    row = row_of(entry("12", meta={"finish_reason": {"type": "length"}}), Number())
    assert (row["answer"], row["finish_reason"]) == ("12", "length")


def test_an_answer_to_multiple_choice_is_its_letter():
    row = row_of(entry("кот"), Choice(), choices=["пёс", "кот"], answers=["B"])
    assert (row["answer"], row["text"]) == ("B", "кот")


def test_a_closed_answer_has_probabilities_that_sum_to_one_and_its_own_is_the_confidence():
    meta = {
        "finish_reason": {"type": "stop", "matched": 2},
        "output_token_logprobs": [[log(0.75), 7, "yes"], [0.0, 2, ""]],
        "output_top_logprobs": [[[log(0.75), 7, "yes"], [log(0.25), 8, "no"]], [[0.0, 2, ""]]],
    }
    row = row_of(entry("yes", meta=meta), YesNo())
    assert {one["option"]: one["p"] for one in row["probabilities"]} == pytest.approx(
        {"yes": 0.75, "no": 0.25}
    )
    assert row["confidence"] == pytest.approx(0.75)


def test_an_open_answer_has_a_confidence_and_no_probabilities():
    meta = {"output_token_logprobs": [[log(0.5), 7, "a"], [log(0.125), 8, "b"]]}
    row = row_of(entry("ab", meta=meta))
    assert row["confidence"] == pytest.approx(0.25)
    assert row["probabilities"] is None


def test_extract_makes_the_answer_out_of_the_variables():
    kept = entry(a="12", b="50")
    row = row_of(kept, extract=lambda said: f"{said['a']}.{said['b']}")
    assert (row["answer"], row["text"]) == ("12.50", "12.50")


@pytest.mark.parametrize(
    ("extract", "error"),
    [
        (lambda said: said["gone"], "extract: KeyError: 'gone'"),
        (lambda said: None, "extract: TypeError: returned None; it must return a str"),
        (None, "answer: KeyError: 'answer'"),
    ],
)
def test_an_extract_that_fails_is_an_error_row_and_the_answer_stays_paid_for(extract, error):
    row = row_of(entry(other="x", tokens={"prompt_tokens": 9}), extract=extract)
    assert (row["error"], row["answer"], row["prompt_tokens"]) == (error, None, 9)
