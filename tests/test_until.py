"""`--until`: images in random order until it is known, by a model of one's own."""

import pytest
from click.testing import CliRunner
from small_project import TOLD, row

from sgleval import evaluate
from sgleval.ablate import ablate
from sgleval.cli import main
from sgleval.errors import UserError
from sgleval.task import load_task
from sgleval.until import Until

TWO = "{'bare': {'instruction': ''}, 'terse': {'instruction': ' Be brief.'}}"


@pytest.fixture
def many(project):
    """A project of 400 images with one question each."""
    from conftest import picture

    shades = [(n % 16 * 16, n // 16 % 16 * 16, n // 256 * 100) for n in range(400)]
    project.data(*(row(n, image=f"{n}.png") for n in range(400)))
    for number, shade in enumerate(shades):
        (project.folder / "data" / f"{number}.png").write_bytes(picture(shade, (8, 8)))
    return project


def until(project, width, **given):
    return evaluate(project.task, project.model, until=width, **given)


def test_a_run_stops_as_soon_as_its_value_is_known(many):
    done = until(many, 0.1)
    found = done.summary["until"]
    asked = len(many.calls())
    assert asked == found["samples"] == found["images"] == done.summary["n"] < 200
    assert (found["known"], found["of"]) == (True, 400)
    [interval] = found["intervals"]
    assert interval["high"] - interval["low"] <= 0.1
    assert interval["low"] <= 1 <= interval["high"]


def test_a_narrower_width_asks_only_what_is_new_and_the_same_width_nothing(many):
    until(many, 0.2)
    first = len(many.calls())
    until(many, 0.2)
    assert len(many.calls()) == first
    until(many, 0.1)
    assert len(many.calls()) > first
    assert len(set(many.calls())) == len(many.calls())


def test_another_seed_takes_other_images(many):
    ids = {seed: set(until(many, 0.2, seed=seed).samples["sample_id"]) for seed in (0, 1)}
    assert ids[0] != ids[1]


def test_what_stays_unknown_is_asked_to_the_end(many):
    many.write_model('if int(question[5:-4]) % 2: return "wrong"')
    done = until(many, 0.001)
    assert done.summary["n"] == 400
    [interval] = done.summary["until"]["intervals"]
    assert (interval["low"], interval["high"]) == pytest.approx((0.5, 0.5), abs=1e-5)
    assert done.summary["until"]["known"]  # of the whole data, once all of it is asked


def test_failed_answers_count_as_the_worst(many):
    many.write_model('if int(question[5:-4]) % 8 == 0: raise ValueError("dark")')
    done = until(many, 0.3)
    [interval] = done.summary["until"]["intervals"]
    assert interval["low"] <= 7 / 8 <= interval["high"]


def test_of_several_variants_the_differences_have_to_be_known(many):
    many.write_task(code=TOLD, program="told", variants=TWO)
    many.write_model('if "brief" in prompt: return "nothing"', prompt=", prompt")
    done = ablate(load_task(many.task), many.model, until=0.3)
    found = done.runs[0].summary["until"]
    assert found["of_difference"]
    [interval] = found["intervals"]
    assert interval["variant"] == "terse"
    assert interval["low"] <= -1 <= interval["high"] <= -0.7
    assert len(many.calls()) == 2 * found["samples"] < 400


def test_the_table_says_what_was_saved(many):
    words = ["run", str(many.task), "--model", many.model, "--until", "0.2"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "known to 0.2 after" in done.output
    assert "true at every look" in done.output


@pytest.mark.parametrize("width", [0, 1, -0.1])
def test_a_width_that_is_none_is_refused(many, width):
    with pytest.raises(UserError, match=r"^--until .*: give a width between 0 and 1"):
        until(many, width)


def test_a_metric_without_an_upper_end_cannot_be_known_early(many):
    with pytest.raises(UserError, match=r"^--until: cer is no mean of values from 0 to 1"):
        until(many, 0.1, metrics=["cer"])
    assert many.calls() == []


def test_looks_are_at_images_that_are_complete_in_their_order(many, tmp_path):
    """Whatever order answers come in, an unanswered image ends what is looked at."""
    from sgleval.plan import make_plan
    from sgleval.runtime.connect import find_model
    from sgleval.store import Journal

    plan = make_plan(load_task(many.task), find_model(many.model), None, 0)
    with Journal(tmp_path / "journal.jsonl") as journal:
        known = Until(plan, journal, 0.1)
        stages = known.stages()
        next(stages)
        assert not known.is_known()
        assert known.looked == 0
