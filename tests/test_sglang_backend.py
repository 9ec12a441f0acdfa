"""Our backend under programs: what it sends, what it takes for a failure, what it counts."""

import base64
import re
import threading

import pytest
from conftest import picture
from fake_server import (
    IMAGE_TOKENS,
    RESET,
    TEMPLATE,
    FakeServer,
    Fault,
    aborted,
    backend_for,
    sgl,
    tokens,
)

from sgleval.errors import RunError, UserError
from sgleval.runtime.client import Client, RequestError
from sgleval.runtime.run_batch import Call, run_once
from sgleval.runtime.sglang import SglangBackend
from sgleval.runtime.template import Template, from_sglang

pytestmark = pytest.mark.timeout(60)
NO_IMAGE_TOKENS = Fault(meta={"image_tokens": None})


@sgl.function
def look(s, image, question="What is it?"):
    s += sgl.system("Look.")
    s += sgl.user(sgl.image(image) + question)
    s += sgl.assistant(sgl.gen("answer", temperature=0.0))


@sgl.function
def say(s, question):
    s += sgl.user(question)
    s += sgl.assistant(sgl.gen("answer", temperature=0.0))


def run(server, program, **arguments):
    return run_once(program, Call(arguments), backend_for(server), {"temperature": 0.0})


def image_of(data_url):
    head, _, encoded = data_url.partition(";base64,")
    return head.removeprefix("data:image/"), base64.b64decode(encoded)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF"])
def test_an_images_original_bytes_arrive_under_the_name_of_their_kind(kind):
    page = picture("red", kind=kind)
    with FakeServer() as server:
        assert run(server, look, image=page).error is None
        [body] = server.bodies
    assert [image_of(url) for url in body["image_data"]] == [(kind.lower(), page)]


def test_the_prompt_is_what_the_template_writes():
    with FakeServer() as server:
        run(server, look, image=picture(), question="Why?")
        [body] = server.bodies
    assert body["text"] == "<s>Look.</s>\n<u><img>Why?</u>\n<a>"
    assert body["sampling_params"]["temperature"] == 0.0


def test_several_images_keep_the_programs_order():
    pages = [picture("red", kind="JPEG"), picture("blue"), picture("red", (8, 8), "GIF")]

    @sgl.function
    def compare(s, images):
        s += sgl.user(sgl.image(images[0]) + "or" + sgl.image(images[1]) + sgl.image(images[2]))
        s += sgl.assistant(sgl.gen("answer"))

    with FakeServer() as server:
        outcome = run(server, compare, images=pages)
        [body] = server.bodies
    assert outcome.error is None
    assert [image_of(url)[1] for url in body["image_data"]] == pages
    assert body["text"] == "<u><img>or<img><img></u>\n<a>"


def test_an_aborted_reply_is_asked_once_more():
    with FakeServer(lambda _: "now", [aborted("out of memory")]) as server:
        assert run(server, say, question="Hi").variables == {"answer": "now"}
        assert len(server.bodies) == 2


@pytest.mark.parametrize(("message", "words"), [("too long", "too long"), (None, "no reason")])
def test_a_reply_aborted_twice_is_a_failure(message, words):
    with FakeServer(faults=[aborted(message)] * 3) as server:
        outcome = run(server, say, question="Hi")
        assert len(server.bodies) == 2
    assert outcome.error.startswith(f"RequestError: aborted: {words}")
    assert outcome.variables == outcome.meta == outcome.tokens == {}


@pytest.mark.parametrize("said", [None, 0])
def test_a_dropped_image_is_a_failure(said):
    with FakeServer(faults=[Fault(meta={"image_tokens": said})]) as server:
        outcome = run(server, look, image=picture())
    assert outcome.error == (
        "RequestError: the server dropped 1 image(s): no image tokens came back"
    )


def test_a_refusal_is_an_error_in_the_servers_words():
    with FakeServer(faults=[Fault(400, {"error": {"message": "bad regex"}})]) as server:
        assert run(server, say, question="Hi").error == "RequestError: HTTP 400: bad regex"


def test_the_ledger_sums_what_all_requests_of_a_program_cost():
    @sgl.function
    def twice(s, image):
        s += sgl.user(sgl.image(image) + "What?")
        s += sgl.assistant(sgl.gen("first"))
        s += sgl.user("Sure?")
        s += sgl.assistant(sgl.gen("answer"))

    with FakeServer(lambda _: "a b") as server:
        outcome = run(server, twice, image=picture())
    both = [outcome.meta[name] for name in ("first", "answer")]
    assert outcome.requests == 2
    assert outcome.tokens == {
        kind: sum(meta[kind] for meta in both)
        for kind in ("prompt_tokens", "cached_tokens", "image_tokens", "completion_tokens")
    }
    assert outcome.tokens["image_tokens"] == 8


