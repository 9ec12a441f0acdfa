"""The sliding window: results as they finish, one failure one row, never more open than asked."""

import datetime as dt
import gc
import threading
import time
import tracemalloc
import weakref

import pytest
from conftest import picture
from fake_server import RESET, TEMPLATE, FakeServer, Fault, backend_for, sgl

from sgleval.errors import RunError, UserError
from sgleval.runtime.record import Recorder, first_prompt, rehearse
from sgleval.runtime.run_batch import Call, run_batch, run_once
from sgleval.runtime.template import Template
from sgleval.sample import Image

pytestmark = pytest.mark.timeout(60)


@sgl.function
def say(s, question):
    s += sgl.user(question)
    s += sgl.assistant(sgl.gen("answer"))


@sgl.function
def look(s, image, question="What?"):
    s += sgl.user(sgl.image(image) + question)
    s += sgl.assistant(sgl.gen("answer"))


def calls(number):
    return [Call({"question": f"question {n}."}) for n in range(number)]


def echo(body):
    """Answer with the prompt's number."""
    return body["text"].partition("question ")[2].partition(".")[0]


def batch(server, program, given, concurrency=4, **client):
    return run_batch(
        program, given, backend_for(server, **client), concurrency=concurrency, temperature=0.0
    )


# Results


def test_every_position_comes_once_with_its_own_answer():
    with FakeServer(echo) as server:
        done = list(batch(server, say, calls(50)))
    assert sorted(position for position, _ in done) == list(range(50))
    assert all(outcome.variables == {"answer": str(position)} for position, outcome in done)


def test_no_calls_are_no_results():
    with FakeServer() as server:
        assert list(batch(server, say, [])) == []


def test_a_result_comes_as_it_finishes_and_not_behind_a_slow_one():
    slow = threading.Event()

    def answer(body):
        if echo(body) == "0":
            slow.wait(20)
        return "fine"

    with FakeServer(answer) as server:
        results = batch(server, say, calls(6), concurrency=2)
        assert [next(results)[0] for _ in range(5)] == [1, 2, 3, 4, 5]
        slow.set()
        assert next(results)[0] == 0


def test_an_outcome_says_when_it_began_and_how_long_it_took():
    before = dt.datetime.now(dt.UTC)
    with FakeServer(lambda _: Fault(seconds=0.2)) as server:
        [(_, outcome)] = batch(server, say, calls(1))
    assert 0.2 <= outcome.seconds < 5
    assert before <= outcome.started_at <= dt.datetime.now(dt.UTC)


def test_sampling_reaches_every_gen():
    with FakeServer() as server:
        list(run_batch(say, calls(2), backend_for(server), concurrency=1, temperature=0.5))
        assert [body["sampling_params"]["temperature"] for body in server.bodies] == [0.5, 0.5]


# The window


def test_never_more_is_open_nor_read_than_the_window():
    read = []

    def counted():
        for n, call in enumerate(calls(30)):
            read.append(n)
            yield call

    with FakeServer(lambda _: Fault(seconds=0.01)) as server:
        for done, _ in enumerate(batch(server, say, counted(), concurrency=3), start=1):
            assert len(read) <= done + 6  # the next ones start before results are handled
        assert server.most_in_flight == 3
    assert len(read) == 30


class Counted(Image):
    """An image that notes when it is read."""

    read: list

    @property
    def bytes(self):
        self.read.append(1)
        return super().bytes


@pytest.mark.parametrize(
    "pack", [lambda image: image, lambda image: [image], lambda image: (image,)]
)
def test_images_are_read_only_as_the_window_moves(pack):
    @sgl.function
    def see(s, images):
        s += sgl.user(sgl.image(images[0] if isinstance(images, list) else images) + "What?")
        s += sgl.assistant(sgl.gen("answer"))

    Counted.read = []
    images = [pack(Counted(picture(size=(n + 1, 1)))) for n in range(12)]
    with FakeServer() as server:
        given = [Call({"images": image}) for image in images]
        for done, (_, outcome) in enumerate(batch(server, see, given, concurrency=2), start=1):
            assert outcome.error is None
            assert len(Counted.read) <= done + 2
    assert len(Counted.read) == 12


def test_leaving_early_does_not_wait():
    held = threading.Event()

    def answer(body):
        if echo(body) != "0":
            held.wait(30)
        return "fine"

    with FakeServer(answer) as server:
        results = batch(server, say, calls(99), concurrency=3)
        assert next(results)[0] == 0
        while len(server.bodies) < 4:
            time.sleep(0.01)
        began = time.monotonic()
        results.close()
        assert time.monotonic() - began < 2
        held.set()
        time.sleep(0.2)
        assert len(server.bodies) == 4


