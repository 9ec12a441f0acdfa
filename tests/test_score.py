from datetime import UTC, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from sgleval.errors import UserError
from sgleval.metrics import (
    METRICS,
    Ratio,
    anls,
    as_metric,
    exact_match,
    json_fields_f1,
    metric,
    wer,
)
from sgleval.score import SCORES, score, summarize
from sgleval.stats import interval, wilson

SAMPLES = {
    "sample_id": pl.String,
    "image_ids": pl.List(pl.String),
    "question": pl.String,
    "answers": pl.List(pl.String),
    "choices": pl.List(pl.String),
}
PREDICTIONS = {
    "variant": pl.String,
    "perturbation": pl.String,
    "sample_id": pl.String,
    "answer": pl.String,
    "text": pl.String,
    "rule": pl.String,
    "error": pl.String,
    "finish_reason": pl.String,
    "confidence": pl.Float64,
    "probabilities": pl.List(pl.Struct({"option": pl.String, "p": pl.Float64})),
    "prompt_tokens": pl.UInt32,
    "cached_tokens": pl.UInt32,
    "image_tokens": pl.UInt32,
    "completion_tokens": pl.UInt32,
    "requests": pl.UInt16,
    "seconds": pl.Float64,
    "started_at": pl.Datetime,
}


def samples(rows: list[dict], tags: dict[str, list[str | None]] | None = None) -> pl.DataFrame:
    """A frame as in samples.parquet; each row names its answers, images and choices or none."""
    filled = [
        {"sample_id": f"s{i}", "image_ids": [f"img{i}"], "question": "?", "choices": []} | row
        for i, row in enumerate(rows)
    ]
    frame = pl.DataFrame(filled, schema=SAMPLES)
    columns = pl.DataFrame(tags or {"_": [None] * len(rows)})
    columns = columns.select(pl.all().cast(pl.String))
    return frame.with_columns(columns.to_struct("tags"))


def predictions(answers: list[str | None], **columns: list) -> pl.DataFrame:
    """A frame as in predictions.parquet, one row per answer; `columns` overrides the defaults."""
    count = len(answers)
    fixed = {
        "variant": ["default"] * count,
        "perturbation": ["none"] * count,
        "sample_id": [f"s{i}" for i in range(count)],
        "answer": answers,
        "text": answers,
        "rule": ["none" if answer is None else "whole" for answer in answers],
        "error": [None] * count,
        "finish_reason": ["stop"] * count,
        "requests": [1] * count,
        "seconds": [0.1] * count,
        "started_at": [datetime(2025, 1, 1, tzinfo=UTC).replace(tzinfo=None)] * count,
    }
    return pl.DataFrame(
        {name: (fixed | columns).get(name, [None] * count) for name in PREDICTIONS},
        schema=PREDICTIONS,
    )


def test_scores_have_one_row_per_prediction_and_metric():
    asked = samples([{"answers": ["12.50"]}, {"answers": ["one two"]}])
    answered = predictions(["12.5", "one"])
    expected = pl.DataFrame(
        {
            "variant": ["default"] * 4,
            "perturbation": ["none"] * 4,
            "sample_id": ["s0", "s1", "s0", "s1"],
            "metric": ["anls", "anls", "wer", "wer"],
            "part": pl.Series([None] * 4, dtype=pl.String),
            "numerator": [0.8, 0.0, 1.0, 1.0],
            "denominator": [1.0, 1.0, 1.0, 2.0],
            "parsed": pl.Series([None] * 4, dtype=pl.String),
            "rule": pl.Series([None] * 4, dtype=pl.String),
        }
    )
    assert_frame_equal(score(asked, answered, [anls, wer]), expected)


@pytest.mark.parametrize("metrics", [[], [anls, json_fields_f1]])
def test_nothing_predicted_gives_an_empty_frame_with_the_columns(metrics):
    scores = score(samples([{"answers": ["x"]}]), predictions([]), metrics)
    assert scores.schema == SCORES
    assert scores.is_empty()
    assert summarize(samples([{"answers": ["x"]}]), predictions([]), scores, metrics) == {
        "results": [],
        "groups": [],
        "gaps": [],
        "parts": [],
        "rules": [],
        "labels": [],
    }


def test_failed_and_unparsed_samples_score_worst_and_stay_in_the_sum():
    asked = samples([{"answers": ["one two"]}, {"answers": [""]}, {"answers": ["x"]}])
    answered = predictions(
        [None, None, "x"], error=["timed out", None, None], rule=[None, "none", "whole"]
    )
    scores = score(asked, answered, [exact_match, wer])
    assert scores["numerator"].to_list() == [0, 0, 1, 2, 1, 0]
    assert scores["denominator"].to_list() == [1, 1, 1, 2, 0, 1]
    results = summarize(asked, answered, scores, [exact_match, wer])["results"]
    assert [(row["value"], row["n"], row["failed"], row["unparsed"]) for row in results] == [
        (1 / 3, 3, 1, 1),
        (1.0, 3, 1, 1),
    ]


