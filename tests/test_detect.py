"""`sgleval plan --detect`: how many samples a difference needs."""

import re

from click.testing import CliRunner
from small_project import row

from sgleval import evaluate
from sgleval.cli import main
from sgleval.stats import sample_size


def plan(project, difference):
    words = ["plan", str(project.task), "--model", project.model, "--detect", str(difference)]
    return CliRunner().invoke(main, words)


def test_before_any_run_the_disagreement_is_assumed(project):
    done = plan(project, 0.02)
    assert done.exit_code == 0, done.output
    assert f"  {sample_size(0.1, 0.02):,} samples, if two runs disagree on 0.100" in done.output
    assert "times the design effect, which a first run tells" in done.output


def test_after_a_run_its_value_and_its_images_tell(project):
    project.data(*(row(n, answers=[f"w{n}" if n % 2 else "nothing"]) for n in range(40)))
    evaluate(project.task, project.model)
    done = plan(project, 0.02)
    assert f"  {sample_size(0.02, 0.02):,} samples" not in done.output  # the images count
    assert "if two runs disagree on 0.020 of them" in done.output  # one has all the other has
    assert "if two runs disagree on 0.500 of them" in done.output  # .5 + .48 - 2 * .5 * .48
    assert re.search(r"a design effect of \d\.\d\d is in it, from the last run", done.output)
    assert project.calls()[40:] == []


def test_a_perfect_run_leaves_but_one_way_to_differ(project):
    project.data(*map(row, range(40)))
    evaluate(project.task, project.model)
    done = plan(project, 0.1)
    assert f"{sample_size(0.1, 0.1):,} samples, if two runs disagree on 0.100" in done.output
    assert done.output.count("if two runs disagree") == 1


def test_a_difference_of_nothing_or_of_everything_is_refused(project):
    for difference in (0, 1, -0.1):
        done = plan(project, difference)
        assert done.exit_code == 2
        assert "give a difference between 0 and 1, such as 0.03" in done.output
