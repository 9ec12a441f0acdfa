"""Variants over the same samples, with a model of one's own that reads the prompt."""

import json

import pytest
from click.testing import CliRunner
from small_project import row

from sgleval.ablate import ablate
from sgleval.cli import main
from sgleval.errors import UserError
from sgleval.task import load_task

PROGRAM = """
@sgl.function
def told(s, image, question, instruction, shots):
    s += sgl.user(sgl.image(image) + question + instruction + "!" * shots)
    s += sgl.assistant(ANSWER.gen("answer"))
"""
GRID = "grid(instruction={'bare': '', 'terse': ' Be brief.'}, shots={'0': 0, '2': 2})"
MISLED = 'if "brief" in prompt and "w1" in question: return "nothing"'


@pytest.fixture
def ablation(project):
    """A project of 30 questions on three pictures, whose model is misled by being told to."""
    project.data(*map(row, range(30)))
    project.write_task(code=PROGRAM, program="told", variants=GRID)
    project.write_model(MISLED, prompt=", prompt")
    return project


def run(*words):
    return CliRunner().invoke(main, ["ablate", *map(str, words)])


def test_all_variants_answer_the_same_samples_and_are_compared_with_the_first(ablation):
    done = ablate(load_task(ablation.task), ablation.model)
    found = done.comparison
    assert len(ablation.calls()) == 4 * 30
    assert (found["baseline"], found["n"]) == ("bare+0", 30)
    values = {row["variant"]: row["value"] for row in found["results"]}
    misled = 11 / 30  # w1, w10 to w19
    assert values == pytest.approx(
        {"bare+0": 1, "bare+2": 1, "terse+0": 1 - misled, "terse+2": 1 - misled}
    )
    [terse] = [row for row in found["results"] if row["variant"] == "terse+0"]
    assert terse["difference"] == pytest.approx(-misled)
    assert (terse["won"], terse["lost"], terse["tied"]) == (0, 11, 19)


def test_the_main_effect_of_each_factor_is_its_mean_over_the_others(ablation):
    found = ablate(load_task(ablation.task), ablation.model).comparison
    effects = {(row["factor"], row["level"]): row.get("difference") for row in found["effects"]}
    assert effects["instruction", "terse"] == pytest.approx(-11 / 30)
    assert effects["shots", "2"] == pytest.approx(0)


def test_another_baseline_may_be_named(ablation):
    found = ablate(load_task(ablation.task), ablation.model, baseline="terse+2").comparison
    assert found["variants"][0] == "terse+2"
    done = run(ablation.task, "--model", ablation.model, "--baseline", "loud")
    assert done.exit_code == 2
    assert "--baseline loud: no such variant; the first is 'bare+0'" in done.output


def test_an_ablation_displays_as_its_tables(ablation):
    shown = repr(ablate(load_task(ablation.task), ablation.model))
    assert "terse+2" in shown
    assert "Holm" in shown


def test_the_command_prints_the_comparison_as_json_too(ablation):
    done = run(ablation.task, "--model", ablation.model, "--variant", "terse+0", "--variant",
               "bare+0", "--json")  # fmt: skip
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["comparison"]["variants"] == ["terse+0", "bare+0"]
    assert found["runs"][0]["n"] == 30


def test_a_grid_of_ten_thousand_cells_asks_first(ablation):
    levels = "{str(n): n for n in range(100)}"
    ablation.write_task(
        code=PROGRAM, program="told", variants=f"grid(instruction={levels}, shots={levels})"
    )
    done = run(ablation.task, "--model", ablation.model)
    assert done.exit_code == 2
    assert "has 10,000 variants, each asked of every sample; give --yes to ask" in done.output
    assert ablation.calls() == []


def test_one_variant_has_nothing_to_be_compared_with(project):
    done = run(project.task, "--model", project.model)
    assert done.exit_code == 2
    assert "task 'small' has one variant; give it variants=, or --free" in done.output


def test_free_decoding_is_no_question_for_a_model_that_obeys_no_constraint(ablation):
    done = run(ablation.task, "--model", ablation.model, "--free")
    assert done.exit_code == 2
    assert "--free: model obeys no constraint anyway; leave it out" in done.output


def test_a_variant_that_raises_is_named_before_anything_is_asked(ablation):
    code = PROGRAM.replace('"!" * shots', '"!" * (1 // shots)')
    ablation.write_task(code=code, program="told", variants=GRID)
    with pytest.raises(UserError, match=r"told: ZeroDivisionError: .*mend it, it failed before"):
        ablate(load_task(ablation.task), ablation.model)
    assert ablation.calls() == []


def test_what_a_variant_answered_before_the_next_one_failed_is_kept(ablation):
    ablation.write_model(
        'if "brief" in prompt and "w3 " in question: raise ValueError("dark")', prompt=", prompt"
    )
    done = run(ablation.task, "--model", ablation.model)
    assert done.exit_code == 3
    assert "1 samples" not in done.output
    ablation.write_model(prompt=", prompt")
    asked = len(ablation.calls())
    again = run(ablation.task, "--model", ablation.model)
    assert again.exit_code == 0, again.output
    assert sorted(ablation.calls()[asked:]) == ["Say w3 now"] * 2


def test_free_is_asked_before_the_constrained_run_pays_for_anything(ablation):
    with pytest.raises(UserError, match=r"^--free: model obeys no constraint"):
        ablate(load_task(ablation.task), ablation.model, free=True)
    assert ablation.calls() == []
