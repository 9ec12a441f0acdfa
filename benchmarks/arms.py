"""What the benchmarks of whole runs share: fresh pages, the program, an evaluation."""

from __future__ import annotations

import io
import json
import random
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from read_page import SYSTEM, read_page
from tokenizers import Tokenizer

from sgleval import Dataset, Task, evaluate
from sgleval.answers import Text
from sgleval.metrics import exact_match

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sgleval.metrics import Ratio
    from sgleval.runtime.model import Model

Rows = list[dict[str, Any]]
DOT = 4  # pixels of one dot of noise: a page of 448 x 448 pixels is a file of some 40 KB
TOKEN = 28  # pixels of one image token, each way


def model_folder(given: Path) -> Path:
    """Return the folder of the model with 358M language parameters, made if it is not there.

    Another process makes it: with torch in this one, sgleval would import all of sglang.
    """
    folder = given / "qwen2-vl-358m"  # by this name SGLang's frontend knows the chat template
    if not (folder / "model.safetensors").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as another:
            another.submit(_build, folder).result()
    return folder


def _build(folder: Path) -> None:
    import large_model

    large_model.build(folder)


def fresh_pages(folder: Path, pages: int, side: int, questions: Sequence[str]) -> Rows:
    """Write `data.jsonl` and PNG pages of `side` pixels that nobody has seen; return its rows."""
    folder.mkdir(parents=True)
    rows: Rows = []
    for page in range(pages):
        path = folder / f"{page}.png"
        path.write_bytes(noise(side))
        rows += [
            {"id": f"{page}-{place}", "image": str(path), "question": question, "answers": ["x"]}
            for place, question in enumerate(questions)
        ]
    write_rows(folder, rows)
    return rows


def noise(side: int) -> bytes:
    """Return a PNG of `side` times `side` pixels."""
    dots = side // DOT
    picture = Image.frombytes("RGB", (dots, dots), random.randbytes(3 * dots * dots))
    file = io.BytesIO()
    picture.resize((side, side), Image.Resampling.NEAREST).save(file, "PNG")
    return file.getvalue()


def write_rows(folder: Path, rows: Rows) -> None:
    """Write rows as sgleval's data; a path starts at the folder there."""
    lines = [json.dumps(row | {"image": Path(row["image"]).name}) + "\n" for row in rows]
    (folder / "data.jsonl").write_text("".join(lines))


def prompt(model: Model, text: str) -> str:
    """Return what `read_page` writes for a question, with the placeholder of the page."""
    messages = [("system", SYSTEM), ("user", model.template.image + text)]
    return model.template.compose(messages)


def tokens(model: Model, text: str, side: int) -> int:
    """Return how many tokens a prompt has with a page of `side` pixels."""
    assert model.template.folder is not None
    tokenizer = Tokenizer.from_file(str(model.template.folder / "tokenizer.json"))
    return len(tokenizer.encode(text).ids) - 1 + (side // TOKEN) ** 2


@dataclass
class Stopwatch:
    """A watch that notes when the first request may leave and when the last answer is kept."""

    began: float = field(default=0.0, init=False)
    ended: float = field(default=0.0, init=False)

    def tell(self, text: str) -> None:
        """Hear nothing."""

    def begin(self, total: int, kept: int) -> None:
        """Note that planning is over; `total` and `kept` are of no interest."""
        del total, kept
        self.began = time.perf_counter()

    def answered(self, row: Mapping[str, Any], ratio: Ratio) -> None:
        """Note that an answer was kept."""
        del row, ratio
        self.ended = time.perf_counter()


def evaluated(
    model: Model, folder: Path, variants: Mapping[str, Mapping[str, str]] | None = None
) -> tuple[float, float]:
    """Evaluate a folder's rows; return the seconds of the request phase and of the whole call."""
    task = Task(
        name="pages",
        dataset=Dataset.files(folder),
        program=read_page,
        answer=Text(),
        metrics=[exact_match],
        variants=variants or {"default": {}},
    )
    watch, began = Stopwatch(), time.perf_counter()
    run = evaluate(task, model, variants=list(task.variants), out=folder / "run", watch=watch)
    whole = time.perf_counter() - began
    if run.summary["failed"]:
        raise SystemExit(f"{run.summary['failed']} samples failed, see {folder}")
    return watch.ended - watch.began, whole
