"""Write the demo model as a folder that SGLang, vLLM and transformers load.

python benchmarks/demo_model/export.py CHECKPOINT sgleval/demo/model
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from guides import EASY_SIDE
from model import MERGE, PATCH, Size
from tokens import SPECIAL, TEMPLATE, build
from torch import Tensor
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
)

from sgleval.demo.receipts import HEIGHT, WIDTH

CONTEXT = 4096
TOKENIZER = "PreTrainedTokenizerFast"
PIXELS = {"min_pixels": EASY_SIDE**2, "max_pixels": HEIGHT * WIDTH}
"""From easy-VQA's pictures enlarged to one receipt as it is drawn."""


def config(size: Size) -> Qwen2VLConfig:
    """Describe the model as transformers does."""
    ids = {name: build().token_to_id(name) for name in SPECIAL}
    end = ids["<|im_end|>"]
    return Qwen2VLConfig(
        text_config={
            "vocab_size": size.vocabulary,
            "hidden_size": size.width,
            "intermediate_size": size.inner,
            "num_hidden_layers": size.layers,
            "num_attention_heads": size.heads,
            "num_key_value_heads": size.heads,
            "rms_norm_eps": 1e-6,
            "max_position_embeddings": CONTEXT,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": size.theta,
                "mrope_section": list(size.sections),
            },
            "bos_token_id": ids["<|endoftext|>"],
            "eos_token_id": end,
            "pad_token_id": ids["<|endoftext|>"],
            "tie_word_embeddings": True,
        },
        vision_config={
            "depth": size.vision_layers,
            "embed_dim": size.vision_width,
            "hidden_size": size.width,
            "num_heads": size.vision_heads,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )


def library_weights(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename to transformers' names; the patch embedding is halved over its two equal frames."""
    renamed = {}
    for name, weight in weights.items():
        if name == "visual.patch_embed.proj.weight":
            half = weight.reshape(-1, 3, 1, PATCH, PATCH) / 2
            renamed[f"model.{name}"] = torch.cat((half, half), 2)
        else:
            renamed[f"model.{name}"] = weight
    renamed["lm_head.weight"] = weights["language_model.embed_tokens.weight"]
    return renamed


def library_model(weights: dict[str, Tensor], size: Size) -> Qwen2VLForConditionalGeneration:
    """Return transformers' model with the trained weights in float32."""
    model = Qwen2VLForConditionalGeneration(config(size))
    model.load_state_dict(library_weights(weights))
    return model.eval()


def tokenizer() -> PreTrainedTokenizerFast:
    """Wrap the tokenizer with its chat template."""
    return PreTrainedTokenizerFast(
        tokenizer_object=build(),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=CONTEXT,
        chat_template=TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def image_processor() -> Qwen2VLImageProcessor:
    """Return the one whose grid and numbers the training pictures have."""
    half = [0.5, 0.5, 0.5]
    return Qwen2VLImageProcessor(
        **PIXELS,
        patch_size=PATCH,
        merge_size=MERGE,
        image_mean=half,
        image_std=half,
    )


def export(weights: dict[str, Tensor], folder: Path) -> None:
    """Write every file of the model folder."""
    model = library_model(weights, Size()).to(torch.bfloat16)
    end = model.config.text_config.eos_token_id
    model.generation_config = GenerationConfig(
        eos_token_id=end, pad_token_id=model.config.text_config.pad_token_id, do_sample=False
    )
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    image_processor().save_pretrained(folder)
    amend(folder / "config.json", lambda c: c["vision_config"].update(in_chans=3))
    amend(folder / "tokenizer_config.json", lambda c: c.update(tokenizer_class=TOKENIZER))
    amend(folder / "preprocessor_config.json", lambda c: c.update(PIXELS))
    (folder / "model.safetensors").chmod(0o644)


def amend(path: Path, change: Callable[[dict], None]) -> None:
    """Change a JSON file: SGLang and older loaders ask for the names of the first release."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def trained(checkpoint: Path) -> dict[str, Tensor]:
    """Return the averaged weights of a checkpoint without the helper head."""
    average = torch.load(checkpoint)["average"]
    return {n.removeprefix("model."): w for n, w in average.items() if n.startswith("model.")}


if __name__ == "__main__":
    export(trained(Path(sys.argv[1])), Path(sys.argv[2]))
