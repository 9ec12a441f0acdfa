"""A user's own model: what `predict` gets, what is refused before it, what becomes a row."""

import sys
import threading

import pytest
from conftest import picture
from fake_server import sgl

from sgleval.errors import RunError, UserError
from sgleval.runtime.connect import find_model
from sgleval.runtime.custom import PredictBackend
from sgleval.runtime.run_batch import Call, run_batch, run_once
from sgleval.sample import Image, Sample

pytestmark = pytest.mark.timeout(60)


@sgl.function
def ask(s, image, question):
    s += sgl.system("Read.")
    s += sgl.user(sgl.image(image) + "Question: " + question)
    s += sgl.assistant(sgl.gen("answer", regex="[a-z]+", max_tokens=4))


class Notes:
    """Notes what it is asked and answers with the question."""

    def __init__(self):
        self.asked = []

    def predict(self, images, question, choices):
        self.asked.append((images, question, choices))
        return question


class Reads(Notes):
    """Also takes the rendered text."""

    def predict(self, images, question, choices, prompt):
        self.asked.append(prompt)
        return f"answer {len(self.asked)}"


def sample(**fields):
    whole = {"id": "1", "images": [Image(picture("red"))], "question": "Why?", "answers": ["so"]}
    return Sample(**whole | fields)


def run(program, model, one=None, **arguments):
    one = one or sample()
    given = {"image": one.images[0], "question": "< |cleaned|>"} if program is ask else arguments
    return run_once(program, Call(given, one), PredictBackend(model), {"temperature": 0.0})


# What it gets


def test_predict_gets_images_the_samples_own_question_and_choices():
    model = Notes()
    outcome = run(ask, model, sample(choices=["a", "b"]))
    [(images, question, choices)] = model.asked
    assert [image.bytes for image in images] == [picture("red")]
    assert (images[0].size, images[0].pil().getpixel((0, 0))) == ((64, 48), (255, 0, 0))
    assert (question, choices) == ("Why?", ("a", "b"))
    assert outcome.variables == {"answer": "Why?"}


def test_predict_gets_the_images_so_far_in_the_programs_order(tmp_path):
    @sgl.function
    def compare(s, images):
        s += sgl.user(sgl.image(images[1]) + sgl.image(images[0]))
        s += sgl.assistant(sgl.gen("first"))
        s += sgl.user(sgl.image(str(tmp_path / "third.png")))
        s += sgl.assistant(sgl.gen("answer"))

    pages = [picture("red"), picture("blue"), picture("green")]
    (tmp_path / "third.png").write_bytes(pages[2])
    model = Notes()
    outcome = run(compare, model, images=[Image(page) for page in pages[:2]])
    assert outcome.error is None
    seen = [[image.bytes for image in images] for images, *_ in model.asked]
    assert seen == [[pages[1], pages[0]], [pages[1], pages[0], pages[2]]]


def test_predict_gets_the_rendered_text_when_it_asks_for_it():
    model = Reads()
    run(ask, model)
    assert model.asked == ["Read.\n<image>\nQuestion: < |cleaned|>\n"]


def test_a_program_of_several_steps_shows_its_answers_in_the_prompt():
    @sgl.function
    def twice(s):
        s += sgl.user("One?")
        s += sgl.assistant(sgl.gen("first"))
        s += sgl.user("Two?")
        s += sgl.assistant(sgl.gen("answer"))

    model = Reads()
    outcome = run(twice, model)
    assert outcome.variables == {"first": "answer 1", "answer": "answer 2"}
    assert model.asked[1] == "One?\nanswer 1Two?\n"


def test_what_predict_says_to_choices_counts_as_it_is():
    @sgl.function
    def choose(s):
        s += sgl.user("Which?")
        s += sgl.assistant(sgl.gen("answer", choices=["yes", "no"]))

    assert run(choose, Notes()).variables == {"answer": "Why?"}


def test_it_counts_requests_and_says_nothing_of_tokens():
    outcome = run(ask, Notes())
    assert outcome.requests == 1
    assert set(outcome.tokens.values()) == {None}


def test_each_sample_reaches_predict_under_many_threads():
    model = Notes()
    calls = [
        Call({"image": one.images[0], "question": ""}, one)
        for one in (sample(id=str(n), question=f"{n}?") for n in range(40))
    ]
    done = dict(run_batch(ask, calls, PredictBackend(model), concurrency=8))
    assert {n: outcome.variables["answer"] for n, outcome in done.items()} == {
        n: f"{n}?" for n in range(40)
    }


# What fails


class Answers:
    def __init__(self, said):
        self.said = said

    def predict(self, images, question, choices):
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


