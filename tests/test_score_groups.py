"""Samples that count together, and composites over categories."""

import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_score import predictions, samples

from sgleval.errors import UserError
from sgleval.metrics import METRICS, Ratio, metric
from sgleval.score import score, summarize
from sgleval.score.groups import clusters
from sgleval.stats import interval


def results(asked, answered, *metrics, **tags):
    chosen = [METRICS[name] if isinstance(name, str) else name for name in metrics]
    scores = score(asked, answered, chosen, **tags)
    return scores, summarize(asked, answered, scores, chosen, **tags)


def value(summary, at=0):
    return summary["results"][at]["value"]


@metric(better="higher", source="here", group="all")
def together(prediction, answers):
    return Ratio(prediction in answers)


def test_each_member_of_a_group_carries_its_share_of_the_group():
    asked = samples([{"answers": ["x"]}] * 5, tags={"group": ["a", "b", "a", "b", "b"]})
    scores, summary = results(asked, predictions(["x", "x", "x", "x", "y"]), together)
    assert scores["numerator"].to_list() == [1 / 2, 0, 1 / 2, 0, 0]
    assert scores["denominator"].to_list() == [1 / 2, 1 / 3, 1 / 2, 1 / 3, 1 / 3]
    [row] = summary["results"]
    assert (row["value"], row["n"], row["sets"]) == (pytest.approx(0.5), 5, 2)


def test_a_failed_member_fails_its_group():
    asked = samples([{"answers": ["x"]}] * 4, tags={"group": ["a", "a", "b", "b"]})
    answered = predictions(["x", None, "x", "x"], error=[None, "reset", None, None])
    [row] = results(asked, answered, together)[1]["results"]
    assert (row["value"], row["failed"]) == (0.5, 1)


def test_groups_are_told_apart_by_category_variant_and_perturbation():
    asked = samples(
        [{"answers": ["x"]}] * 4,
        tags={"set": ["1", "1", "1", "1"], "kind": ["a", "a", "b", "b"]},
    )
    answered = pl.concat(
        [
            predictions(["x", "x", "x", "y"], variant=["one"] * 4),
            predictions(["x", "y", "x", "y"], variant=["two"] * 4),
        ]
    )
    summary = results(asked, answered, together, group="set", category="kind")[1]
    assert [row["value"] for row in summary["results"]] == [0.5, 0]
    summary = results(asked, answered, together, group="set")[1]
    assert [row["value"] for row in summary["results"]] == [0, 0]


def test_a_group_metric_without_the_tag_says_which_one_it_wants():
    asked = samples([{"answers": ["x"]}] * 2, tags={"group": ["a", None]})
    with pytest.raises(UserError, match="together: sample 's1' has no 'group'; name the tag"):
        score(asked, predictions(["x", "x"]), [together])
    with pytest.raises(UserError, match="together: sample 's0' has no 'set'"):
        score(asked, predictions(["x", "x"]), [together], group="set")


def test_the_interval_of_a_group_metric_takes_groups_and_images_as_one():
    rows = [{"answers": ["x"], "image_ids": [image]} for image in "pqrstu"]
    asked = samples(rows, tags={"group": [*"aabbcc"]})
    [row] = results(asked, predictions([*"xxxyxx"]), together)[1]["results"]
    spread = interval([0.5, 0.5, 0, 0, 0.5, 0.5], [0.5] * 6, [*"aabbcc"], (0, 1))
    assert (row["low"], row["high"]) == pytest.approx(spread)


def test_samples_that_share_an_image_or_a_group_are_one_cluster():
    rows = [{"answers": ["x"], "image_ids": [image]} for image in "ppqrs"]
    asked = samples(rows, tags={"group": ["a", "b", "b", "c", None]})
    assert clusters(asked).to_list() == [0, 0, 1, 2, 3]
    first, second, third, fourth, fifth = clusters(asked, ("group",)).to_list()
    assert first == second == third
    assert len({first, fourth, fifth}) == 3


