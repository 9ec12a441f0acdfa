"""Comparisons of frames, with numbers worked by hand."""

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgleval.compare import Tables, compare_runs, compare_variants, factors_of
from sgleval.errors import UserError
from sgleval.metrics import METRICS, Ratio, exact_match, metric
from sgleval.score import score

CER = METRICS["cer"]


def samples(images, answers=None, tags=None, **columns):
    """Return samples s0, s1, … that show the images of these names."""
    count = len(images)
    frame = pl.DataFrame(
        {
            "sample_id": [f"s{at}" for at in range(count)],
            "image_ids": [[image] for image in images],
            "question": ["Which?"] * count,
            "answers": [[answer] for answer in answers or ["a"] * count],
            "choices": pl.Series([[]] * count, dtype=pl.List(pl.String)),
            "tags": tags or [{"_": None}] * count,
        }
    )
    return frame.with_columns(**columns)


def predictions(variant="default", texts="", **columns):
    """Return the answers of a variant, one letter a sample; a blank is a failure."""
    said = [None if text == " " else text for text in texts]
    frame = pl.DataFrame(
        {"sample_id": [f"s{at}" for at in range(len(said))], "answer": said, "text": said},
        schema=dict.fromkeys(("sample_id", "answer", "text"), pl.String),
    )
    return frame.with_columns(
        variant=pl.lit(variant),
        perturbation=pl.lit("none"),
        error=pl.when(pl.col("text").is_null()).then(pl.lit("HTTP 500")),
        rule=pl.when(pl.col("text").is_not_null()).then(pl.lit("whole")),
        finish_reason=pl.lit("stop"),
        requests=pl.lit(1, pl.UInt16),
        seconds=pl.lit(0.5),
        prompt_tokens=pl.lit(10, pl.UInt32),
        cached_tokens=pl.lit(8, pl.UInt32),
        image_tokens=pl.lit(None, pl.UInt32),
        completion_tokens=pl.lit(2, pl.UInt32),
    ).with_columns(**columns)


def compared(table, texts, metrics=(exact_match,), **given):
    """Compare variants, given by label what each answered."""
    answers = pl.concat([predictions(label, said) for label, said in texts.items()])
    scores = score(table, answers, metrics)
    return compare_variants(table, answers, scores, metrics, **given)


def row(found, **key):
    (one,) = [r for r in found if all(r[name] == value for name, value in key.items())]
    return one


# Two variants


SIX_IMAGES = samples(["p1", "p1", "p2", "p3", "p4", "p5", "p5", "p6"])


def test_a_difference_is_paired_by_sample_and_tested_by_image():
    """The images' sums are 2, 1, 1, 0, 2, 1: two of 2^5 swaps are as far apart, .0625."""
    found = compared(SIX_IMAGES, {"bare": "xxxxaxxx", "terse": "aaaaaaaa"})
    terse = row(found["results"], variant="terse")
    assert (found["baseline"], found["n"], terse["images"]) == ("bare", 8, 6)
    assert (terse["value"], terse["difference"]) == (1.0, 0.875)
    assert (terse["won"], terse["lost"], terse["tied"], terse["flips"]) == (7, 0, 1, 7)
    assert terse["p"] == pytest.approx(0.0625)
    assert terse["mcnemar"] is None  # it would take the questions of an image for independent
    assert terse["too_small"] == "6 images are too few to tell anything"


def test_the_baseline_has_a_value_and_no_difference():
    found = compared(SIX_IMAGES, {"bare": "xxxxaxxx", "terse": "aaaaaaaa"})
    bare = row(found["results"], variant="bare")
    assert (bare["value"], bare["n"]) == (0.125, 8)
    assert bare["difference"] is bare["p"] is bare["p_holm"] is bare["won"] is None
    assert bare.keys() == row(found["results"], variant="terse").keys()


def test_the_interval_of_a_difference_is_clustered_t():
    """Differences 1 0 0 1: mean ½, se √(4/3 · 1) / 4 = .288675, t(3) = 3.182446, cut at 1."""
    found = compared(samples(list("abcd")), {"a": "xaax", "b": "aaaa"})
    b = row(found["results"], variant="b")
    assert (b["difference_low"], b["difference_high"]) == (pytest.approx(-0.418692, abs=1e-5), 1)
    assert b["p"] == 0.5  # 2 of 2^2 swaps
    assert b["mcnemar"] == 0.5  # one question an image


