"""Ask transformers what SGLang was asked, greedily, and list the answers that differ.

python benchmarks/demo_model/agree.py 250 programs/receipts.py RUN [programs/scenes.py RUN ...]
takes that many questions of each stored run (`sgleval run --out RUN`).
"""

import io
import runpy
import sys
from collections.abc import Iterator

import polars as pl
import torch
from PIL import Image
from transformers import AutoProcessor, Qwen2VLForConditionalGeneration

from sgleval.demo import MODEL

LONGEST = 256
"""Tokens of an answer."""


def answered(program: str, run: str, count: int) -> Iterator[tuple[dict, str]]:
    """Yield `count` rows of a program with the text that the stored run holds for each."""
    stored = pl.read_parquet(f"{run}/predictions.parquet").sort(pl.col("sample_id").hash(0))
    texts = dict(stored.head(count).select("sample_id", "text").iter_rows())
    for row in runpy.run_path(program)["rows"](0):
        if row["id"] in texts:
            yield row, texts[row["id"]]


def main() -> None:
    count, *pairs = sys.argv[1:]
    torch.set_num_threads(2)
    model = Qwen2VLForConditionalGeneration.from_pretrained(MODEL, dtype=torch.bfloat16).eval()
    processor = AutoProcessor.from_pretrained(MODEL)
    same = asked = 0
    for program, run in zip(pairs[::2], pairs[1::2], strict=True):
        for row, text in answered(program, run, int(count)):
            said = generate(model, processor, row)
            same, asked = same + (said == text), asked + 1
            if said != text:
                print(f"{row['id']}: {row['question']!r}: sglang {text!r}, transformers {said!r}")
    print(f"{same} of {asked} answers are the same ({same / asked:.2%})")


@torch.no_grad()
def generate(model: Qwen2VLForConditionalGeneration, processor: AutoProcessor, row: dict) -> str:
    """Return transformers' greedy answer to one row."""
    question = {"type": "text", "text": row["question"]}
    turn = [{"role": "user", "content": [{"type": "image"}, question]}]
    text = processor.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
    source = row["image"]
    picture = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
    inputs = processor(text=[text], images=[picture.convert("RGB")], return_tensors="pt")
    out = model.generate(**inputs, max_new_tokens=LONGEST, do_sample=False)
    new = out[0, inputs["input_ids"].shape[1] :]
    return processor.tokenizer.decode(new, skip_special_tokens=True)


if __name__ == "__main__":
    main()