@metric(better="higher", source="here", composite="mean")
def by_kind(prediction, answers):
    return Ratio(prediction in answers)


@metric(better="higher", bounds=(0, 1), source="here", composite="sum", categories=("a", "b", "z"))
def summed(prediction, answers):
    return Ratio(prediction in answers)


def test_a_composite_is_a_step_over_the_values_of_categories():
    asked = samples([{"answers": ["x"]}] * 6, tags={"category": [*"aaaabc"]})
    scores, summary = results(asked, predictions([*"xxxyyx"]), by_kind, summed)
    mean, total = summary["results"]
    assert (mean["value"], mean["categories"], mean["of"]) == (pytest.approx(1.75 / 3), 3, None)
    assert (total["value"], total["categories"], total["of"], total["n"]) == (0.75, 2, 3, 5)
    assert scores.filter(pl.col("metric") == "summed")["sample_id"].to_list() == [
        "s0", "s1", "s2", "s3", "s4"
    ]  # fmt: skip
    groups = {(g["metric"], g["group"]): g["value"] for g in summary["groups"]}
    assert groups == {
        ("by_kind", "a"): 0.75, ("by_kind", "b"): 0, ("by_kind", "c"): 1,
        ("summed", "a"): 0.75, ("summed", "b"): 0,
    }  # fmt: skip


def test_a_composite_without_categories_is_the_plain_value():
    asked = samples([{"answers": ["x"]}] * 4)
    plain, composed = results(asked, predictions([*"xxxy"]), "exact_match", by_kind)[1]["results"]
    assert composed["value"] == plain["value"]
    assert (composed["low"], composed["high"]) == pytest.approx((plain["low"], plain["high"]))


def test_the_interval_of_a_mean_over_equal_categories_is_that_of_independent_halves():
    asked = samples([{"answers": ["x"]}] * 40, tags={"category": [*"ab" * 20]})
    answered = predictions([*("xy" * 10), *("xx" * 10)])
    [row] = results(asked, answered, by_kind)[1]["results"]
    assert row["value"] == 0.75
    # Category a is 1 throughout and adds nothing; b is 10 of 20.
    error = 0.5 * (40 / 39 * 20 * (0.5 / 20) ** 2) ** 0.5
    assert row["high"] - row["value"] == pytest.approx(2.0226909 * error, rel=1e-6)


def test_a_category_without_a_value_leaves_the_composite_without_one():
    asked = samples([{"answers": ["no"]}, {"answers": ["yes"]}], tags={"category": ["a", "b"]})
    [row] = results(asked, predictions(["no", "yes"]), "pope_f1")[1]["results"]
    assert row["value"] is row["low"] is row["high"] is None


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        (None, "no sample has 'category'"),
        ({"category": ["pets"]}, "'category' is pets"),
    ],
)
def test_a_metric_of_listed_categories_wants_one_of_them(tags, message):
    asked = samples([{"answers": ["yes"]}], tags=tags)
    with pytest.raises(UserError, match=f"mme_cognition: takes the categories .*{message}"):
        score(asked, predictions(["yes"]), [METRICS["mme_cognition"]])


def test_mme_wants_two_questions_an_image():
    asked = samples([{"answers": ["yes"]}] * 3, tags={"group": [*"aab"], "category": ["OCR"] * 3})
    with pytest.raises(
        UserError, match="mme_accuracy_plus: the group 'OCR' 'b' has 1 samples; give 2"
    ):
        score(asked, predictions(["yes"] * 3), [METRICS["mme_accuracy_plus"]])