def test_what_a_server_does_not_count_is_null_and_a_prompt_without_images_has_no_image_tokens():
    faults = [Fault(meta={"cached_tokens": None}), None]
    with FakeServer(faults=faults) as server:
        silent, open_ = (run(server, say, question="Hi") for _ in range(2))
    assert silent.tokens["cached_tokens"] is None
    assert silent.tokens["prompt_tokens"] == open_.tokens["prompt_tokens"] > 0
    assert open_.tokens["cached_tokens"] == open_.tokens["prompt_tokens"] - 1
    assert open_.tokens["image_tokens"] == 0


def test_log_probabilities_are_asked_for_and_carried():
    @sgl.function
    def sure(s):
        s += sgl.user("Is it?")
        s += sgl.assistant(sgl.gen("answer", return_logprob=True, top_logprobs_num=5))

    with FakeServer(lambda _: "yes") as server:
        outcome = run(server, sure)
        [body] = server.bodies
    assert (body["return_logprob"], body["top_logprobs_num"]) == (True, 5)
    assert outcome.meta["answer"]["output_token_logprobs"] == [[-0.1, 0, "yes"]]


def test_extra_fields_go_with_every_request():
    with FakeServer() as server:
        backend = SglangBackend(Client(server.url), TEMPLATE, extra={"cache_salt": "s"})
        run_once(say, Call({"question": "Hi"}), backend, {})
        assert server.bodies[0]["cache_salt"] == "s"


# Stops


def test_a_shared_list_of_stops_does_not_grow():
    stops = ["\n"]

    @sgl.function
    def count(s):
        s += sgl.user("How many?")
        s += sgl.assistant(sgl.gen("answer", stop=stops) + sgl.gen("unit", stop=stops, dtype=int))

    template = Template("test", TEMPLATE.roles, TEMPLATE.image, stop=("</a>",))
    with FakeServer() as server:
        backend = backend_for(server, template=template)
        for _ in range(3):
            assert run_once(count, Call({}), backend, {}).error is None
        sent = [body["sampling_params"]["stop"] for body in server.bodies]
    assert stops == ["\n"]
    assert sent == [["\n", "</a>"], ["\n", "</a>", " ", "\n"]] * 3


@pytest.mark.parametrize("stop", ["#", ("#",), ["#"]])
def test_stops_of_program_and_template_are_both_sent(stop):
    @sgl.function
    def count(s):
        s += sgl.user("How many?")
        s += sgl.assistant(sgl.gen("answer", stop=stop))

    with FakeServer() as server:
        outcome = run_once(count, Call({}), backend_for(server, template=from_sglang("qwen")), {})
        assert outcome.error is None
        assert server.bodies[0]["sampling_params"]["stop"] == ["#", "<|im_end|>"]


# SGLang's own ways to run a program


def test_sglangs_own_run_works_on_the_backend():
    with FakeServer(lambda _: "red") as server:
        state = look.run(image=picture(), backend=backend_for(server))
        assert state["answer"] == "red"
        assert state.get_meta_info("answer")["image_tokens"] == 4


def test_sglangs_own_run_batch_works_on_the_backend_and_warms_the_constant_text():
    @sgl.function
    def long(s, question):
        s += sgl.system("x" * 80)
        s += sgl.user(question)
        s += sgl.assistant(sgl.gen("answer"))

    def number(body):
        return "".join(re.findall("say (.)", body["text"]))

    with FakeServer(number) as server:
        rows = [{"question": f"say {n}"} for n in range(6)]
        states = long.run_batch(rows, backend=backend_for(server), num_threads=3)
        assert [state["answer"] for state in states] == list("012345")
        assert server.bodies[0] == {
            "text": f"<s>{'x' * 80}</s>\n<u>",
            "sampling_params": {"max_new_tokens": 0},
        }


def test_a_warm_up_that_fails_stops_nothing():
    with FakeServer(faults=[Fault(400)]) as server:
        backend_for(server).cache_prefix("x" * 80)
        assert len(server.bodies) == 1


