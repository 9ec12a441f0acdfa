"""A small Qwen2-VL-shaped model with random weights, built on first use; its answers are guesses.

It stands in where no trained model is at hand: SGLang serves it like any other, images and all.
Every file is written from the constants below with frozen random numbers, so the folder has the
same digest on every machine, and neither torch nor transformers is imported.
"""

from __future__ import annotations

import json
import math
import shutil
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sgleval.demo import byte_tokenizer
from sgleval.digests import user_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Shape = tuple[int, ...]

FOLDER = "demo-random-1"
"""Its name in the cache; another number whenever another file would be written."""

WIDTH = 128
HEADS = 4
KEY_HEADS = 2
LAYERS = 2
INNER = 512
PATCH_VALUES = 3 * 2 * 14 * 14  # colours, frames, rows, columns
MERGED_PATCHES = 4

VISION: dict[str, Any] = {
    "model_type": "qwen2_vl_vision",
    "depth": LAYERS,
    "embed_dim": WIDTH,
    "hidden_size": WIDTH,
    "hidden_act": "quick_gelu",
    "mlp_ratio": INNER // WIDTH,
    "num_heads": HEADS,
    "in_channels": 3,
    "in_chans": 3,  # the older name, which SGLang 0.5.23 reads
    "patch_size": 14,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
}
CONFIG: dict[str, Any] = {
    "architectures": ["Qwen2VLForConditionalGeneration"],
    "model_type": "qwen2_vl",
    "dtype": "bfloat16",
    "vocab_size": byte_tokenizer.SIZE,
    "hidden_size": WIDTH,
    "intermediate_size": INNER,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KEY_HEADS,
    "hidden_act": "silu",
    "max_position_embeddings": 16384,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0,
    "rope_scaling": {"type": "mrope", "mrope_section": [4, 6, 6]},
    "tie_word_embeddings": False,
    "bos_token_id": byte_tokenizer.ID["<|endoftext|>"],
    "eos_token_id": byte_tokenizer.ID["<|im_end|>"],
    "image_token_id": byte_tokenizer.ID["<|image_pad|>"],
    "video_token_id": byte_tokenizer.ID["<|video_pad|>"],
    "vision_start_token_id": byte_tokenizer.ID["<|vision_start|>"],
    "vision_end_token_id": byte_tokenizer.ID["<|vision_end|>"],
    "vision_config": VISION,
}
GENERATION: dict[str, Any] = {
    "do_sample": False,
    "eos_token_id": [byte_tokenizer.ID["<|im_end|>"], byte_tokenizer.ID["<|endoftext|>"]],
    "pad_token_id": byte_tokenizer.ID["<|endoftext|>"],
}
IMAGES: dict[str, Any] = {
    "image_processor_type": "Qwen2VLImageProcessor",
    "processor_class": "Qwen2VLProcessor",
    "patch_size": 14,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "min_pixels": 4 * 28 * 28,
    "max_pixels": 1280 * 28 * 28,  # at most 1280 tokens an image: a receipt stays readable
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}


def random_model() -> Path:
    """Return the folder of the model in the user's cache, built if it is not there.

    It is built under another name and moved into place whole, so several processes may call this
    at once and a killed one leaves nothing half done.
    """
    folder = user_folder("cache") / FOLDER
    if not folder.is_dir():
        new = Path(tempfile.mkdtemp(prefix=f"{FOLDER}.", dir=folder.parent))
        try:
            build(new)
            new.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was first, with the same files
                raise
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return folder


def build(folder: Path) -> None:
    """Write into `folder` all that `sglang.launch_server --model-path` reads, about 3 MB."""
    byte_tokenizer.write(folder)
    for name, content in (
        ("config.json", CONFIG),
        ("generation_config.json", GENERATION),
        ("preprocessor_config.json", IMAGES),
    ):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    (folder / "model.safetensors").write_bytes(_safetensors(_weights()))


