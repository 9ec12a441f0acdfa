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
    project.data(*(row(n, answers=["w0", f"w{n}"][: 1 + n % 2]) for n in range(40)))
    evaluate(project.task, project.model)
    done = plan(project, 0.02)
    assert "if two runs disagree on 0.499" in done.output  # half right, or nearly
    assert re.search(r"a design effect of \d\.\d\d is in it, from the last run", done.output)
    assert project.calls()[40:] == []


def test_a_difference_that_no_run_can_show_is_said_so(project):
    project.data(*(row(n, answers=["nothing" if n == 0 else f"w{n}"]) for n in range(40)))
    evaluate(project.task, project.model)
    assert "not to be had: runs of the last one's value disagree on" in plan(project, 0.2).output


def test_a_difference_of_nothing_or_of_everything_is_refused(project):
    for difference in (0, 1, -0.1):
        done = plan(project, difference)
        assert done.exit_code == 2
        assert "give a difference between 0 and 1, such as 0.03" in done.output