def test_a_metric_with_a_parser_reads_the_text_and_counts_what_it_cannot_read():
    asked = samples([{"answers": ["B"], "choices": ["cat", "dog"]}] * 4)
    answered = predictions(
        [None, None, None, None],
        text=["I say: a dog", " (B)\n", "who knows", None],
        rule=["none", "whole", "whole", None],
        error=[None, None, None, "reset"],
    )
    name = "multiple_choice_accuracy"
    scores, summary = results(asked, answered, name, "exact_match")
    own = scores.filter(pl.col("metric") == name)
    assert own["numerator"].to_list() == [1, 1, 0, 0]
    assert own["parsed"].to_list() == ["B", "B", None, None]
    assert own["rule"].to_list() == ["inside", "label", "none", "none"]
    mine, plain = summary["results"]
    assert (mine["failed"], mine["unparsed"]) == (1, 1)
    assert (plain["failed"], plain["unparsed"]) == (1, 1)
    assert [(row["label"], row["n"]) for row in summary["labels"]] == [("B", 2)]


def test_group_metrics_agree_with_the_reference(shared):
    cases = json.loads((shared / "reference/cases/multiple_choice_circular.json").read_text())
    rows, said, group = [], [], []
    for at, case in enumerate(cases["cases"]):
        for text, answer, options in zip(
            case["prediction"], case["answers"], case["choices"], strict=True
        ):
            rows.append({"answers": [answer], "choices": list(options.values())})
            said.append(text)
            group.append(str(at))
    asked, answered = samples(rows, tags={"group": group}), predictions(said)
    scores, summary = results(
        asked, answered, "multiple_choice_circular", "multiple_choice_accuracy"
    )
    assert [row["value"] for row in summary["results"]] == [
        pytest.approx(corpus["expected"]) for corpus in cases["corpus"]
    ]
    sums = scores.filter(pl.col("metric") == cases["metric"]).group_by(
        pl.col("sample_id").replace_strict([f"s{i}" for i in range(len(group))], group),
        maintain_order=True,
    ).agg(pl.col("numerator").sum())  # fmt: skip
    assert sums["numerator"].to_list() == pytest.approx([c["expected"] for c in cases["cases"]])


@pytest.mark.parametrize("file", ["pope", "mme"])
def test_composites_agree_with_the_reference(shared, file):
    cases = json.loads((shared / f"reference/cases/{file}.json").read_text())
    for corpus in cases["corpus"]:
        tags = {"category": corpus.get("categories"), "group": corpus.get("groups")}
        tags = {name: column for name, column in tags.items() if column}
        asked = samples([{"answers": answers} for answers in corpus["answers"]], tags=tags or None)
        answered = predictions(corpus["predictions"])
        summary = results(asked, answered, corpus.get("metric", cases["metric"]))[1]
        assert value(summary) == pytest.approx(corpus["expected"], abs=1e-9)
        groups = {g["group"]: g["value"] for g in summary["groups"] if g["tag"] == "category"}
        assert groups == pytest.approx(corpus.get("by_category", groups), abs=1e-9)


closed = [
    "multiple_choice_accuracy",
    "yes_no_f1",
    "pope_f1",
    "mme_accuracy",
    "wer",
    "anls",
    "token_f1",
]


@pytest.mark.parametrize("name", closed)
@given(
    st.lists(
        st.tuples(
            st.none() | st.sampled_from(["yes", "no", "Yes.", "B", "", "not"]),
            st.sampled_from(["yes", "no"]),
        ),
        min_size=1,
        max_size=8,
    )
)
@settings(max_examples=25, deadline=None)
def test_the_samples_reproduce_the_headline_and_scoring_twice_changes_nothing(name, rows):
    asked = samples([{"answers": [gold], "choices": []} for _, gold in rows])
    answered = predictions([said for said, _ in rows])
    scores, summary = results(asked, answered, name)
    again, repeated = results(asked, answered, name)
    assert scores.equals(again)
    assert summary == repeated
    top, bottom = scores["numerator"].sum(), scores["denominator"].sum()
    expected = top / bottom if bottom else None
    assert value(summary) == (None if expected is None else pytest.approx(expected))
    if expected is not None and METRICS[name].bounds[1] is not None:
        assert 0 <= value(summary) <= 1