def test_sglangs_own_run_still_shows_the_error():
    with FakeServer(faults=[Fault(400, "no")]) as server, pytest.raises(RequestError, match="no"):
        say.run(question="Hi", backend=backend_for(server), use_thread=False)


# select


@sgl.function
def choose(s, image, choices):
    s += sgl.user(sgl.image(image) + "Which?")
    s += sgl.assistant(sgl.gen("answer", choices=choices))


def test_choices_go_over_our_connection_with_the_image_on_every_prompt():
    page = picture(kind="JPEG")
    with FakeServer(lambda _: "cat") as server:
        outcome = run(server, choose, image=page, choices=["dog", "cat"])
        warm, asked = server.bodies
        assert server.connections == 1
    assert outcome.error is None
    assert outcome.variables == {"answer": "cat"}
    assert outcome.requests == 3
    assert [text[-3:] for text in asked["text"]] == ["dog", "cat"]
    assert [[image_of(url)[1] for url in urls] for urls in asked["image_data"]] == [[page]] * 2
    assert image_of(warm["image_data"][0])[1] == page


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ([Fault(400, "no")], "HTTP 400: no"),
        ([None, aborted("full"), aborted("full")], "aborted: full"),
        ([None, NO_IMAGE_TOKENS], "the server dropped"),
    ],
)
def test_choices_fail_as_a_gen_does(faults, words):
    with FakeServer(lambda _: "cat", faults) as server:
        outcome = run(server, choose, image=picture(), choices=["dog", "cat"])
    assert outcome.error.startswith(f"RequestError: {words}")


# Forks


@sgl.function
def fork(s, image):
    s += sgl.user(sgl.image(image) + "Look.")
    forks = s.fork(3)
    for n, f in enumerate(forks):
        f += sgl.user(f"Question {n}?")
        f += sgl.assistant(sgl.gen("answer"))
    forks.join()
    s += sgl.user("All: " + " ".join(s["answer"]))
    s += sgl.assistant(sgl.gen("sum"))


@sgl.function
def fork_and_read(s, image):
    s += sgl.user(sgl.image(image) + "Look.")
    forks = s.fork(2)
    for n, f in enumerate(forks):
        f += sgl.user(f"Question {n}?")
        f += sgl.assistant(sgl.gen("answer"))
    s.set_var("answer", forks[1]["answer"])


@sgl.function
def fork_and_go_on(s, image):
    s += sgl.user(sgl.image(image) + "Look.")
    forks = s.fork(2)
    for n, f in enumerate(forks):
        f += sgl.user(f"Question {n}?")
        f += sgl.assistant(sgl.gen("first"))
        f.sync()  # Python's work between two requests, of which the first one failed
        f += sgl.user("Sure?")
        f += sgl.assistant(sgl.gen("second"))
        len(f.text())
    forks.join("concate_and_append")
    s += sgl.assistant(sgl.gen("answer"))


@sgl.function
def fork_and_choose(s, image):
    s += sgl.user(sgl.image(image) + "Look.")
    forks = s.fork(2)
    for n, f in enumerate(forks):
        f += sgl.user(f"Question {n}?")
        f += sgl.assistant(sgl.gen("answer", choices=["a", "b"]))
        f += sgl.user("Sure?")
    s.set_var("answer", forks[1]["answer"])


@sgl.function
def fork_in_a_fork(s, image):
    s += sgl.user(sgl.image(image) + "Look.")
    for outer in s.fork(2):
        for f in outer.fork(2):
            f += sgl.user("Question 1?")
            f += sgl.assistant(sgl.gen("answer"))


@sgl.function
def leave_a_copy(s, image):
    s += sgl.user(sgl.image(image) + "Look.")
    with s.copy() as f:
        f += sgl.user("Question 1?")
        f += sgl.assistant(sgl.gen("answer"))


FORKING = [fork, fork_and_read, fork_and_go_on, fork_and_choose, fork_in_a_fork, leave_a_copy]


def refuse_question_1(body):
    if "max_new_tokens" in body["sampling_params"] and "Question 1" in body["text"]:
        return Fault(400, "no such question")
    return "fine"


def workers():
    """Return the threads of SGLang's executors that live."""
    return [thread for thread in threading.enumerate() if thread.name.endswith("(run)")]


@pytest.mark.parametrize("program", FORKING, ids=lambda program: program.func.__name__)
def test_what_fails_in_a_fork_is_the_programs_error_and_nobody_waits(program):
    with FakeServer(refuse_question_1) as server:
        outcome = run(server, program, image=picture())
        assert outcome.error == "RequestError: HTTP 400: no such question"
        assert outcome.variables == {}
        assert not [
            body for body in server.bodies if "1?" in body["text"] and "Sure" in body["text"]
        ]
    assert workers() == []