def test_equal_answers_to_equal_questions_are_scored_once():
    calls = []

    @metric(better="higher", source="here")
    def counted(prediction, answers):
        calls.append((prediction, tuple(answers)))
        return Ratio(1)

    asked = samples([{"answers": ["a"]}, {"answers": ["a"]}, {"answers": ["a", "b"]}] * 2)
    scores = score(asked, predictions(["x", "x", "x", None, None, "x"]), [counted])
    assert calls == [("x", ("a",)), ("x", ("a", "b")), (None, ("a",))]
    assert scores["sample_id"].to_list() == [f"s{i}" for i in range(6)]


def test_a_metric_that_takes_choices_sees_each_sample_s_own():
    def is_b(prediction, answers, choices):
        return Ratio(choices.get("B") == prediction)

    asked = samples(
        [{"answers": ["B"], "choices": ["cat", "dog"]}, {"answers": ["B"], "choices": ["dog"]}]
    )
    scores = score(asked, predictions(["dog", "dog"]), [as_metric(is_b)])
    assert scores["numerator"].to_list() == [1, 0]


def test_the_fields_of_a_structured_answer_follow_the_whole():
    asked = samples([{"answers": ['{"date": "1", "total": "2"}']}] * 2)
    answered = predictions(['{"date": "1", "tip": "3"}', None])
    scores = score(asked, answered, [json_fields_f1])
    assert scores.schema == SCORES
    assert scores.select("sample_id", "part", "numerator", "denominator").rows() == [
        ("s0", None, 2, 4),
        ("s0", "date", 2, 2),
        ("s0", "total", 0, 1),
        ("s0", "tip", 0, 1),
        ("s1", None, 0, 2),
        ("s1", "date", 0, 1),
        ("s1", "total", 0, 1),
    ]
    summary = summarize(asked, answered, scores, [json_fields_f1])
    assert [(row["value"], row["n"]) for row in summary["results"]] == [(2 / 6, 2)]
    assert [(row["part"], row["value"], row["n"]) for row in summary["parts"]] == [
        ("date", 2 / 3, 2),
        ("total", 0, 2),
        ("tip", 0, 1),
    ]
    keys = ["metric", "part", "variant", "perturbation", "value", "low", "high", "n"]
    assert list(summary["parts"][0]) == keys


def test_a_prediction_without_its_sample_is_refused():
    with pytest.raises(UserError, match="sample 's1': predicted but not among the samples"):
        score(samples([{"answers": ["x"]}]), predictions(["x", "y"]), [anls])


def test_a_sample_without_accepted_answers_is_refused():
    with pytest.raises(UserError, match="sample 's0': no accepted answers; give at least one"):
        score(samples([{"answers": []}]), predictions(["x"]), [anls])


def test_a_gold_that_the_metric_cannot_read_names_the_sample():
    with pytest.raises(UserError, match="sample 's0': json_fields_f1: the accepted answer 'x'"):
        score(samples([{"answers": ["x"]}]), predictions(["x"]), [json_fields_f1])


def test_results_have_the_keys_of_summary_json_and_count_truncated():
    asked = samples([{"answers": ["x"]}] * 3)
    answered = predictions(["x", "x", "y"], finish_reason=["stop", "length", None])
    metrics = [exact_match]
    summary = summarize(asked, answered, score(asked, answered, metrics), metrics)
    low, high = wilson(2, 3)
    assert summary["results"] == [
        {
            "variant": "default",
            "perturbation": "none",
            "metric": "exact_match",
            "value": 2 / 3,
            "low": pytest.approx(low),
            "high": pytest.approx(high),
            "method": "wilson",
            "clusters": 3,
            "n": 3,
            "failed": 0,
            "unparsed": 0,
            "truncated": 1,
        }
    ]
    assert summary["groups"] == summary["parts"] == []


def test_results_keep_the_order_of_variants_and_metrics():
    asked = samples([{"answers": ["x"]}])
    answered = predictions(
        ["x", "y", "x"],
        sample_id=["s0"] * 3,
        variant=["terse", "bare", "bare"],
        perturbation=["none", "typos", "none"],
    )
    metrics = [wer, anls]
    results = summarize(asked, answered, score(asked, answered, metrics), metrics)["results"]
    assert [(r["variant"], r["perturbation"], r["metric"], r["value"]) for r in results] == [
        ("terse", "none", "wer", 0),
        ("terse", "none", "anls", 1),
        ("bare", "none", "wer", 0),
        ("bare", "none", "anls", 1),
        ("bare", "typos", "wer", 1),
        ("bare", "typos", "anls", 0),
    ]


