"""The pages and questions of one arm, and the files in which each tool wants to be told of them."""

from __future__ import annotations

import io
import json
import random
from typing import TYPE_CHECKING, Any

from PIL import Image

from sgleval.demo.receipts import receipt
from sgleval.demo.render import questions_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Row = dict[str, Any]
"""`id`, `image` (a page's bytes), `question`, `answers`."""

SGLEVAL, LMMS, EVALSCOPE = "sgleval", "lmms", "evalscope"  # folders of each one's files
FIELDS = ("shop", "date", "number", "total")
"""Four questions that every drawn receipt answers and that are the same on each."""

PATCH = 32  # pixels of the noise that makes a page new

TASK = '''"""The pages of benchmarks/peers.py, asked as its peers ask them: nothing constrains."""

import sglang as sgl

from sgleval import Dataset, Task
from sgleval.answers import Text
from sgleval.metrics import anls

ANSWER = Text(max_tokens={max_tokens})


@sgl.function
def ask(s, image, question):
    s += sgl.user(sgl.image(image) + question)
    s += sgl.assistant(ANSWER.gen("answer"))


task = Task(
    name="pages",
    dataset=Dataset.files({folder}),
    program=ask,
    answer=ANSWER,
    metrics=[anls],
)
'''
COMMON = """dataset_path: json
dataset_kwargs: {{data_files: {{test: {rows}}}}}
test_split: test
output_type: generate_until
doc_to_text: !function functions.text
doc_to_target: answers
process_results: !function functions.results
generation_kwargs: {{max_new_tokens: {max_tokens}, temperature: 0, do_sample: false}}
metric_list: [{{metric: anls, aggregation: mean, higher_is_better: true}}]
"""
FUNCTIONS = '''from PIL import Image
from lmms_eval.api.metrics import anls


def text(doc, lmms_eval_specific_kwargs=None):
    return doc["text"]


def pil(doc):
    """As documented: encoded again, as PNG, for every question."""
    return [Image.open(doc["image_path"]).convert("RGB")]


def path(doc):
    """Tuned: encoded once per page."""
    return [doc["image_path"]]


def results(doc, res):
    return anls(doc["answers"], [res[0]])
'''


def read(folder: Path, pages: int | None) -> list[Row]:
    """Return the questions about the first pages of a folder in the standard shape."""
    rows = [json.loads(line) for line in (folder / "data.jsonl").read_text("utf-8").splitlines()]
    kept = list(dict.fromkeys(row["image"] for row in rows))[:pages]
    content = {image: (folder / image).read_bytes() for image in kept}
    return [row | {"image": content[row["image"]]} for row in rows if row["image"] in content]


def draw(pages: int | None) -> list[Row]:
    """Return four questions on each of some receipts (20), drawn at twice the demo's size."""
    rows = questions_of(receipt, "peers", count=pages or 20)
    return [row | {"image": _twice(row["image"])} for row in rows if row["type"] in FIELDS]


def _twice(page: bytes) -> bytes:
    image = Image.open(io.BytesIO(page))
    out = io.BytesIO()
    image.resize((2 * image.width, 2 * image.height), Image.Resampling.BICUBIC).save(out, "PNG")
    return out.getvalue()


def own(rows: Iterable[Row]) -> list[Row]:
    """Return the rows with a question that no other row has."""
    return [
        row | {"question": f"Case {number}: {row['question']}"} for number, row in enumerate(rows)
    ]


def renewed(rows: list[Row], seed: str) -> list[Row]:
    """Return the rows with noise in a corner of each page.

    The server then has neither the page nor its embedding, which outlives a flush; the size, and
    so the number of tokens, stays.
    """
    new = {page: _noisy(page, f"{seed} {n}") for n, page in enumerate(pages_of(rows))}
    return [row | {"image": new[row["image"]]} for row in rows]


def pages_of(rows: Iterable[Row]) -> list[bytes]:
    """Return the distinct pages in order."""
    return list(dict.fromkeys(row["image"] for row in rows))


def _noisy(page: bytes, seed: str) -> bytes:
    image = Image.open(io.BytesIO(page))
    kind = image.format or "PNG"
    noise = random.Random(seed).randbytes(PATCH * PATCH * 3)
    image = image.convert("RGB")
    image.paste(Image.frombytes("RGB", (PATCH, PATCH), noise), (0, 0))
    out = io.BytesIO()
    image.save(out, kind, **({"quality": 95} if kind == "JPEG" else {}))
    return out.getvalue()


def write(rows: list[Row], folder: Path, max_tokens: int) -> None:
    """Write pages and questions for all three tools; each request is to be the same."""
    folder = folder.resolve()
    for name in (SGLEVAL, LMMS, EVALSCOPE):
        (folder / name).mkdir(parents=True)
    paths: dict[bytes, Path] = {}
    for number, page in enumerate(pages_of(rows)):
        kind = (Image.open(io.BytesIO(page)).format or "PNG").lower().replace("jpeg", "jpg")
        paths[page] = folder / SGLEVAL / f"{number:03}.{kind}"
        paths[page].write_bytes(page)
    _for_sgleval(rows, paths, folder / SGLEVAL, max_tokens)
    _for_lmms(rows, paths, folder / LMMS, max_tokens)
    _for_evalscope(rows, paths, folder / EVALSCOPE, max_tokens)


def _lines(path: Path, rows: Iterable[Row]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def _for_sgleval(rows: list[Row], paths: dict[bytes, Path], folder: Path, max_tokens: int) -> None:
    columns = ("id", "question", "answers")
    kept = [{name: row[name] for name in columns} | {"page": row["image"]} for row in rows]
    _lines(folder / "data.jsonl", (row | {"image": paths[row.pop("page")].name} for row in kept))
    task = TASK.format(folder=json.dumps(str(folder)), max_tokens=max_tokens)
    (folder / "pages.py").write_text(task, "utf-8")


def _for_lmms(rows: list[Row], paths: dict[bytes, Path], folder: Path, max_tokens: int) -> None:
    lines = (
        {"id": row["id"], "image_path": str(paths[row["image"]])}
        | {"text": row["question"], "answers": row["answers"]}
        for row in rows
    )
    _lines(folder / "rows.jsonl", lines)
    common = COMMON.format(rows=json.dumps(str(folder / "rows.jsonl")), max_tokens=max_tokens)
    for task, visual in (("pages", "pil"), ("pages_path", "path")):
        own_part = f"task: {task}\ndoc_to_visual: !function functions.{visual}\n"
        (folder / f"{task}.yaml").write_text(own_part + common, "utf-8")
    (folder / "functions.py").write_text(FUNCTIONS, "utf-8")


def _for_evalscope(
    rows: list[Row], paths: dict[bytes, Path], folder: Path, max_tokens: int
) -> None:
    lines = []
    for row in rows:
        image = {"type": "image_url", "image_url": {"url": str(paths[row["image"]])}}
        content = [image, {"type": "text", "text": row["question"]}]
        message = {"role": "user", "content": content}
        lines.append({"id": row["id"], "answer": row["answers"][0], "messages": [message]})
    _lines(folder / "rows.jsonl", lines)
    # Its other metric, BLEU, wants a file that only a hub has.
    told = {"local_path": str(folder), "subset_list": ["rows"], "metric_list": ["Rouge"]}
    sampling = {"temperature": 0, "max_tokens": max_tokens}
    (folder / "arguments.json").write_text(json.dumps({"general_vqa": told}), "utf-8")
    (folder / "generation.json").write_text(json.dumps(sampling), "utf-8")
