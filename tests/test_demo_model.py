"""The model that ships: small, complete, and read alike by every loader."""

import json
import subprocess
from pathlib import Path

import pytest
from conftest import SGLEVAL
from PIL import Image

from sgleval.demo import MODEL, receipts, scenes

LARGEST = 16_000_000
"""Bytes of the weights."""


def content(name):
    return json.loads((MODEL / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tokenizer():
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(MODEL / "tokenizer.json"))


def test_the_weights_are_small_and_in_bfloat16():
    from safetensors import safe_open

    path = MODEL / "model.safetensors"
    assert path.stat().st_size <= LARGEST
    with safe_open(path, "pt") as weights:
        kinds = {weights.get_slice(name).get_dtype() for name in weights.keys()}  # noqa: SIM118
    assert kinds == {"BF16"}


def test_the_configuration_names_what_sglang_asks_for():
    config = content("config.json")
    assert config["architectures"] == ["Qwen2VLForConditionalGeneration"]
    assert config["vision_config"]["in_chans"] == 3


def test_special_tokens_have_the_ids_of_the_configuration(tokenizer):
    config = content("config.json")
    for name in ("vision_start", "vision_end"):
        assert tokenizer.token_to_id(f"<|{name}|>") == config[f"{name}_token_id"]
    for name in ("image", "video"):
        assert tokenizer.token_to_id(f"<|{name}_pad|>") == config[f"{name}_token_id"]
    assert tokenizer.token_to_id("<|im_end|>") == content("generation_config.json")["eos_token_id"]


@pytest.mark.parametrize(
    "text", ["TOTAL 12.50\nBY CARD", "what is the price of MILK?", "Ünï 漢 \t"]
)
def test_any_text_survives_the_tokenizer(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_what_is_read_is_spelt_and_what_is_asked_is_words(tokenizer):
    assert len(tokenizer.encode("MILK 12.50").ids) == len("MILK 12.50")
    assert len(tokenizer.encode("what is the total?").ids) == 5
    assert all(len(tokenizer.encode(color).ids) == 1 for color in scenes.COLORS)


@pytest.mark.parametrize(
    ("size", "cells"),
    [((receipts.WIDTH, receipts.HEIGHT), 88), ((scenes.SIDE, scenes.SIDE), 36), ((64, 64), 16)],
)
def test_pictures_keep_the_size_they_were_trained_at(size, cells):
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(MODEL)
    text = processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "what?"}]}],
        add_generation_prompt=True,
        tokenize=False,
    )
    assert text == (
        "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>what?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    ids = processor(text=[text], images=[Image.new("RGB", size)])["input_ids"][0]
    assert list(ids).count(content("config.json")["image_token_id"]) == cells


@pytest.mark.server
@pytest.mark.parametrize(
    ("program", "bar"),
    [("easy_vqa", 0.97), ("receipts", 0.93), ("scenes", 0.95), ("receipts_text", 0.02)],
)
def test_the_demo_model_answers_a_slice(served, tmp_path, program, bar):
    path = Path(__file__).parents[1] / "programs" / f"{program}.py"
    command = [SGLEVAL, "run", path, "--limit", "40i", "--json", "--out", tmp_path / "run"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    [result] = json.loads(done.stdout)["results"]
    assert result["failed"] == 0
    assert result["value"] <= bar if result["metric"] == "cer" else result["value"] >= bar
