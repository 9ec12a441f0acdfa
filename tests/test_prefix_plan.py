"""Groups that share a prefix, what `sgleval plan` says of them, and the controls of the cache."""

import datetime as dt
import json

import pytest
from conftest import picture
from fake_server import TEMPLATE, FakeServer, Fault, backend_for, sgl
from small_project import row

from sgleval import evaluate
from sgleval.cache_check import noise, parse_check, probe
from sgleval.demo import MODEL
from sgleval.errors import RunError, UserError
from sgleval.outlook import early_text, image_tokens, outlook
from sgleval.plan import make_plan
from sgleval.runtime.connect import find_model
from sgleval.task import load_task


def planned(project, model="demo"):
    return make_plan(load_task(project.task), find_model(model), None, 0)


def everything(_request):
    return True


@sgl.function
def name_it(s, image):
    s += sgl.user(sgl.image(image) + "What is it?")
    s += sgl.assistant(sgl.gen("answer"))


def rows(*images):
    return [row(n) | {"image": f"{image}.png"} for n, image in enumerate(images)]


def ids(groups):
    return [[request.sample.id for request in group] for group in groups]


def test_questions_on_one_image_are_a_group_sorted_or_not(project):
    project.data(*rows("a", "b", "a", "c", "b", "a"))
    assert ids(planned(project).groups(everything)) == [["s3"], ["s1", "s4"], ["s0", "s2", "s5"]]
    assert ids(planned(project).ungrouped(everything)) == [[f"s{n}"] for n in range(6)]


def test_variants_with_other_text_before_the_image_are_groups_of_their_own(project):
    project.data(*rows("a", "a"))
    project.write_task(
        code="""
@sgl.function
def ask(s, image, question, system, tail=""):
    s += sgl.system(system)
    s += sgl.user(sgl.image(image) + question + tail)
    s += sgl.assistant(ANSWER.gen("answer"))
""",
        variants="grid(system={'a': 'A', 'b': 'B'}, tail={'0': '', '1': '!'})",
    )
    groups = [[r.variant for r in group] for group in planned(project).groups(everything)]
    assert groups == [["a+0", "a+1"] * 2, ["b+0", "b+1"] * 2]


def test_what_the_journal_has_is_not_in_the_groups(project):
    project.data(*rows("a", "a", "b"))
    assert ids(planned(project).groups(lambda r: r.sample.id != "s0")) == [["s1"], ["s2"]]


def test_a_parameter_before_the_image_is_named_with_its_line(project):
    project.data(*rows("a", "a"))
    project.write_task(
        code="""
@sgl.function
def ask(s, image, question):
    s += sgl.user(question + sgl.image(image))
    s += sgl.assistant(ANSWER.gen("answer"))
"""
    )
    plan = planned(project)
    name, line = early_text(plan)
    assert name == "question"
    assert line.endswith("s += sgl.user(question + sgl.image(image))")
    assert any(
        "'question' is written before the image (task.py:" in note
        for note in outlook(plan, None).notes
    )


def test_an_outlook_counts_and_estimates_and_sends_nothing(project):
    project.data(*rows("a", "a", "b"))
    found = outlook(planned(project), {"cost": {"sent": 10, "seconds": 20.0}})
    assert (found.samples, found.images, found.requests, found.groups) == (3, 2, 3, 2)
    assert 0 < found.ceiling < 1
    assert found.expected_seconds == 6.0
    assert "nothing was sent" in next(found.lines())


def test_without_a_tokenizer_tokens_and_ceiling_are_unknown(project):
    found = outlook(planned(project, project.model), None)
    assert found.prompt_tokens is None
    assert found.ceiling is None


def test_image_tokens_are_those_of_qwens_processor(tmp_path):
    settings = {"patch_size": 14, "merge_size": 2, "min_pixels": 3136, "max_pixels": 1003520}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    count = image_tokens(tmp_path)
    assert [count(64, 64), count(20, 20), count(463, 1013), count(3000, 4000)] == [4, 4, 612, 1230]
    (tmp_path / "preprocessor_config.json").write_text("{}")
    assert image_tokens(tmp_path) is None


# Trust


def test_the_probe_sends_one_text_with_two_pictures_nobody_has_seen():
    with FakeServer() as server:
        probe(backend_for(server), TEMPLATE)
    first, second = server.bodies
    assert first["text"] == second["text"]
    assert first["image_data"] != second["image_data"]


