"""What the string after --model means, and that a model is the same tomorrow."""

import json
import os
import shutil
import sys

import pytest
from conftest import picture
from fake_server import FakeServer, sgl

from sgleval.errors import RunError, UserError
from sgleval.runtime import model as model_module
from sgleval.runtime.connect import find_model
from sgleval.runtime.local import answer_flags
from sgleval.runtime.model import kept_open, wait_for
from sgleval.runtime.run_batch import Call, run_once
from sgleval.runtime.served import Served, recorded
from sgleval.runtime.server import free_port

pytestmark = pytest.mark.timeout(60)
COMMIT, OLDER = "a" * 40, "b" * 40
CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% for part in m['content'] %}"
    "{% if part['type'] == 'image' %}<|image|>{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write_model(folder, chat=CHAT, weights=b"weights"):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"architectures": ["Some"]}')
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": chat}))
    (folder / "tokenizer.json").write_text('{"added_tokens": []}')
    (folder / "model.safetensors").write_bytes(weights)
    return folder


@pytest.fixture
def folder(tmp_path):
    return write_model(tmp_path / "models" / "mine")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Return a hub's cache with one model, whose constants were read long before this test."""
    import huggingface_hub.constants

    cache = tmp_path / "hub"
    repository = cache / "models--org--name"
    write_model(repository / "snapshots" / COMMIT)
    write_model(repository / "snapshots" / OLDER, CHAT.replace("im_", "IM_"))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return cache


def mistake(spec, *arguments):
    with pytest.raises(UserError) as caught:
        find_model(str(spec), *arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# What is no model


def test_an_address_where_nobody_answers_is_the_users_mistake():
    url = f"http://127.0.0.1:{free_port()}"
    assert mistake(url).startswith(f"--model {url}: no SGLang server answers there (no connection")


@pytest.mark.parametrize("url", ["http://", "http://[bad", "http://127.0.0.1:99999"])
def test_an_address_that_is_none_is_the_users_mistake(url):
    assert "no SGLang server answers there" in mistake(url)


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ("<html>", "HTTP 200 without JSON"),
        (["odd"], "is no SGLang server"),
        ({"name": "other"}, "is no SGLang server"),
        (None, "HTTP 404: Not Found"),
    ],
)
def test_another_kind_of_server_is_the_users_mistake(info, words):
    with FakeServer() as server:
        server.info = info
        assert words in mistake(server.url)


def test_a_folder_without_a_model_says_what_is_missing(tmp_path):
    assert "no config.json in this folder; give" in mistake(tmp_path)


@pytest.mark.parametrize("name", ["gone", "models/gone", "/no/such/place", "a/b/c"])
def test_a_missing_folder_lists_what_can_be_given(tmp_path, monkeypatch, name):
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    assert mistake(name).startswith(f"--model {name}: no such folder; give demo, a model's folder")


@pytest.mark.parametrize("spec", ["http://127.0.0.1:1", "model.py:make", "package.module:make"])
def test_server_flags_need_a_server_that_is_started(spec):
    assert mistake(spec, ["--tp-size", "2"]) == (
        f"--model {spec}: sgleval starts no server for it; leave out --tp-size"
    )


@pytest.mark.parametrize(
    ("code", "spec", "words"),
    [
        (None, "gone.py:make", "gone.py is no file; give FILE.py:FACTORY"),
        ("", "model.py:make", "no function or class 'make' there; name one"),
        ("make = 3", "model.py:make", "no function or class 'make' there; name one"),
        ("", "model.py:", "no function or class '' there; name one"),
        ("class make: pass", "model.py:make", "make has no predict(images, question, choices)"),
        ("def make(path): pass", "model.py:make", "TypeError: make() missing 1 required"),
        ("def make(): raise OSError('no\\nweights')", "model.py:make", "OSError: no weights; mend"),
        ("x = 1/0", "model.py:make", "model.py:1: ZeroDivisionError: division by zero; mend"),
        ("def", "model.py:make", "model.py:1: invalid syntax; mend it"),
        (None, "no_such_package.models:make", "No module named 'no_such_package'; give FILE.py"),
        ("1/0", "model:make", "division by zero; give FILE.py:FACTORY or MODULE:FACTORY"),
        (None, ":make", "Empty module name; give FILE.py:FACTORY or MODULE:FACTORY"),
        (None, "localhost:30000", "No module named 'localhost'; give FILE.py:FACTORY"),
        (None, "..models:make", "give FILE.py:FACTORY or MODULE:FACTORY"),
    ],
)
def test_what_is_wrong_with_a_factory_is_one_line(tmp_path, monkeypatch, code, spec, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "model", raising=False)
    if code is not None:
        (tmp_path / "model.py").write_text(code)
    assert words in mistake(spec)


