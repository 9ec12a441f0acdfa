"""The stand-in model: the same files everywhere, and readable to transformers and SGLang."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from sgleval.demo import byte_tokenizer, random_model
from sgleval.digests import folder_digest

# When this changes, change the number in random_model.FOLDER too: caches hold the old files.
DIGEST = "4cb8022844065be6c0ec77eea815d39d9839217f0007405a4e8624a481cd0aaa"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    random_model.build(folder)
    return folder


@pytest.fixture(scope="module")
def processor(folder):
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(folder)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "sgleval"


def test_two_builds_in_two_folders_have_the_digest_of_this_version(folder, tmp_path):
    random_model.build(tmp_path)
    assert folder_digest(tmp_path) == folder_digest(folder) == DIGEST


def test_the_model_is_built_once_in_the_cache(home, monkeypatch):
    first = random_model.random_model()
    monkeypatch.setattr(random_model, "build", lambda folder: pytest.fail("built again"))
    assert random_model.random_model() == first == home / random_model.FOLDER


def test_several_builders_at_once_end_with_one_whole_folder(home):
    with ThreadPoolExecutor(4) as builders:
        calls = [builders.submit(random_model.random_model) for _ in range(4)]
    folders = {call.result() for call in calls}
    assert [path.name for path in home.iterdir()] == [random_model.FOLDER]
    assert {folder_digest(path) for path in folders} == {DIGEST}


def test_a_build_that_fails_leaves_nothing_behind(home, monkeypatch):
    def full_disk(folder):
        (folder / "config.json").touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(random_model, "build", full_disk)
    with pytest.raises(OSError, match="No space left"):
        random_model.random_model()
    assert list(home.iterdir()) == []


def test_building_needs_neither_torch_nor_transformers(tmp_path):
    code = (
        "import sys, pathlib; from sgleval.demo.random_model import build; "
        "build(pathlib.Path(sys.argv[1])); "
        "sys.exit(' '.join({'torch', 'transformers', 'sglang'} & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False
    )
    assert ended.stderr == "\n"


def test_transformers_finds_every_weight_and_no_other(folder):
    from transformers import Qwen2VLForConditionalGeneration

    model, found = Qwen2VLForConditionalGeneration.from_pretrained(folder, output_loading_info=True)
    assert not any(found.values()), found
    assert 1_000_000 < model.num_parameters() < 3_000_000


def test_every_text_survives_the_tokenizer(processor):
    text = "Total: RM 9.50\n\tЖить, 咖啡 \x00 <|im_end|>"
    ids = processor.tokenizer(text).input_ids
    assert ids == [*text.removesuffix("<|im_end|>").encode(), byte_tokenizer.ID["<|im_end|>"]]
    assert processor.tokenizer.decode(ids) == text


MESSAGES = [
    {
        "role": "user",
        "content": [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "Which? "}],
    },
    {"role": "assistant", "content": "this"},
]
PICTURE = "<|vision_start|><|image_pad|><|vision_end|>"


def test_the_chat_template_is_qwen2_vls(processor):
    rendered = processor.apply_chat_template(MESSAGES, add_generation_prompt=True)
    assert rendered == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        f"<|im_start|>user\n{PICTURE}{PICTURE}Which? <|im_end|>\n"
        "<|im_start|>assistant\nthis<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert (
        processor.tokenizer.apply_chat_template(
            MESSAGES, add_generation_prompt=True, tokenize=False
        )
        == rendered
    )


def test_a_system_message_replaces_the_templates_own(processor):
    messages = [{"role": "system", "content": "Read."}, {"role": "user", "content": " Hi\n"}]
    assert processor.apply_chat_template(messages) == (
        "<|im_start|>system\nRead.<|im_end|>\n<|im_start|>user\n Hi\n<|im_end|>\n"
    )


@pytest.mark.parametrize(
    ("size", "tokens"), [((64, 64), 4), ((463, 605), 17 * 22), ((2480, 3508), 30 * 42)]
)
def test_an_image_becomes_as_many_tokens_as_its_size_asks_for(processor, size, tokens):
    inputs = processor(images=[Image.new("RGB", size)], text=[PICTURE], return_tensors="pt")
    pad = byte_tokenizer.ID["<|image_pad|>"]
    assert (inputs["input_ids"] == pad).sum() == tokens
    assert tuple(inputs["pixel_values"].shape) == (4 * tokens, random_model.PATCH_VALUES)
