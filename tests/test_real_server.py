"""What only a real SGLang server shows: the session's, and one that a run starts."""

import base64
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import polars as pl
import pytest
import sglang as sgl
from conftest import SGLEVAL, picture

from sgleval.answers import Choice, Date, Json, Money, Number, OneOf, ShortText, Text, YesNo
from sgleval.demo import MODEL
from sgleval.outlook import image_tokens
from sgleval.runtime.client import Client
from sgleval.runtime.model import ServerSays
from sgleval.runtime.run_batch import Call, run_batch, run_once
from sgleval.runtime.sglang import data_url

pytestmark = pytest.mark.server
PROGRAMS = Path(__file__).parents[1] / "programs"
TOKENS = image_tokens(MODEL)  # of a picture, as the demo's processor makes them
COLORS = ("red", "green", "blue", "white")


def sgleval(*words, cwd, **popen):
    """Run a command to its end and return it, output and all."""
    command = [SGLEVAL, *map(str, words)]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=280, check=False, **popen
    )


def run_json(*words, cwd, code=0):
    done = sgleval("run", *words, "--json", cwd=cwd)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


@sgl.function
def name_color(s, image, question):
    s += sgl.system("You look at pictures.")
    s += sgl.user(sgl.image(image) + question)
    s += sgl.assistant(ShortText(max_chars=12).gen("answer"))


def questions(number):
    return [
        {"image": picture(COLORS[n % 4], (56, 56), kind), "question": f"Question {n}: what color?"}
        for n in range(number)
        for kind in ("PNG", "JPEG")
    ]


def outcomes(program, calls, backend, concurrency=4):
    done = dict(run_batch(program, calls, backend, concurrency=concurrency, temperature=0.0))
    return [done[position] for position in range(len(done))]


def test_run_batch_answers_as_sglangs_own_does(salted):
    rows = questions(6)
    ours = outcomes(name_color, [Call(row) for row in rows], salted(), concurrency=1)
    theirs = name_color.run_batch(
        [dict(row) for row in rows], backend=salted(), num_threads=1, temperature=0.0
    )
    assert [o.error for o in ours] == [None] * len(rows)
    assert [o.variables["answer"] for o in ours] == [state["answer"] for state in theirs]
    assert all(o.meta["answer"]["image_tokens"] == TOKENS(56, 56) for o in ours)


def test_two_images_arrive_in_the_programs_order(salted):
    @sgl.function
    def compare(s, images):
        s += sgl.user("First " + sgl.image(images[0]) + " then " + sgl.image(images[1]) + ". Same?")
        s += sgl.assistant(YesNo().gen("answer"))

    small, large = picture("red", (56, 56)), picture("blue", (112, 56), "JPEG")
    [both] = outcomes(compare, [Call({"images": [small, large]})], salted())
    assert both.error is None
    assert both.tokens["image_tokens"] == TOKENS(56, 56) + TOKENS(112, 56)


def test_control_tokens_in_a_question_neither_hang_nor_move_the_picture(salted):
    template = salted().chat_template
    question = "What is <|image_pad|> or <image> or <|im_end|>?"
    from sgleval.runtime.connect import find_model

    clean = find_model("demo").template.clean
    assert template.image_token not in clean(question)
    row = {"image": picture("red", (56, 56)), "question": clean(question)}
    [outcome] = outcomes(name_color, [Call(row)], salted())
    assert outcome.error is None
    assert outcome.tokens["image_tokens"] == TOKENS(56, 56)


def test_a_picture_that_cannot_be_decoded_is_one_error_row_in_the_servers_words(salted):
    good = {"image": picture("red", (56, 56)), "question": "What color?"}
    bad = good | {"image": picture("red", (300, 300))[:60]}
    results = outcomes(name_color, [Call(good), Call(bad), Call(good)], salted())
    assert [result.error is None for result in results] == [True, False, True]
    assert "HTTP 400" in results[1].error
    assert "IMAGE" in results[1].error.upper()