# Failures


def refuse(*numbers):
    """Answer, and refuse the prompts with these numbers."""
    return lambda body: Fault(400, "no") if echo(body) in map(str, numbers) else echo(body)


def test_one_bad_sample_touches_no_other():
    with FakeServer(refuse(3, 7)) as server:
        done = dict(batch(server, say, calls(20)))
    assert {n for n, outcome in done.items() if outcome.error} == {3, 7}
    assert all(done[n].variables == {"answer": str(n)} for n in done if n not in (3, 7))
    assert done[3].error == "RequestError: HTTP 400: no"


def test_an_image_that_cannot_be_read_is_a_row(tmp_path):
    page = tmp_path / "page.png"
    page.write_bytes(picture())
    given = [Call({"image": Image(page)}), Call({"image": Image(tmp_path / "gone.png")})]
    with FakeServer() as server:
        done = dict(batch(server, look, given))
    assert done[0].error is None
    assert done[1].error.startswith("FileNotFoundError: ")


def test_a_programs_own_exception_is_a_row():
    @sgl.function
    def odd(s, question):
        s += sgl.user(question)
        s += sgl.assistant(sgl.gen("answer"))
        if s["answer"] == "1":
            raise ValueError("odd answer")

    with FakeServer(echo) as server:
        done = dict(batch(server, odd, calls(3)))
    assert [done[n].error for n in range(3)] == [None, "ValueError: odd answer", None]
    assert done[1].requests == 1  # what it cost is known all the same


@sgl.function
def two_steps(s, question):
    """Trap 5 of SGLang's own run_batch: it reads an answer that may have failed."""
    s += sgl.user(question)
    s += sgl.assistant(sgl.gen("first"))
    s += sgl.user("Sure of " + s["first"] + "? " + question)
    s += sgl.assistant(sgl.gen("answer"))


@sgl.function
def two_steps_and_work(s, question):
    """Trap 4: after a failed gen Python works, then more is appended."""
    s += sgl.user(question)
    s += sgl.assistant(sgl.gen("first"))
    time.sleep(0.01)
    s += sgl.user("Sure? " + question)
    s += sgl.assistant(sgl.gen("answer"))
    s.sync()
    len(s.text())


@sgl.function
def two_forks(s, question):
    s += sgl.user("x")
    forks = s.fork(2)
    for f in forks:
        f += sgl.assistant(sgl.gen("first"))
        f.sync()
        f += sgl.user(question)
        f += sgl.assistant(sgl.gen("second"))
    forks.join()
    s += sgl.assistant(sgl.gen("answer"))


@pytest.mark.parametrize("program", [two_steps, two_steps_and_work, two_forks])
@pytest.mark.parametrize("step", [1, 2])
def test_a_program_of_several_steps_neither_hangs_nor_hides_what_failed(program, step):
    def answer(body):
        asked = body["text"].count("<a>") == step and "question 2." in body["text"]
        return Fault(400, "no") if asked else "fine"

    with FakeServer(answer) as server:
        done = dict(batch(server, program, calls(6)))
    failed = {n: outcome.error for n, outcome in done.items() if outcome.error}
    expected = {} if (program, step) == (two_forks, 1) else {2: "RequestError: HTTP 400: no"}
    assert failed == expected


# The end of a run


def gone():
    raise RunError("the server is gone")


def test_a_server_that_is_gone_ends_the_batch():
    def answer(body):
        return RESET if echo(body) == "2" else echo(body)

    with FakeServer(answer) as server:
        results = batch(server, say, calls(99), concurrency=1, recover=gone)
        assert [next(results)[0], next(results)[0]] == [0, 1]
        with pytest.raises(RunError, match="the server is gone"):
            next(results)
        assert list(results) == []


def test_what_was_answered_is_yielded_before_the_end():
    def answer(body):
        return RESET if echo(body) == "1" else echo(body)

    with FakeServer(answer) as server:
        results = batch(server, say, calls(4), concurrency=4, recover=gone)
        seen = [next(results)[0]]
        time.sleep(2)  # meanwhile the others have ended, the one that raises among them
        with pytest.raises(RunError):
            seen.extend(position for position, _ in results)
    assert sorted(seen) == [0, 2, 3]