@pytest.mark.parametrize("said", [None, 3, ["yes"], b"yes"])
def test_an_answer_that_is_no_text_is_the_rows_error(said):
    outcome = run(ask, Answers(said))
    assert outcome.error == (
        f"TypeError: predict() returned {type(said).__name__}; it must return a str"
    )
    assert outcome.variables == {}


def test_an_exception_of_predict_is_the_rows_error():
    assert run(ask, Answers(ValueError("no such page"))).error == "ValueError: no such page"


def test_a_model_that_is_gone_ends_the_run():
    with pytest.raises(RunError, match="gone"):
        run(ask, Answers(RunError("gone")))


@sgl.function
def fork(s):
    s += sgl.user("x")
    forks = s.fork(3)
    for f in forks:
        f += sgl.assistant(sgl.gen("part"))
        f.sync()
        f += sgl.user("More?")
        f += sgl.assistant(sgl.gen("more"))
    forks.join()
    s += sgl.assistant(sgl.gen("answer"))


def test_forks_are_asked_too():
    outcome = run(fork, Notes())
    assert outcome.error is None
    assert outcome.requests == 7


def test_what_fails_in_a_fork_is_the_rows_error_and_nobody_waits():
    assert run(fork, Answers(ValueError("odd"))).error == "ValueError: odd"
    assert not [thread for thread in threading.enumerate() if thread.name.endswith("(run)")]


# What is refused before it is asked


@pytest.mark.parametrize("speciality", ["program ask generates 2 times", "it answers in JSON"])
def test_what_predict_cannot_see_is_refused_in_one_line_unless_it_takes_the_prompt(speciality):
    words = f"{speciality}, which .* cannot see; give it a parameter `prompt`$"
    with pytest.raises(UserError, match=words):
        PredictBackend(Notes()).examine("", speciality)
    PredictBackend(Notes()).examine("", "")
    PredictBackend(Reads()).examine("", speciality)


# From the command line's string


OWN = """
from sgleval.runtime.frontend import BaseBackend, ChatTemplate

class Backend(BaseBackend):
    def __init__(self):
        super().__init__()
        self.chat_template = ChatTemplate(
            "own", None, {"user": ("U:", "/"), "assistant": ("A:", "/")}, image_token="[IMG]"
        )

    def generate(self, s, sampling_params):
        if "fork" in s.text_ and s.use_thread:
            raise ValueError("odd")
        return s.text_, {"finish_reason": {"type": "stop"}}
"""


@pytest.fixture
def own_file(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.dont_write_bytecode", True)

    def write(code):
        (tmp_path / "own.py").write_text(code)
        return f"{tmp_path / 'own.py'}:Backend"

    return write


def test_an_sglang_backend_of_the_users_runs_programs_as_they_are(own_file):
    model = find_model(own_file(OWN))
    assert model.constrained
    assert "constraint" not in model.facts
    assert model.template.image == "[IMG]"

    @sgl.function
    def look(s, image):
        s += sgl.user(sgl.image(image) + "What?")
        s += sgl.assistant(sgl.gen("answer"))

    with model.open(1, lambda _: None) as backend:
        outcome = run_once(look, Call({"image": Image(picture())}, sample()), backend, {})
    assert outcome.variables == {"answer": "U:[IMG]What?/A:"}
    assert outcome.meta["answer"]["finish_reason"]["type"] == "stop"


def test_what_fails_in_a_fork_on_the_users_backend_is_the_rows_error(own_file):
    @sgl.function
    def look(s):
        s += sgl.user("fork")
        [f] = s.fork(1).states
        f += sgl.gen("part")
        f.sync()
        f += sgl.gen("answer")
        s.set_var("answer", f["answer"])

    with find_model(own_file(OWN)).open(1, lambda _: None) as backend:
        assert run_once(look, Call({}, sample()), backend, {}).error == "ValueError: odd"


PREDICT = """
class Backend:
    def predict(self, images, question, choices):
        return "a"
"""


def test_a_models_identity_is_its_files_digest_or_what_it_states(own_file):
    first = find_model(own_file(PREDICT)).identity
    assert find_model(own_file(PREDICT)).identity == first
    assert find_model(own_file(PREDICT + "# a comment counts\n")).identity != first
    stated = PREDICT + '    identity = "mine@1"\n'
    one, other = (find_model(own_file(stated + end)).identity for end in ("", "# a comment\n"))
    assert one == other != first


def test_a_model_in_a_module_is_found_from_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", *sys.path])
    (tmp_path / "sgleval_test_models").mkdir()
    (tmp_path / "sgleval_test_models" / "small.py").write_text(PREDICT)
    model = find_model("sgleval_test_models.small:Backend")
    assert model.name == "small"
    assert not model.constrained
    assert model.facts["constraint"] == "none"