def test_intervals_are_clustered_by_all_images_of_a_sample():
    pages = [["p1"], ["p1"], ["p1", "p2"], ["p1", "p2"], ["p3"], ["p3"]]
    asked = samples([{"answers": ["x"], "image_ids": images} for images in pages])
    answered = predictions(["x", "y", "x", "x", "y", "y"])
    scores = score(asked, answered, [exact_match])
    [row] = summarize(asked, answered, scores, [exact_match])["results"]
    ends = interval([1, 0, 1, 1, 0, 0], [1] * 6, list("aabbcc"), (0, 1))
    assert (row["low"], row["high"]) == pytest.approx(ends)


def test_samples_without_images_stand_for_themselves():
    asked = samples([{"answers": ["x"], "image_ids": []}] * 4)
    answered = predictions(["x", "y", "x", "x"])
    scores = score(asked, answered, [exact_match])
    [row] = summarize(asked, answered, scores, [exact_match])["results"]
    assert (row["low"], row["high"]) == pytest.approx(wilson(3, 4))


def test_groups_have_a_row_per_tag_and_value_that_samples_have():
    asked = samples(
        [{"answers": ["x"]}] * 4,
        tags={"field": ["total", "date", "total", "date"], "split": [None, None, "dev", None]},
    )
    answered = predictions(["x", "y", None, "x"], error=[None, None, "reset", None])
    scores = score(asked, answered, [exact_match])
    groups = summarize(asked, answered, scores, [exact_match])["groups"]
    assert [(g["tag"], g["group"], g["value"], g["n"], g["failed"]) for g in groups] == [
        ("field", "date", 0.5, 2, 0),
        ("field", "total", 0.5, 2, 1),
        ("split", "dev", 0, 1, 1),
    ]
    assert set(groups[0]) == {
        "tag", "group", "variant", "perturbation", "metric", "value", "low", "high", "n", "failed"
    }  # fmt: skip
    assert groups[2]["low"] is groups[2]["high"] is None  # one image


def test_tags_named_like_columns_group_too():
    asked = samples([{"answers": ["x"]}] * 2, tags={"variant": ["a", "b"], "sample_id": ["c", "c"]})
    answered = predictions(["x", "y"])
    scores = score(asked, answered, [anls])
    groups = summarize(asked, answered, scores, [anls])["groups"]
    assert [(g["tag"], g["group"], g["variant"], g["value"]) for g in groups] == [
        ("variant", "a", "default", 1),
        ("variant", "b", "default", 0),
        ("sample_id", "c", "default", 0.5),
    ]


@pytest.mark.parametrize(("distinct", "shown"), [(50, 50), (51, 0)])
def test_a_tag_of_more_than_fifty_values_is_an_id(distinct, shown):
    asked = samples([{"answers": ["x"]}] * distinct, tags={"page": [*map(str, range(distinct))]})
    answered = predictions(["x"] * distinct)
    scores = score(asked, answered, [anls])
    assert len(summarize(asked, answered, scores, [anls])["groups"]) == shown


def test_nothing_to_divide_by_is_null():
    asked = samples([{"answers": [""]}] * 2)
    answered = predictions(["", "x"])
    [row] = summarize(asked, answered, score(asked, answered, [wer]), [wer])["results"]
    assert row["value"] is row["low"] is row["high"] is None
    assert row["n"] == 2


def test_scores_read_back_from_parquet_give_the_same_summary(tmp_path):
    asked = samples([{"answers": ["итог 5"]}, {"answers": ["x"]}], tags={"язык": ["ru", None]})
    answered = predictions(["итог", "x"])
    scores = score(asked, answered, [anls])
    frames = []
    for name, frame in {"samples": asked, "predictions": answered, "scores": scores}.items():
        frame.write_parquet(tmp_path / f"{name}.parquet")
        frames.append(pl.read_parquet(tmp_path / f"{name}.parquet"))
        assert_frame_equal(frames[-1], frame)
    assert summarize(*frames, [anls]) == summarize(asked, answered, scores, [anls])


def test_what_a_metrics_parser_cannot_read_for_its_answer_is_unparsed():
    """MathVista's rule depends on the accepted answer: "four" is no reply to an integer."""
    measure = METRICS["mathvista_accuracy"]
    asked, given = samples([{"answers": ["4"]}] * 2), predictions(["four", "4"])
    scores = score(asked, given, [measure])
    assert scores["numerator"].to_list() == [0.0, 1.0]
    [result] = summarize(asked, given, scores, [measure])["results"]
    assert result["unparsed"] == 1