def _safetensors(weights: Iterable[tuple[str, Shape, bytes]]) -> bytes:
    """Return the file format of that name: length of the header, header (JSON), values."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    values = bytearray()
    for name, shape, data in weights:
        offsets = [len(values), len(values) + len(data)]
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": offsets}
        values += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # values begin at a multiple of 8
    return struct.pack("<Q", len(text)) + text + values


def _weights() -> Iterator[tuple[str, Shape, bytes]]:
    """Yield name (as on the Hub), shape and little-endian bfloat16 values of each tensor.

    Weights keep the size of what passes through them (1 / sqrt of the inputs), those of the last
    layer make it decided: log probabilities far apart give the same answer in any batch.
    """
    import numpy as np

    frozen = np.random.RandomState(20240829)  # NumPy promises these numbers for every version
    for name, shape in _shapes():
        if name.endswith("bias"):
            values = np.zeros(shape)
        elif len(shape) == 1:
            values = np.ones(shape)  # the factors of a norm
        else:
            size = _strength(name) / math.sqrt(math.prod(shape[1:]))
            values = frozen.uniform(-1, 1, shape) * (math.sqrt(3) * size)
        if name == "lm_head.weight":
            values[~np.isin(np.arange(len(values)), byte_tokenizer.READABLE)] = 0
        bits = np.asarray(values, np.float32).view(np.uint32) + 0x8000  # half a last place: rounds
        yield name, shape, (bits >> 16).astype("<u2").tobytes()


def _strength(name: str) -> float:
    if name == "lm_head.weight":
        return 4.0
    if "embed_tokens" in name:
        return math.sqrt(WIDTH)  # a look-up, not a sum: values of size 1
    return 2.0 if "q_proj" in name or "k_proj" in name else 1.0  # attention that looks somewhere


def _shapes() -> Iterator[tuple[str, Shape]]:
    yield "model.embed_tokens.weight", (byte_tokenizer.SIZE, WIDTH)
    for layer in range(LAYERS):
        yield from _text_layer(f"model.layers.{layer}")
    yield "model.norm.weight", (WIDTH,)
    yield "lm_head.weight", (byte_tokenizer.SIZE, WIDTH)
    yield "visual.patch_embed.proj.weight", (WIDTH, 3, 2, 14, 14)
    for layer in range(LAYERS):
        yield from _vision_layer(f"visual.blocks.{layer}")
    yield from _norm("visual.merger.ln_q")
    yield from _linear("visual.merger.mlp.0", MERGED_PATCHES * WIDTH, MERGED_PATCHES * WIDTH)
    yield from _linear("visual.merger.mlp.2", WIDTH, MERGED_PATCHES * WIDTH)


def _text_layer(name: str) -> Iterator[tuple[str, Shape]]:
    key_width = WIDTH // HEADS * KEY_HEADS
    yield f"{name}.input_layernorm.weight", (WIDTH,)
    yield from _linear(f"{name}.self_attn.q_proj", WIDTH, WIDTH)
    yield from _linear(f"{name}.self_attn.k_proj", key_width, WIDTH)
    yield from _linear(f"{name}.self_attn.v_proj", key_width, WIDTH)
    yield f"{name}.self_attn.o_proj.weight", (WIDTH, WIDTH)
    yield f"{name}.post_attention_layernorm.weight", (WIDTH,)
    yield f"{name}.mlp.gate_proj.weight", (INNER, WIDTH)
    yield f"{name}.mlp.up_proj.weight", (INNER, WIDTH)
    yield f"{name}.mlp.down_proj.weight", (WIDTH, INNER)


def _vision_layer(name: str) -> Iterator[tuple[str, Shape]]:
    yield from _norm(f"{name}.norm1")
    yield from _linear(f"{name}.attn.qkv", 3 * WIDTH, WIDTH)
    yield from _linear(f"{name}.attn.proj", WIDTH, WIDTH)
    yield from _norm(f"{name}.norm2")
    yield from _linear(f"{name}.mlp.fc1", INNER, WIDTH)
    yield from _linear(f"{name}.mlp.fc2", WIDTH, INNER)


def _linear(name: str, outputs: int, inputs: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)


def _norm(name: str) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (WIDTH,)
    yield f"{name}.bias", (WIDTH,)