def test_mcnemar_of_two_and_ten():
    found = compared(
        samples([str(n) for n in range(14)]), {"a": "aa" + "x" * 10 + "aa", "b": "xx" + "a" * 12}
    )
    b = row(found["results"], variant="b")
    assert b["mcnemar"] == pytest.approx(0.03857421875)
    assert b["p"] == pytest.approx(0.03857421875)  # the same test where each image has one question
    assert (b["won"], b["lost"], b["tied"]) == (10, 2, 2)
    assert b["too_small"] is None


def test_holm_runs_over_the_rows_of_a_metric():
    texts = {"bare": "xxxxaxxx", "terse": "aaaaaaaa", "same": "xxxxaxxx"}
    found = compared(SIX_IMAGES, texts, (exact_match, METRICS["anls"]))
    for name in ("exact_match", "anls"):
        assert row(found["results"], variant="terse", metric=name)["p_holm"] == pytest.approx(0.125)
        assert row(found["results"], variant="same", metric=name)["p_holm"] == 1.0


def test_another_baseline_turns_the_sign():
    texts = {"bare": "xxxxaxxx", "terse": "aaaaaaaa"}
    found = compared(SIX_IMAGES, texts, baseline="terse")
    assert found["variants"] == ["terse", "bare"]
    assert row(found["results"], variant="bare")["difference"] == -0.875
    assert row(found["results"], variant="bare")["lost"] == 7


def test_where_lower_is_better_less_is_won():
    table = samples(list("abc"), answers=["ab", "ab", "ab"])
    answers = pl.concat([predictions("a", "xxx"), predictions("b", "axx")])
    scores = score(table, answers, [CER])
    found = compare_variants(table, answers, scores, [CER])
    b = row(found["results"], variant="b")
    assert (b["better"], b["won"], b["lost"], b["tied"]) == ("lower", 1, 0, 2)
    assert b["difference"] == pytest.approx(-1 / 6)
    assert b["flips"] is None  # an error rate does not say what is right
    assert found["flips"] == []


def test_a_ratio_is_compared_as_sum_over_sum():
    """The case of metrics.md: CER of two runs, one row per image, p .0625."""
    counts = {"a": [2, 0, 3, 1, 0, 4], "b": [3, 1, 3, 4, 2, 5]}
    lengths = [20.0, 15, 30, 12, 9, 25]
    table = samples(list("abcdef"))
    answers = pl.concat([predictions(label, "x" * 6) for label in counts])
    scores = score(table, answers, [CER]).with_columns(
        numerator=pl.Series([*counts["a"], *counts["b"]], dtype=pl.Float64),
        denominator=pl.Series(lengths * 2),
    )
    b = row(compare_variants(table, answers, scores, [CER])["results"], variant="b")
    assert b["difference"] == pytest.approx(0.0720720720720721)
    assert b["p"] == pytest.approx(0.0625)


@metric(better="higher", source="a test", composite="mean")
def by_category(prediction, answers):
    return Ratio(prediction in answers)


@metric(better="higher", source="a test", group="all")
def whole_sets(prediction, answers):
    return Ratio(prediction in answers)


def test_a_composite_is_the_mean_over_its_categories():
    tags = [{"category": name} for name in "xxxy"]
    found = compared(samples(list("abcd"), tags=tags), {"a": "axxx", "b": "aaxa"}, (by_category,))
    assert row(found["results"], variant="a")["value"] == pytest.approx((1 / 3 + 0) / 2)
    b = row(found["results"], variant="b")
    assert b["difference"] == pytest.approx((2 / 3 + 1) / 2 - 1 / 6)


def test_sets_that_count_together_are_one_cluster():
    """Sets of two samples on two images each: of a 1 of 3 is right, of b 2."""
    tags = [{"group": name} for name in "xxyyzz"]
    texts = {"a": "aaxxxa", "b": "aaaaax"}
    found = compared(samples(list("pqrstu"), tags=tags), texts, (whole_sets,))
    b = row(found["results"], variant="b")
    assert row(found["results"], variant="a")["value"] == pytest.approx(1 / 3)
    assert (b["difference"], b["images"]) == (pytest.approx(1 / 3), 3)


