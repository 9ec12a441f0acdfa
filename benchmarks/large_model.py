"""A Qwen2-VL-shaped model with random weights whose language part has 358M parameters.

Its language part has the shape of Qwen2-0.5B with one token a byte, its vision tower is the small
one of `sgleval.demo.random_model`: the server's time is that of a real small model, its answers are
guesses.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file

from sgleval.demo import byte_tokenizer, random_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WIDTH, INNER, LAYERS = 896, 4864, 24
HEADS, KEY_HEADS, HEAD_SIZE = 14, 2, 64
VISION: dict[str, Any] = random_model.VISION | {"hidden_size": WIDTH}
CONFIG: dict[str, Any] = random_model.CONFIG | {
    "hidden_size": WIDTH,
    "intermediate_size": INNER,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KEY_HEADS,
    "rope_scaling": {"type": "mrope", "mrope_section": [8, 12, 12]},
    "vision_config": VISION,
}
IMAGES = random_model.IMAGES


def build(folder: Path, seed: int = 0) -> None:
    """Write into `folder` all that `sglang.launch_server --model-path` reads, about 720 MB."""
    byte_tokenizer.write(folder)
    for name, content in (
        ("config.json", CONFIG),
        ("generation_config.json", random_model.GENERATION),
        ("preprocessor_config.json", IMAGES),
    ):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    save_file(dict(weights(seed)), folder / "model.safetensors", metadata={"format": "pt"})


def weights(seed: int) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield name (as on the Hub) and random bfloat16 values of each tensor.

    Weights keep the size of what passes through them and each layer adds little to it, as in a
    trained model: rounding stays small and equal answers say something.
    """
    random = torch.Generator().manual_seed(seed)
    for name, shape in shapes():
        if name.endswith("bias"):
            yield name, torch.zeros(shape, dtype=torch.bfloat16)
        elif len(shape) == 1:
            yield name, torch.ones(shape, dtype=torch.bfloat16)  # the factors of a norm
        else:
            size = strength(name) * math.sqrt(3 / math.prod(shape[1:]))
            yield (
                name,
                torch.empty(shape, dtype=torch.bfloat16).uniform_(-size, size, generator=random),
            )


def strength(name: str) -> float:
    if "embed_tokens" in name:
        return math.sqrt(WIDTH)  # a look-up, not a sum: values of size 1
        return 4.0  # answers far apart
    return 1 / math.sqrt(2 * LAYERS) if "o_proj" in name or "down_proj" in name else 1.0


def shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    vocabulary = (byte_tokenizer.SIZE, WIDTH)
    yield from {"model.embed_tokens.weight": vocabulary, "lm_head.weight": vocabulary}.items()
    yield "model.norm.weight", (WIDTH,)
    for layer in range(LAYERS):
        for name, shape in text_layer():
            yield f"model.layers.{layer}.{name}", shape
    yield from vision_tower()


def text_layer() -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "input_layernorm.weight", (WIDTH,)
    yield "post_attention_layernorm.weight", (WIDTH,)
    for name, heads in (("q", HEADS), ("k", KEY_HEADS), ("v", KEY_HEADS)):
        yield from linear(f"self_attn.{name}_proj", heads * HEAD_SIZE, WIDTH)
    yield "self_attn.o_proj.weight", (WIDTH, HEADS * HEAD_SIZE)
    yield "mlp.gate_proj.weight", (INNER, WIDTH)
    yield "mlp.up_proj.weight", (INNER, WIDTH)
    yield "mlp.down_proj.weight", (WIDTH, INNER)


def vision_tower() -> Iterator[tuple[str, tuple[int, ...]]]:
    width = VISION["embed_dim"]
    inner, merged = width * VISION["mlp_ratio"], width * VISION["spatial_merge_size"] ** 2
    yield "visual.patch_embed.proj.weight", (width, 3, 2, 14, 14)
    for layer in range(VISION["depth"]):
        block = f"visual.blocks.{layer}"
        yield from norm(f"{block}.norm1", width)
        yield from linear(f"{block}.attn.qkv", 3 * width, width)
        yield from linear(f"{block}.attn.proj", width, width)
        yield from norm(f"{block}.norm2", width)
        yield from linear(f"{block}.mlp.fc1", inner, width)
        yield from linear(f"{block}.mlp.fc2", width, inner)
    yield from norm("visual.merger.ln_q", width)
    yield from linear("visual.merger.mlp.0", merged, merged)
    yield from linear("visual.merger.mlp.2", WIDTH, merged)


def linear(name: str, outputs: int, inputs: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)


def norm(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)