def test_an_unknown_chat_template_is_found_first():
    assert "--chat-template qwen3: no such template; " in mistake("demo", (), "qwen3")


# A folder


def test_a_folder_is_a_model_with_its_own_template(folder):
    model = find_model(str(folder))
    assert model.name == "mine"
    assert model.template.roles["user"] == ("<|im_start|>user\n", "<|im_end|>\n")
    assert model.constrained


def test_a_folder_is_the_same_model_wherever_it_lies(folder, tmp_path):
    copied = tmp_path / "elsewhere" / "other-name"
    shutil.copytree(folder, copied)
    assert find_model(str(copied)).identity == find_model(str(folder)).identity


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "model.safetensors").write_bytes(b"other"),
        lambda folder: (folder / "extra.json").write_text("{}"),
        lambda folder: (folder / "model.safetensors").rename(folder / "model-1.safetensors"),
    ],
)
def test_other_files_are_another_model(folder, change):
    before = find_model(str(folder)).identity
    change(folder)
    assert find_model(str(folder)).identity != before


def test_another_chat_template_is_another_model_on_the_same_server(folder):
    own, given = find_model(str(folder)), find_model(str(folder), (), "qwen2-vl")
    assert own.identity != given.identity
    assert own.facts["weight_version"] == given.facts["weight_version"]


@pytest.mark.parametrize(
    "flags",
    [
        ["--quantization", "fp8"],
        ["--quantization=fp8"],
        ["--tp-size", "2"],
        ["--enable-deterministic-inference"],
        ["--log-level", "info", "--dtype", "float32"],
    ],
)
def test_flags_that_can_change_an_answer_make_another_model(folder, flags):
    assert find_model(str(folder), flags).identity != find_model(str(folder)).identity


@pytest.mark.parametrize(
    "flags",
    [
        ["--port", "31000", "--host", "0.0.0.0"],
        ["--log-level", "info"],
        ["--log-level=info", "--log-requests"],
        ["--mem-fraction-static", "0.5"],
        ["--enable-metrics"],
        ["--api-key", "secret"],
    ],
)
def test_harmless_flags_do_not(folder, flags):
    assert find_model(str(folder), flags).identity == find_model(str(folder)).identity


def test_the_order_and_the_spelling_of_flags_do_not_count():
    override = ["--json-model-override-args", '{"a": "b=c"}']
    one = answer_flags(["--tp-size", "2", "--port", "1", *override])
    other = answer_flags([*override, "--tp-size=2"])
    assert one == other == ['--json-model-override-args {"a": "b=c"}', "--tp-size 2"]


# A hub's id


def test_a_hub_id_is_its_commit(hub):
    model = find_model("org/name")
    assert model.name == "org/name"
    assert model.facts["weights"] == f"org/name@{COMMIT}"
    assert model.facts["flags"] == ["--revision", COMMIT]


@pytest.mark.parametrize("flags", [["--revision", OLDER], [f"--revision={OLDER}"]])
def test_a_revision_that_is_asked_for_is_taken(hub, flags):
    model = find_model("org/name", flags)
    assert model.facts["weights"] == f"org/name@{OLDER}"
    assert model.facts["flags"] == flags
    assert model.template.roles["user"][0] == "<|IM_start|>user\n"
    assert model.identity == find_model("org/name", ["--revision", OLDER]).identity
    assert model.identity != find_model("org/name").identity


@pytest.mark.parametrize("name", ["org/missing", "org/na--me", "org./name"])
def test_a_hub_id_that_cannot_be_had_says_so_in_one_line(hub, name):
    assert f"--model {name}: neither a folder nor reachable on the hub (" in mistake(name)