# What stands beside the differences


def test_flips_have_both_answers():
    found = compared(SIX_IMAGES, {"bare": "ax" + "a" * 6, "terse": "ya " + "a" * 5})
    assert [
        (r["sample_id"], r["baseline_answer"], r["answer"], r["won"]) for r in found["flips"]
    ] == [
        ("s0", "a", "y", False),
        ("s1", "x", "a", True),
        ("s2", "a", None, False),
    ]
    assert found["flips"][0] == {
        "variant": "terse",
        "metric": "exact_match",
        "sample_id": "s0",
        "won": False,
        "question": "Which?",
        "accepted": ["a"],
        "baseline_answer": "a",
        "answer": "y",
    }


def test_costs_and_ends_are_counted_by_variant():
    texts = {"bare": "aaaa", "terse": "ab  "}
    found = compared(samples(list("abcd")), texts)
    assert row(found["cost"], variant="bare") == {
        "variant": "bare",
        "requests": 4,
        "prompt_tokens": 40,
        "cached_tokens": 32,
        "image_tokens": None,  # not known is not 0
        "completion_tokens": 8,
        "computed_tokens": 8,
        "seconds": 2.0,
    }
    assert row(found["reliability"], variant="terse") == {
        "variant": "terse",
        "n": 4,
        "failed": 2,
        "unparsed": 0,
        "truncated": 0,
        "characters": 1.0,
    }


def test_failed_samples_stay_in_with_the_worst_value():
    found = compared(samples(list("abcd")), {"bare": "aaaa", "terse": "aa  "})
    terse = row(found["results"], variant="terse")
    assert (terse["value"], terse["failed"], terse["lost"]) == (0.5, 2, 2)


def test_samples_that_one_variant_lacks_are_left_out():
    table = samples(list("abcd"))
    answers = pl.concat([predictions("a", "aaaa"), predictions("b", "ax")])
    found = compare_variants(table, answers, score(table, answers, [exact_match]), [exact_match])
    assert (found["n"], found["left_out"]) == (2, 2)
    assert row(found["results"], variant="a")["n"] == 2


def test_perturbed_copies_have_no_part_in_it():
    table = samples(list("abcd"))
    copies = predictions("a", "xxxx", perturbation=pl.lit("typos@1"))
    answers = pl.concat([predictions("a", "aaaa"), copies, predictions("b", "aaaa")])
    found = compare_variants(table, answers, score(table, answers, [exact_match]), [exact_match])
    assert row(found["results"], variant="a")["value"] == 1.0
    assert row(found["cost"], variant="a")["requests"] == 4


def test_too_few_samples_are_said_to_be():
    images = [str(number) for number in range(12)]
    found = compared(samples(images), {"a": "xaaaaaaaaaax", "b": "axaaaaaaaaaa"})
    b = row(found["results"], variant="b")
    assert b["difference"] == pytest.approx(1 / 12)
    needed = math.ceil(12 * (b["detectable"] * 12) ** 2)
    assert b["too_small"] == (
        f"12 samples are too few for a difference of 0.083; {needed:,} may do"
    )


def test_where_nothing_differs_only_what_would_show_is_said():
    found = compared(samples([str(number) for number in range(12)]), dict.fromkeys("ab", "a" * 12))
    b = row(found["results"], variant="b")
    assert (b["difference"], b["p"], b["tied"]) == (0.0, 1.0, 12)
    least = f"{b['detectable']:.3f}"
    assert b["too_small"] == f"12 samples show a difference of {least} or more"


@pytest.mark.parametrize(
    ("texts", "given", "line"),
    [
        ({"a": "aa"}, {}, "nothing to compare: the variants are ['a']; give two or more"),
        ({"bare": "a", "b": "a"}, {"baseline": "bar"}, "baseline 'bar': no such variant; did you"),
        ({"a": "", "b": "aa"}, {"baseline": "b"}, "nothing to compare: the variants are ['b']"),
    ],
)
def test_what_cannot_be_compared_is_one_line(texts, given, line):
    with pytest.raises(UserError) as error:
        compared(samples(list("ab")), texts, **given)
    assert str(error.value).startswith(line)