def test_a_role_that_the_template_lacks_ends_the_batch():
    @sgl.function
    def strict(s, question):
        s += sgl.system("Be brief.")
        s += sgl.user(question)

    template = Template("test", {"user": ("", ""), "assistant": ("", "")}, "<img>")
    with FakeServer() as server, pytest.raises(UserError, match="no system turn"):
        list(run_batch(strict, calls(3), backend_for(server, template=template), concurrency=2))


def test_what_fails_while_calls_are_read_ends_the_batch():
    def broken():
        yield from calls(3)
        raise UserError("data.jsonl:4: no JSON")

    with FakeServer() as server, pytest.raises(UserError, match="no JSON"):
        list(batch(server, say, broken(), concurrency=1))


# Memory


@sgl.function
def read_badly(s, image):
    s += sgl.user(sgl.image(image))
    s += sgl.assistant(sgl.gen("answer"))
    raise ValueError(s["answer"])


@sgl.function
def fork_unjoined(s, image):
    s += sgl.user(sgl.image(image))
    forks = s.fork(2)
    forks += sgl.assistant(sgl.gen("answer"))
    s.set_var("answer", forks[0]["answer"])


@pytest.mark.parametrize("program", [look, read_badly, fork_unjoined])
@pytest.mark.parametrize("fault", [None, Fault(400, "no")], ids=["answered", "refused"])
def test_nothing_of_a_program_outlives_it(program, fault):
    """Nor waits for the collector of cycles: an image is large, but only one object to it."""
    kept = []

    @sgl.function
    def watched(s, image):
        kept.append(weakref.ref(s.stream_executor))
        program.func(s, image)

    gc.collect()
    gc.disable()
    try:
        with FakeServer(lambda _: fault or "fine") as server:
            backend = backend_for(server)
            outcomes = [
                run_once(watched, Call({"image": picture()}), backend, {}) for _ in range(3)
            ]
        assert [ref() for ref in kept] == [None] * 3
    finally:
        gc.enable()
    assert all(
        bool(outcome.error) == (program is read_badly or fault is not None) for outcome in outcomes
    )


def test_outcomes_do_not_hold_images(tmp_path):
    page = tmp_path / "page.png"
    page.write_bytes(picture() + bytes(500_000))
    given = (Call({"image": Image(page)}) for _ in range(60))
    with FakeServer(keep=False) as server:
        tracemalloc.start()
        try:
            outcomes = list(batch(server, look, given, concurrency=2))
            held, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert len(outcomes) == 60
    assert held < 5e6
    assert peak < 35e6  # the window's; 60 images and their base64 would be 70e6


# The rehearsal


def test_a_rehearsal_notes_each_prompt_and_needs_no_model():
    recorder, outcome = rehearse(two_steps, Call({"question": "Why?"}), TEMPLATE)
    assert recorder.prompts[0] == "<u>Why?</u>\n<a>"
    assert len(recorder.prompts) == 2
    assert outcome.error is None
    assert isinstance(recorder, Recorder)


def test_a_program_with_choices_can_be_rehearsed():
    @sgl.function
    def choose(s):
        s += sgl.user("Which?")
        s += sgl.assistant(sgl.gen("answer", choices=["a", "b"]))

    recorder, outcome = rehearse(choose, Call({}), TEMPLATE)
    assert outcome.variables == {"answer": "a"}
    assert recorder.prompts == ["<u>Which?</u>\n<a>"]


def test_the_first_prompt_says_how_long_its_answer_may_get():
    @sgl.function
    def ask_twice(s):
        s += sgl.user("Which?") + sgl.assistant(sgl.gen("answer", max_tokens=8))
        s += sgl.user("Why?") + sgl.assistant(sgl.gen("reason", max_tokens=99))

    assert first_prompt(ask_twice, Call({}), TEMPLATE).answer_tokens == 8
    assert first_prompt(say, Call({"question": "Which?"}), TEMPLATE).answer_tokens is None


def test_the_first_prompt_ends_at_choices_too_and_a_fork_leaves_no_thread():
    @sgl.function
    def choose(s):
        s += sgl.user("Which?")
        s += sgl.assistant(sgl.gen("answer", choices=["a", "b"]))

    assert first_prompt(choose, Call({}), TEMPLATE).text == "<u>Which?</u>\n<a>"
    first_prompt(fork_unjoined, Call({"image": Image(picture())}), TEMPLATE)
    assert not [thread for thread in threading.enumerate() if thread.name.endswith("(run)")]
