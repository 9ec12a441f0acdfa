"""Runs with perturbed copies, by a model of one's own: what is sent, kept, scored and shown."""

import json

import polars as pl
import pytest
from click.testing import CliRunner
from conftest import picture
from small_project import row

from sgleval import evaluate, perturb
from sgleval.cli import main
from sgleval.errors import UserError
from sgleval.plan import make_plan
from sgleval.results import rescore
from sgleval.runtime.connect import find_model
from sgleval.task import load_task

SHOUTED = 'if question.isupper(): return "shouted"'
SEEN = """
pixels = images[0].pil().convert("RGB").getpixel((0, 0))
return {(255, 0, 0): "red", (0, 128, 0): "green", (0, 0, 255): "blue"}.get(pixels, "grey")
"""
COLORS = ("red", "green", "blue")


def run(project, *specs, **given):
    return evaluate(project.task, project.model, perturb=specs, **given)


def answers(done, perturbation):
    rows = done.predictions.filter(pl.col("perturbation") == perturbation)
    return dict(rows.select("sample_id", "answer").iter_rows())


def test_copies_are_asked_beside_the_originals_and_keep_their_ids(project):
    project.write_model(SHOUTED)
    done = run(project, "uppercase")
    assert sorted(project.calls()) == sorted(
        question for n in range(3) for question in (f"Say w{n} now", f"SAY W{n} NOW")
    )
    assert answers(done, "none") == {f"s{n}": f"w{n}" for n in range(3)}
    assert answers(done, "uppercase@1") == dict.fromkeys(("s0", "s1", "s2"), "shouted")


def test_an_unchanged_copy_is_not_sent(project):
    project.data(row(0), row(1, question="SAY W1 NOW", answers=["W1"]))
    done = run(project, "uppercase")
    assert len(project.calls()) == 3
    assert list(answers(done, "uppercase@1")) == ["s0"]
    [found] = done.summary["robustness"]["perturbations"]
    assert found["changed"] == 0.5


def test_the_summary_says_what_a_perturbation_costs(project):
    project.write_model(SHOUTED)
    summary = run(project, "uppercase").summary
    [found] = summary["robustness"]["perturbations"]
    figures = {name: found[name] for name in ("original", "mean", "worst", "drop", "flip_rate")}
    assert figures == {"original": 1, "mean": 0, "worst": 0, "drop": 1, "flip_rate": 1}
    [family] = [f for f in summary["robustness"]["families"] if f["family"] == "robustness"]
    assert family["worst"] == 0
    assert [r["value"] for r in summary["results"] if r["perturbation"] == "none"] == [1]


def test_more_perturbations_ask_only_what_is_new(project):
    run(project, "uppercase")
    asked = len(project.calls())
    run(project, "lowercase", "uppercase")
    assert sorted(project.calls()[asked:]) == [f"say w{n} now" for n in range(3)]
    run(project, "lowercase", "uppercase")
    assert len(project.calls()) == asked + 3


def test_the_blind_see_grey_and_the_misled_another_samples_image(project):
    for color in COLORS:
        name = {"red": "a", "green": "b", "blue": "c"}[color]
        (project.folder / "data" / f"{name}.png").write_bytes(picture(color))
    rows = [row(n, question=f"Say {COLORS[n]} now", answers=[COLORS[n]]) for n in range(3)]
    (project.folder / "data" / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    project.write_model(SEEN)
    done = run(project, "blind", "wrong_image")
    assert answers(done, "none") == {f"s{n}": COLORS[n] for n in range(3)}
    assert set(answers(done, "blind@1").values()) == {"grey"}
    misled = answers(done, "wrong_image@1")
    assert set(misled.values()) == set(COLORS)
    assert all(misled[f"s{n}"] != COLORS[n] for n in range(3))


LETTERS = 'return "AB"[["cat", "dog"].index(choices[0])]'


def test_the_gold_letter_follows_rotated_options_also_when_scored_again(project):
    project.write_task(answer="Choice()")
    project.data(row(0, choices=["cat", "dog"], answers=["A"], question="Which letter has cat"))
    project.write_model(LETTERS)
    done = run(project, "choices:rotate")
    assert list(done.predictions["answer"]) == ["A", "B"]
    assert [r["value"] for r in done.summary["results"]] == [1, 1]
    again = rescore(done.folder, ["exact_match"])
    assert [r["value"] for r in again["results"]] == [1, 1]
    assert again["robustness"] == done.summary["robustness"]


def test_a_function_of_ones_own_perturbs_from_python(project):
    polite = perturb.translate(lambda question: question.replace("Say", "Please"), name="polite")
    done = evaluate(project.task, project.model, perturb=[polite])
    assert sorted(project.calls())[:3] == [f"Please w{n} now" for n in range(3)]
    assert done.predictions["perturbation"].n_unique() == 2


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("typoes:0.1", "no perturbation 'typoes'; did you mean typos?"),
        ("blur:6", "6"),
        ("typos:2", "2"),
        ("translate", "evaluate(task, perturb="),
    ],
)
def test_a_perturbation_that_is_none_is_refused_before_anything_is_sent(project, spec, says):
    words = ["run", str(project.task), "--model", project.model, "--perturb", spec]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert says in done.output
    assert done.output.count("\n") == 1
    assert project.calls() == []


def test_the_wrong_image_needs_a_second_one(project):
    project.data(row(0), row(1, image="a.png"))
    with pytest.raises(UserError, match="all questions are about the same image"):
        run(project, "wrong_image")


def test_the_plan_counts_copies_and_keeps_questions_on_one_perturbed_image_together(project):
    project.data(*(row(n, image="a.png") for n in range(4)), row(4, image="b.png"))
    model, specs = find_model(project.model), perturb.parse(["blur:3", "lowercase"])
    plan = make_plan(load_task(project.task), model, None, 0, specs)
    assert len(list(plan.requests())) == 15
    groups = list(plan.groups(lambda _: True))
    assert sorted(map(len, groups)) == [1, 2, 4, 8]  # blurred, and with its lower-case copies


def test_another_seed_draws_other_typos(project):
    first = make_plan(load_task(project.task), find_model(project.model), None, 0)
    del first
    calls = {}
    for seed in (0, 1):
        before = len(project.calls())
        run(project, "typos:0.5", seed=seed)
        calls[seed] = project.calls()[before:]
    assert sorted(calls[0]) != sorted(calls[1])


def test_the_same_command_writes_the_same_scores_byte_for_byte(project, tmp_path):
    bytes_of = []
    for folder in ("one", "two"):
        done = run(project, "typos:0.3", "blur:2", out=tmp_path / folder)
        bytes_of.append((done.folder / "scores.parquet").read_bytes())
    assert bytes_of[0] == bytes_of[1]