def test_forks_and_steps_are_counted_and_a_failing_fork_is_its_samples_error(salted):
    @sgl.function
    def look_twice(s, image, limit):
        s += sgl.user(sgl.image(image) + "What color, and what shape?")
        color, shape = s.fork(2)
        color += sgl.assistant(sgl.gen("color", max_tokens=4, regex=limit))
        shape += sgl.assistant(sgl.gen("shape", max_tokens=4, regex=limit))
        s += sgl.assistant(color["color"] + " " + shape["shape"])
        s += sgl.user("So?")
        s += sgl.assistant(OneOf("red", "blue").gen("answer"))

    image = picture("red", (56, 56))
    calls = [Call({"image": image, "limit": limit}) for limit in ("[a-z]{1,3}", r"\bx", "[a-z]")]
    results = outcomes(look_twice, calls, salted())
    assert [result.error is None for result in results] == [True, False, True]
    assert "regex" in results[1].error
    assert results[0].requests >= 3
    assert results[0].variables["answer"] in {"red", "blue"}


@pytest.mark.parametrize(
    "answer",
    [
        ShortText(),
        Text(max_tokens=16),
        OneOf("circle", "rectangle", "triangle"),
        YesNo(),
        Number(),
        Money(),
        Date(),
        Choice(),
        Json.strings(company=20, total=10),
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_every_answer_type_compiles_on_the_server_and_reads_what_it_wrote(salted, answer):
    @sgl.function
    def ask(s, image, choices):
        s += sgl.user(sgl.image(image) + "Answer.")
        s += sgl.assistant(answer.gen("answer", choices=choices))

    choices = ("red", "green", "blue") if isinstance(answer, Choice) else ()
    call = Call({"image": picture("red", (56, 56)), "choices": choices})
    [outcome] = outcomes(ask, [call], salted())
    assert outcome.error is None
    cut = outcome.meta["answer"]["finish_reason"]["type"] == "length"
    parsed = answer.parse(outcome.variables["answer"], choices)
    assert parsed.answer is not None or cut
    if options := answer.options(choices):
        assert parsed.answer in options


def test_a_sibling_question_finds_its_picture_in_the_cache(salted):
    backend = salted()
    rows = [{"image": picture("red", (224, 224)), "question": q} for q in ("What color?", "Why?")]
    first, second = outcomes(name_color, [Call(row) for row in rows], backend, concurrency=1)
    assert first.tokens["cached_tokens"] == 0
    assert second.tokens["cached_tokens"] >= second.tokens["image_tokens"] == 64


@sgl.function
def spell(s, image):
    s += sgl.user(sgl.image(image) + "What color?")
    s += sgl.assistant(
        sgl.gen("answer", regex="[a-z]{12}", return_logprob=True, top_logprobs_num=3)
    )


def test_a_leaders_streamed_answer_is_the_one_that_it_gives_at_once(salted):
    call, told = Call({"image": picture("red", (56, 56))}), []
    leading = salted().leading(lambda: told.append(1))
    plain, streamed = (
        run_once(spell, call, backend, {"temperature": 0.0}) for backend in (salted(), leading)
    )
    assert ServerSays.of(leading).streams_whole_texts
    assert told == [1]
    assert streamed.variables == plain.variables
    assert streamed.tokens == plain.tokens
    for name in ("output_token_logprobs", "output_top_logprobs", "completion_tokens"):
        assert streamed.meta["answer"][name] == plain.meta["answer"][name], name


def test_the_text_sent_is_what_the_models_own_template_gives(served):
    from transformers import AutoTokenizer

    from sgleval.runtime.connect import find_model

    folder = Client(served).get("/model_info")["model_path"]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    template = find_model(served).template
    content = [{"type": "image"}, {"type": "text", "text": "What color?"}]
    for system in ([], [{"role": "system", "content": "You look."}]):
        chat = [*system, {"role": "user", "content": content}]
        wanted = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        said = [(turn["role"], turn["content"]) for turn in system]
        assert template.compose([*said, ("user", template.image + "What color?")]) == wanted


def test_easy_vqa_runs_and_the_same_command_again_sends_nothing(served, tmp_path):
    task = PROGRAMS / "easy_vqa.py"
    first = run_json(task, "--limit", "3i", cwd=tmp_path)
    assert first["failed"] == 0
    assert first["cost"]["sent"] == first["n"] == first["cost"]["requests"]
    assert first["reuse"]["measured"] >= 0.95 * first["reuse"]["ceiling"] > 0.5
    folder = next((tmp_path / "runs" / "easy_vqa").iterdir())
    rows = pl.read_parquet(folder / "predictions.parquet")
    assert rows["cached_tokens"].sum() > 0
    assert set(rows["answer"]) <= {"yes", "no", "circle", "rectangle", "triangle"} | {
        *("black", "blue", "brown", "gray", "green", "red", "teal", "yellow")
    }
    assert rows["finish_reason"].unique().to_list() == ["stop"]
    assert rows["confidence"].null_count() == 0
    known = rows["probabilities"].drop_nulls().list.eval(pl.element().struct["p"]).list.sum()
    assert all(abs(total - 1) < 1e-9 for total in known)

    again = run_json(task, "--limit", "3i", cwd=tmp_path)
    assert again["cost"]["sent"] == 0
    assert again["results"] == first["results"]

    more = run_json(task, "--limit", "5i", "--metric", "anls", cwd=tmp_path)
    assert more["cost"]["sent"] == more["n"] - first["n"] > 0
    by_url = run_json(task, "--limit", "5i", "--model", served, cwd=tmp_path)
    assert by_url["cost"]["sent"] == 0  # the demo, its server and its address are one model


def test_killed_in_the_middle_a_run_loses_nothing_and_asks_nothing_twice(served, tmp_path):
    words = ["run", PROGRAMS / "easy_vqa.py", "--limit", "12i", "--concurrency", 2, "--out", "out"]
    command = [SGLEVAL, *map(str, words)]
    journal = tmp_path / "out" / "journal.jsonl"
    first = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
    while not (journal.exists() and journal.read_bytes().count(b"\n") >= 5):
        assert first.poll() is None
        time.sleep(0.02)
    first.kill()
    first.wait()
    kept = journal.read_bytes().count(b"\n")
    again = run_json(*words[1:], cwd=tmp_path)
    assert again["failed"] == 0
    assert again["cost"]["sent"] == again["n"] - kept
    keys = [json.loads(line)["key"] for line in journal.read_bytes().splitlines()]
    assert len(keys) == len(set(keys)) == again["n"]


def test_receipts_are_read_whole_under_one_json_request_each(served, shared, tmp_path):
    data = shared / "data" / "sroie"
    summary = run_json(PROGRAMS / "sroie_json.py", "--data", data, "--limit", 2, cwd=tmp_path)
    assert summary["failed"] == 0
    assert {row["part"] for row in summary["parts"]} >= {"company", "date", "address", "total"}


def test_a_server_killed_in_the_middle_is_started_again_and_the_run_finishes(served, tmp_path):
    command = [SGLEVAL, "run", str(PROGRAMS / "easy_vqa.py"), "--limit", "8i", "--out", "out"]
    flags = ["--", "--max-total-tokens", "16000"]  # other flags: not the session's server
    journal = tmp_path / "out" / "journal.jsonl"
    with (tmp_path / "log").open("w") as log:
        run = subprocess.Popen([*command, *flags], cwd=tmp_path, stdout=log, stderr=log)
    while not (journal.exists() and journal.read_bytes().count(b"\n") >= 3):
        assert run.poll() is None, (tmp_path / "log").read_text()
        time.sleep(0.02)
    [server] = children(run.pid)
    os.kill(server, signal.SIGKILL)
    assert run.wait(280) == 0, (tmp_path / "log").read_text()
    rows = pl.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert rows["error"].null_count() == rows.height
    assert not Path(f"/proc/{server}").exists()


def children(parent):
    """Return the processes that a process started."""
    stats = [path.read_text() for path in Path("/proc").glob("[0-9]*/stat")]
    split = [(stat.split(" ", 1)[0], stat.rpartition(")")[2].split()) for stat in stats]
    return [int(pid) for pid, fields in split if int(fields[1]) == parent]


def test_a_data_url_names_the_kind_of_the_original_bytes():
    for kind in ("PNG", "JPEG", "WEBP", "GIF"):
        encoded = base64.b64encode(picture(kind=kind)).decode()
        assert data_url(encoded).startswith(f"data:image/{kind.lower()};base64,")