def test_variants_without_a_common_sample_are_one_line():
    table = samples(list("ab"))
    answers = pl.concat([predictions("a", "aa").head(1), predictions("b", "aa").tail(1)])
    with pytest.raises(UserError, match="no sample was answered under every variant"):
        compare_variants(table, answers, score(table, answers, [exact_match]), [exact_match])


# Factors


@pytest.mark.parametrize(
    ("variants", "factors"),
    [
        (
            {
                "b+0": {"t": "", "n": 0},
                "b+1": {"t": "", "n": 1},
                "c+0": {"t": "x", "n": 0},
                "c+1": {"t": "x", "n": 1},
            },
            {
                "t": {"b+0": "b", "b+1": "b", "c+0": "c", "c+1": "c"},
                "n": {"b+0": "0", "b+1": "1", "c+0": "0", "c+1": "1"},
            },
        ),
        # labels that say nothing of the levels
        (
            {
                "w": {"t": 1, "n": 0},
                "x": {"n": 1, "t": 1},
                "y": {"t": 2, "n": 0},
                "z": {"t": 2, "n": 1},
            },
            {
                "t": {"w": "1", "x": "1", "y": "2", "z": "2"},
                "n": {"w": "0", "x": "1", "y": "0", "z": "1"},
            },
        ),
        ({"a": {"t": ""}, "b": {"t": "x"}}, {"t": {"a": "a", "b": "b"}}),
        ({"a": {"t": "", "n": 0}, "b": {"t": "x", "n": 1}}, {}),  # no full grid
        ({"a": {"t": ""}, "b": {"n": 1}}, {}),
        ({"a": {"t": ""}, "b": {"t": ""}}, {}),  # one cell twice
        ({"default": {}}, {}),
        ({}, {}),
    ],
)
def test_factors_are_found_where_variants_are_a_full_grid(variants, factors):
    assert factors_of(variants) == factors


GRID = {f"{text}+{shots}": {"text": text, "shots": shots} for text in "bt" for shots in (0, 1)}


def test_a_main_effect_is_the_mean_over_the_other_factors():
    """Values .25 .5 .75 1: text .375 → .875, shots .5 → .75."""
    texts = {"b+0": "axxx", "b+1": "aaxx", "t+0": "aaax", "t+1": "aaaa"}
    found = compared(samples(list("pqrs")), texts, factors=factors_of(GRID))
    effects = found["effects"]
    assert [(r["factor"], r["level"], r["value"], r["difference"]) for r in effects] == [
        ("text", "b", pytest.approx(0.375), None),
        ("text", "t", pytest.approx(0.875), pytest.approx(0.5)),
        ("shots", "0", pytest.approx(0.5), None),
        ("shots", "1", pytest.approx(0.75), pytest.approx(0.25)),
    ]
    # Per sample 0, ½, 1, ½: Σu² = ½, se √(4/3 · ½) / 4 = .204124, t(3) = 3.182446.
    text = row(effects, factor="text", level="t")
    assert text["difference_low"] == pytest.approx(0.5 - 0.649616, abs=1e-5)
    assert text["difference_high"] == 1
    assert text["p"] == pytest.approx(0.25)  # 2 of 2^3 swaps
    assert text["p_holm"] == pytest.approx(0.5)


def test_one_factor_is_no_table_beside_that_of_its_variants():
    texts = {"a": "axx", "b": "aaa"}
    factors = factors_of({"a": {"t": ""}, "b": {"t": "x"}})
    assert compared(samples(list("pqr")), texts, factors=factors)["effects"] == []


def test_the_decoding_of_variants_that_are_no_grid_is_a_factor():
    texts = {"a": "axx", "b": "xxx", "a (free)": "aax", "b (free)": "axx"}
    factors = {"decoding": {label: "free" if "free" in label else "constrained" for label in texts}}
    effects = compared(samples(list("pqr")), texts, factors=factors)["effects"]
    assert row(effects, level="free")["difference"] == pytest.approx(1 / 3)