@pytest.mark.parametrize("program", FORKING, ids=lambda program: program.func.__name__)
def test_forks_that_succeed_leave_no_thread_behind(program):
    with FakeServer(lambda _: "a") as server:
        outcome = run(server, program, image=picture())
    assert outcome.error is None
    assert workers() == []


def test_forks_count_in_the_ledger():
    with FakeServer(lambda _: "a") as server:
        outcome = run(server, fork, image=picture())
        assert outcome.requests == len(server.bodies) == 1 + 3 + 1
    assert outcome.tokens["image_tokens"] == 5 * 4


@pytest.mark.parametrize("append", [lambda f: sgl.image("no/such/file"), lambda f: None])
def test_a_programs_own_mistake_inside_a_fork_is_its_error(append):
    @sgl.function
    def wrong(s):
        s += sgl.user("Look.")
        [f] = s.fork(1).states
        f += append(f)
        f += sgl.gen("answer")
        s.set_var("answer", f["answer"])

    with FakeServer() as server:
        outcome = run(server, wrong)
        assert server.bodies == []
    assert outcome.error.split(":")[0] in {"FileNotFoundError", "ValueError"}


def test_a_role_that_the_template_lacks_is_the_users_mistake_in_a_fork_too():
    @sgl.function
    def wrong(s):
        s += sgl.user("Look.")
        [f] = s.fork(1).states
        f += sgl.system("Be brief.")
        s.set_var("answer", f.text())

    template = Template("test", {"user": ("", ""), "assistant": ("", "")}, "<img>")
    with FakeServer() as server, pytest.raises(UserError, match="no system turn"):
        run_once(wrong, Call({}), backend_for(server, template=template), {})


def test_a_server_that_is_gone_ends_the_run_from_a_fork_too():
    def gone():
        raise RunError("gone")

    def answer(body):
        return RESET if "Question" in body["text"] else "fine"

    with FakeServer(answer) as server, pytest.raises(RunError, match="gone"):
        run_once(fork, Call({"image": picture()}), backend_for(server, recover=gone), {})


def test_a_freed_server_is_asked_without_constraint_and_stop_and_given_room():
    @sgl.function
    def typed(s, question):
        s += sgl.user(question)
        s += sgl.assistant(
            sgl.gen("short", regex="[a-z]{1,9}", stop="\n", max_tokens=9)
            + sgl.gen("long", max_tokens=99)
            + sgl.gen("object", json_schema="{}", max_tokens=9)
        )

    with FakeServer() as server:
        backend = backend_for(server).freed()
        outcome = run_once(typed, Call({"question": "What?"}), backend, {"temperature": 0.0})
        asked = [body["sampling_params"] for body in server.bodies]
    assert outcome.error is None
    assert [sampling["max_new_tokens"] for sampling in asked] == [64, 99, 512]
    assert all(sampling["regex"] is sampling["json_schema"] is None for sampling in asked)
    assert all(sampling["stop"] == list(TEMPLATE.stop) for sampling in asked)


@sgl.function
def look_twice(s, image):
    s += sgl.user(sgl.image(image) + "What is it?")
    s += sgl.assistant(sgl.gen("answer") + sgl.gen("reason"))


def test_a_leader_tells_when_its_prompt_is_cached_and_streams_no_more_than_that():
    told = []
    with FakeServer() as server:
        leading = backend_for(server).leading(lambda: told.append(1))
        outcome = run_once(look_twice, Call({"image": picture()}), leading, {})
        first, second = server.bodies
    assert outcome.variables == {"answer": "fine", "reason": "fine"}
    assert outcome.tokens["prompt_tokens"] == sum(
        len(tokens(body["text"])) + IMAGE_TOKENS for body in (first, second)
    )
    assert first["stream"] is True
    assert first["sampling_params"]["stream_interval"] > 1_000_000
    assert "stream" not in second
    assert told == [1]


def test_a_leader_that_gives_up_is_asked_once_more_and_tells_each_time():
    told = []
    with FakeServer(faults=[aborted()]) as server:
        leading = backend_for(server).leading(lambda: told.append(1))
        assert run_once(say, Call({"question": "Hi"}), leading, {}).variables["answer"] == "fine"
    assert told == [1, 1]
