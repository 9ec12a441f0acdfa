"""What the benchmarks of whole runs share: fresh pages, a timed server, an evaluation."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import re
import sys
import time
import urllib.request
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from read_page import SYSTEM, read_page
from tokenizers import Tokenizer

from sgleval import Dataset, Task, evaluate
from sgleval.answers import Text
from sgleval.metrics import exact_match
from sgleval.runtime.model import speaking
from sgleval.runtime.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sgleval.metrics import Ratio
    from sgleval.runtime.model import Model

Rows = list[dict[str, Any]]
DOT = 4  # pixels of one dot of noise: a page of 448 x 448 pixels is a file of some 40 KB
TOKEN = 28  # pixels of one image token, each way


def machine() -> str:
    """Return the cores, the instructions that decide about bfloat16, and the load."""
    known = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    flags = " ".join(flag for flag in ("avx512_bf16", "amx_bf16") if flag in known) or "no bf16"
    return f"{os.cpu_count()} cores, {flags}, load {os.getloadavg()[0]:.1f}"


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


class TimedServer(Server):
    """The server that sgleval starts, with all its flags, and a clock; see `timed_server`."""

    @property
    def command(self) -> list[str]:
        """The usual command line with another program in place of `-m sgleval.runtime.launch`."""
        program = Path(__file__).with_name("timed_server.py")
        return [sys.executable, str(program), *super().command[3:]]


@dataclass(frozen=True)
class Counters:
    """What a server has done so far, or between two moments."""

    prompt: float
    cached: float
    prefill: float
    """Wall seconds of the model's prefill batches."""
    decode: float
    batches: float

    def __sub__(self, before: Counters) -> Counters:
        pairs = zip(astuple(self), astuple(before), strict=True)
        return Counters(*(now - then for now, then in pairs))


@dataclass(frozen=True)
class Served:
    """One server for all arms."""

    url: str
    model: Model
    """What `--model FOLDER` means to sgleval, on this server."""
    totals: Path
    """Where the server writes its times."""

    def counters(self) -> Counters:
        """Return what the server has done so far, tokens by SGLang's own count."""
        with urllib.request.urlopen(self.url + "/metrics", timeout=60) as reply:
            text = reply.read().decode()
        prompt, cached = (
            sum(float(n) for n in re.findall(rf"^sglang:{name}_total\{{.*\}} (\S+)$", text, re.M))
            for name in ("prompt_tokens", "cached_tokens")
        )
        return Counters(prompt, cached, *map(float, self.totals.read_text().split()))

    def flush(self) -> None:
        """Empty the radix cache; the server refuses while something runs."""
        request = urllib.request.Request(self.url + "/flush_cache?timeout=10", method="POST")
        for _ in range(60):
            with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=60) as reply:
                if reply.status == 200:
                    return
            time.sleep(0.5)
        raise SystemExit("the server does not flush its cache")


@contextlib.contextmanager
def serving(model: Model, folder: Path, flags: Sequence[str], scratch: Path) -> Iterator[Served]:
    """Start the server that sgleval would start for a model's folder, and end it."""
    totals = scratch / "seconds"
    totals.write_text("0 0 0")
    os.environ["FORWARD_SECONDS"] = str(totals)
    server = TimedServer(model.name, str(folder), list(flags), model.facts["weight_version"])
    with server.running() as url:

        def speak(connections: int, _: object) -> contextlib.AbstractContextManager[Any]:
            return speaking(url, model.template, connections, server.restart)

        yield Served(url, replace(model, open=speak), totals)


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
    served: Served, folder: Path, variants: Mapping[str, Mapping[str, str]] | None = None
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
    run = evaluate(
        task, served.model, variants=list(task.variants), out=folder / "run", watch=watch
    )
    whole = time.perf_counter() - began
    if run.summary["failed"]:
        raise SystemExit(f"{run.summary['failed']} samples failed, see {folder}")
    return watch.ended - watch.began, whole