def test_a_main_effect_on_a_composite_is_that_of_its_value():
    tags = [{"category": name} for name in "xxxy"]
    texts = {"b+0": "axxx", "b+1": "aaxx", "t+0": "aaxa", "t+1": "aaaa"}
    table = samples(list("pqrs"), tags=tags)
    found = compared(table, texts, (by_category,), factors=factors_of(GRID))
    value = {r["variant"]: r["value"] for r in found["results"]}
    assert value["t+0"] == pytest.approx((2 / 3 + 1) / 2)
    wanted = (value["t+0"] + value["t+1"] - value["b+0"] - value["b+1"]) / 2
    assert row(found["effects"], level="t")["difference"] == pytest.approx(wanted)


RATIOS = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=3, max_size=3)


@settings(max_examples=25, deadline=None)
@given(st.lists(RATIOS, min_size=4, max_size=4))
def test_an_effect_is_the_mean_of_the_differences_of_values_for_any_ratio(cells):
    table = samples(list("pqr"))
    answers = pl.concat([predictions(label, "xxx") for label in GRID])
    flat = [pair for cell in cells for pair in cell]
    scores = score(table, answers, [CER]).with_columns(
        numerator=pl.Series([n for n, _ in flat], dtype=pl.Float64),
        denominator=pl.Series([d for _, d in flat], dtype=pl.Float64),
    )
    found = compare_variants(table, answers, scores, [CER], factors=factors_of(GRID))
    value = {r["variant"]: r["value"] for r in found["results"]}
    wanted = (value["t+0"] - value["b+0"] + value["t+1"] - value["b+1"]) / 2
    assert row(found["effects"], level="t")["difference"] == pytest.approx(wanted, abs=1e-9)


# Runs


def tables(name, texts="aaaa", task="small", table=None, **given):
    """Return a run with one variant, or with those of a mapping of texts."""
    table = samples(list("pqrs")) if table is None else table
    texts = {"default": texts} if isinstance(texts, str) else texts
    answers = pl.concat([predictions(label, said) for label, said in texts.items()])
    answers = answers.filter(pl.col("sample_id").is_in(table["sample_id"].to_list()))
    metrics = given.pop("metrics", (exact_match,))
    return Tables(name, task, table, answers, score(table, answers, metrics), metrics, **given)


def test_runs_are_compared_with_the_first():
    found = compare_runs([tables("a", "axxx"), tables("b", "aaxx"), tables("c", "aaaa")])
    (task,) = found["tasks"]
    assert (task["baseline"], task["runs"], task["n"]) == ("a", ["a", "b", "c"], 4)
    assert row(task["results"], run="c")["difference"] == 0.75
    assert row(task["results"], run="b")["variant"] == "default"
    assert [(r["run"], r["sample_id"]) for r in task["flips"]] == [
        ("b", "s1"), ("c", "s1"), ("c", "s2"), ("c", "s3"),
    ]  # fmt: skip


FIRST, SECOND, THIRD = (pl.col("sample_id") == f"s{at}" for at in range(3))


def test_samples_that_are_not_the_same_are_left_out_and_counted():
    table = samples(list("pqrs"))
    other = table.with_columns(
        question=pl.when(FIRST).then(pl.lit("What?")).otherwise("question"),
        image_ids=pl.when(SECOND).then(pl.lit(["z"])).otherwise("image_ids"),
        answers=pl.when(THIRD).then(pl.lit(["b"])).otherwise("answers"),
    )
    short = table.filter(~THIRD)
    found = compare_runs([tables("a"), tables("b", table=other), tables("c", table=short)])
    (task,) = found["tasks"]
    none = {"question": 0, "images": 0, "choices": 0, "answers": 0, "absent": 0}
    three = {"question": 1, "images": 1, "answers": 1}
    assert task["n"] == 1
    assert task["left_out"] == [
        {"run": "a", "samples": 4, "left_out": 3} | none | three,
        {"run": "b", "samples": 4, "left_out": 3} | none | three,
        {"run": "c", "samples": 3, "left_out": 2} | none | {"absent": 2},
    ]


def test_the_order_of_accepted_answers_means_nothing():
    table = samples(list("pq"))
    both = [tables(name, "aa", table=table.with_columns(answers=pl.lit(given)))
            for name, given in (("x", ["a", "b"]), ("y", ["b", "a"]))]  # fmt: skip
    assert compare_runs(both)["tasks"][0]["n"] == 2