def test_a_server_that_takes_one_picture_for_the_other_stops_the_run():
    found_whole = Fault(meta={"prompt_tokens": 30, "cached_tokens": 29})
    refused = pytest.raises(RunError, match="mixes up two pictures")
    with FakeServer(faults=[None, found_whole]) as server, refused:
        probe(backend_for(server), TEMPLATE)


def test_no_answer_is_kept_that_came_before_the_probe_was_through(project, tmp_path):
    project.data(*rows("a", "b"))

    def answers(body):
        mixed = {"prompt_tokens": 30, "cached_tokens": 29}
        return Fault(seconds=0.5, meta=mixed) if "What is it?" in body["text"] else "w"

    refused = pytest.raises(RunError, match="mixes up two pictures")
    with FakeServer(answers, info={"model_path": str(MODEL)}) as server, refused:
        evaluate(project.task, server.url, out=tmp_path / "run")
    assert len(server.bodies) > 2  # the questions were asked meanwhile
    assert not (tmp_path / "run" / "journal.jsonl").read_text()


def test_a_cold_backend_gives_each_program_a_cache_of_its_own():
    with FakeServer() as server:
        cold = backend_for(server).cold()
        for _ in range(2):
            name_it.run(image=picture(), backend=cold.opened(), use_thread=False)
    salts = [body["cache_salt"] for body in server.bodies]
    assert len(set(salts)) == 2


def test_answers_that_change_cold_are_named(project, monkeypatch):
    project.data(*rows("a", "a", "b"))

    def answers(body):
        return "odd" if "cache_salt" in body and "Say w1 now" in body["text"] else "same"

    with FakeServer(answers, info={"model_path": str(MODEL)}) as server:
        run = evaluate(project.task, server.url, check_cache="all")
    assert run.summary["cache_check"] == {"n": 3, "changed": 1, "samples": ["s1"]}
    assert run.summary["cost"]["sent"] == 3


WHOLE = {"incremental_streaming_output": False}


def leaders_first(project, **server_info):
    """Run three questions on a page; say which were streamed, and when the first had ended."""
    project.data(*rows("a", "a", "a"))
    answered = Fault(between=0.4)
    with FakeServer(
        lambda body: answered if body.get("stream") else "w",
        info={"model_path": str(MODEL)},
        server_info=server_info,
    ) as server:
        run = evaluate(project.task, server.url)
        asked = [body.get("stream", False) for body in server.bodies if " now" in body["text"]]
    rows_of = run.predictions.sort("started_at")
    first, *others = zip(rows_of["started_at"], rows_of["seconds"], strict=True)
    ended = first[0] + dt.timedelta(seconds=first[1])
    return asked, all(started < ended for started, _ in others)


def test_siblings_start_while_their_leader_still_answers(project):
    assert leaders_first(project, **WHOLE) == ([True, False, False], True)


@pytest.mark.parametrize("said", [{}, {"incremental_streaming_output": True}])
def test_where_streamed_texts_may_come_in_parts_siblings_wait_for_the_whole_answer(project, said):
    assert leaders_first(project, **said) == ([False, False, False], False)


def test_where_the_page_is_shown_after_a_first_answer_siblings_wait_for_the_last(project):
    project.write_task(
        code="""
@sgl.function
def ask(s, image, question):
    s += sgl.user("Say hello now.")
    s += sgl.assistant(sgl.gen("hello"))
    s += sgl.user(sgl.image(image) + question)
    s += sgl.assistant(ANSWER.gen("answer"))
""",
    )
    asked, early = leaders_first(project, **WHOLE)
    assert (any(asked), early) == (False, False)


def test_the_probes_picture_is_a_png():
    import io

    from PIL import Image

    with Image.open(io.BytesIO(noise())) as probe_picture:
        probe_picture.load()
        assert probe_picture.size == (56, 56)
    assert noise() != noise()
    assert picture()[:8] == noise()[:8]


@pytest.mark.parametrize(("given", "number"), [(None, None), ("all", -1), ("12", 12), (3, 3)])
def test_check_cache_takes_a_number_or_all(given, number):
    assert parse_check(given) == number


@pytest.mark.parametrize("given", ["0", "some", "-1", "1.5"])
def test_check_cache_refuses_anything_else(given):
    with pytest.raises(UserError, match="give a number from 1 on, or all"):
        parse_check(given)