# A running server


def reporting(model, **server_info):
    """Return a fake server that serves a model of ours, as far as it says."""
    version = model.facts["weight_version"]
    return FakeServer(
        info={"weight_version": version, "model_path": server_info.pop("path")},
        server_info={"served_model_name": model.name} | server_info,
    )


def test_demo_and_the_address_of_a_server_for_it_are_one_model():
    from sgleval.demo import MODEL

    demo = find_model("demo")
    with reporting(demo, path=str(MODEL)) as server:
        there = find_model(server.url + "/")
    assert there.identity == demo.identity
    assert there.name == demo.name == "demo"
    assert there.facts["source"] == server.url


def test_a_hub_model_and_the_address_of_its_server_are_one_model(hub):
    ours = find_model("org/name", ["--revision", OLDER])
    with reporting(ours, path="org/name", revision=OLDER) as server:
        assert find_model(server.url).identity == ours.identity


def test_a_foreign_server_is_what_it_says_of_itself_and_not_its_address(folder):
    def identity(info=None, server_info=None):
        info = {"model_path": str(folder)} | (info or {})
        with FakeServer(info=info, server_info=server_info) as server:
            return find_model(server.url).identity

    assert identity() == identity()
    assert identity(server_info={"max_running_requests": 7}) == identity()
    assert identity(server_info={"quantization": "fp8"}) != identity()
    assert identity(server_info={"mm_process_config": {"image": {}}}) != identity()
    assert identity({"weight_version": "2"}) != identity()


def test_a_foreign_server_whose_template_is_not_known_needs_one(hub, folder):
    with FakeServer(info={"model_path": "org/missing"}) as server:
        assert mistake(server.url) == (
            f"--model {server.url}: the chat template of org/missing is not known here;"
            " give --chat-template NAME|FILE|FOLDER"
        )
        assert find_model(server.url, (), str(folder)).template.roles["user"][0].endswith("user\n")


@sgl.function
def look(s, image):
    s += sgl.user(sgl.image(image) + "What?")
    s += sgl.assistant(sgl.gen("answer"))


def test_a_foreign_server_answers_programs(folder):
    with FakeServer(lambda _: "red", info={"model_path": str(folder)}) as server:
        with find_model(server.url).open(2, lambda _: None) as backend:
            outcome = run_once(look, Call({"image": picture()}), backend, {})
        assert outcome.variables == {"answer": "red"}
        assert server.bodies[0]["text"] == (
            "<|im_start|>user\n<|image|>What?<|im_end|>\n<|im_start|>assistant\n"
        )
    assert backend.client.closed.is_set()


def test_a_server_that_is_kept_up_is_used_and_said_so(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    model, told = find_model(str(folder), ["--log-level", "info"]), []
    with reporting(model, path=str(folder)) as server:
        flags = ["--log-level", "info"]
        kept = Served(server.url, os.getpid(), model.facts["weight_version"], flags)
        with recorded(kept), model.open(1, told.append) as backend:
            assert backend.client.url == server.url
    assert told == [f"using the server at {server.url}"]


def test_several_tasks_share_one_backend(folder):
    with FakeServer(info={"model_path": str(folder)}) as server:
        with kept_open(find_model(server.url)) as model:
            with model.open(2, print) as first, model.open(2, print) as second:
                assert first is second
            assert not first.client.closed.is_set()
        assert first.client.closed.is_set()


def test_a_foreign_server_is_waited_for(monkeypatch):
    monkeypatch.setattr(model_module, "AWAY_SECONDS", 0.5)
    with FakeServer(unready=1) as server:
        wait_for(server.url)
    with pytest.raises(RunError, match=r"is gone for 0 s|is gone for 1 s"):
        wait_for(server.url)


def test_a_chat_template_for_a_model_of_ones_own_is_refused(tmp_path):
    (tmp_path / "template.jinja").write_text(CHAT)
    with pytest.raises(UserError, match="has no chat template; leave out --chat-template"):
        find_model("model.py:Echo", chat_template=str(tmp_path / "template.jinja"))