def test_a_file_says_nothing_of_questions_and_images():
    file = samples(["1.png", "2.png", "3.png", "4.png"]).drop("question")
    runs = [
        tables("file", table=file, images_known=False),
        tables("run", "xxaa", table=samples(list("ppqq"))),
    ]
    (task,) = compare_runs(runs)["tasks"]
    assert task["n"] == 4
    assert row(task["results"], run="run")["images"] == 2  # those of the run, which knows them
    assert row(task["flips"], sample_id="s0")["question"] == "Which?"


def test_runs_without_a_common_sample_are_one_line():
    table = samples(list("pqrs"))
    other = table.with_columns(image_ids=pl.lit(["z"]))
    with pytest.raises(UserError) as error:
        compare_runs([tables("a"), tables("b", table=other)])
    assert str(error.value) == (
        "a and b: no samples in common (4 with other images); compare runs on the same data"
    )
    gone = table.with_columns(sample_id="x" + pl.col("sample_id"))
    answers = predictions("default", "aaaa", sample_id="x" + pl.col("sample_id"))
    alone = Tables("c", "small", gone, answers, score(gone, answers, [exact_match]), (exact_match,))
    with pytest.raises(UserError, match="a and c: no samples in common; compare runs on the same"):
        compare_runs([tables("a"), alone])


@pytest.mark.parametrize(
    ("first", "second", "matched"),
    [
        ({"x": "aaaa", "y": "aaaa"}, {"y": "aaaa", "x": "aaaa", "z": "aaaa"}, ["x", "y"]),
        ({"x": "aaaa"}, {"z": "aaaa"}, ["x"]),
        ({"x": "aaaa", "y": "aaaa"}, {"y": "aaaa"}, ["y"]),
        ({"x": "aaaa", "y": "aaaa"}, {"default": "aaaa"}, ["x", "y"]),
    ],
)
def test_variants_match_by_label_and_a_single_one_with_each(first, second, matched):
    (task,) = compare_runs([tables("a", first), tables("b", second)])["tasks"]
    assert [r["variant"] for r in task["results"] if r["run"] == "b"] == matched
    assert all((r["p"] is None) == (r["run"] == "a") for r in task["results"])


def test_runs_without_a_common_variant_or_metric_are_one_line():
    runs = [tables("a", {"x": "aaaa", "y": "aaaa"}), tables("b", {"v": "aaaa", "w": "aaaa"})]
    with pytest.raises(UserError) as error:
        compare_runs(runs)
    assert str(error.value) == (
        "no variant is in all of the runs (a: x, y; b: v, w); run one with --variant"
    )
    with pytest.raises(UserError) as error:
        compare_runs([tables("a"), tables("b", metrics=(METRICS["anls"],))])
    assert str(error.value) == (
        "the runs share no metric (a: exact_match; b: anls); name one with --metric"
    )


def test_a_task_with_one_run_is_one_line():
    with pytest.raises(UserError) as error:
        compare_runs([tables("a"), tables("b"), tables("c", task="other")])
    assert str(error.value) == "c: no other run of the task 'other'; the others are of small"


def test_the_win_rate_is_the_mean_over_tasks():
    """Accuracy .5 .6 .6 .9 gives 0 ½ ½ 1; CER .3 .1 .2 .2 gives 0 1 ½ ½ (metrics.md 5)."""
    rates = {"reading": [0.3, 0.1, 0.2, 0.2], "naming": [0.5, 0.6, 0.6, 0.9]}
    runs = []
    for task, values in rates.items():
        measure = CER if task == "reading" else exact_match
        for name, value in zip("abcd", values, strict=True):
            run = tables(name, task=task, metrics=(measure,))
            scores = run.scores.with_columns(numerator=pl.lit(value), denominator=pl.lit(1.0))
            runs.append(Tables(name, task, run.samples, run.predictions, scores, (measure,)))
    found = compare_runs(runs)["win_rate"]
    assert [(r["run"], r["win_rate"]) for r in found["models"]] == [
        ("a", 0.0), ("b", 0.75), ("c", 0.5), ("d", 0.75),
    ]  # fmt: skip
    assert [column["better"] for column in found["columns"]] == ["lower", "higher"]


def test_two_models_have_no_win_rate():
    assert compare_runs([tables("a"), tables("b")])["win_rate"] is None
