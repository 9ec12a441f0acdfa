"""What a question costs whose image is in the cache: SGLang's attention on CPU against ours.

    python benchmarks/cached_prefix.py [--pages N] [--layer]

First one layer, both methods in this process in turns, on one thread. Then a real server with a
model whose language part has 358M parameters: of each page (1024 image tokens) the first question
computes its prefix, five siblings find it in the cache. The page is shown once beforehand, so that
its preprocessing and vision embedding are there for both. Every question is asked once with each
method, one right after the other on the same server; the figure is the median of their ratios.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import random
import statistics
import sys
import tempfile
import time
import uuid
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import large_model
import machine
import torch
from PIL import Image

from sgleval.runtime.client import Client
from sgleval.runtime.cpu_platform import cached_prefix
from sgleval.runtime.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable

ARMS = ("stock", "ours")
Arm = str
ROUNDS = 9
BATCHES = {
    "a sibling": [(1051, 18)],
    "8 siblings": [(1051, 18)] * 8,
    "half cached": [(520, 520)],
    "a leader": [(30, 1009)],
    "nothing cached": [(0, 1039)],
    "8 decode one token": [(1069, 1)] * 8,
}
"""Requests of (cached, new) tokens."""

SIDE = 32 * 28  # pixels: 32 x 32 image tokens
QUESTIONS = ("total?", "date?", "shop?", "tax?", "address?", "cash?")
PROMPT = (
    "<|im_start|>system\nYou read receipts.<|im_end|>\n<|im_start|>user\n"
    "<|vision_start|><|image_pad|><|vision_end|>{}<|im_end|>\n<|im_start|>assistant\n"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pages", type=int, default=4, help="for the server [4]")
    parser.add_argument("--layer", action="store_true", help="without the server")
    given = parser.parse_args()
    began = time.monotonic()
    print(machine.described())
    one_layer()
    if not given.layer:
        with tempfile.TemporaryDirectory(prefix="qwen2-vl-") as folder:
            on_a_server(Path(folder), given.pages)
    print(f"{time.monotonic() - began:.0f} s in all")


def one_layer() -> None:
    """Print a table of both methods' times for one layer of the large model, on one thread.

    Two would measure how long the second one waits for a core on a busy machine.
    """
    torch.set_num_threads(1)
    row = "{:<20} {:<9} {:>10} {:>10} {:>6} {:>19}"
    print(row.format("one layer", "dtype", "stock", "ours", "ratio", "largest difference"))
    for name, requests in BATCHES.items():
        for dtype in (torch.bfloat16, torch.float32):
            times, outputs = in_turns(calls(requests, dtype))
            largest = (outputs[0].float() - outputs[1].float()).abs().max().item()
            stock, ours = (f"{1000 * seconds:.2f} ms" for seconds in times)
            facts = stock, ours, f"{times[1] / times[0]:.2f}", f"{largest:.2g}"
            print(row.format(name, str(dtype).removeprefix("torch."), *facts))


def calls(requests: list[tuple[int, int]], dtype: torch.dtype) -> list[Callable[[], torch.Tensor]]:
    """Return calls of SGLang's method and of ours for these requests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SGLang's import has several
        from sglang.srt.layers.attention.torch_native_backend import TorchNativeAttnBackend
    tensors = batch(requests, dtype)
    if requests[0][1] == 1:
        stock = TorchNativeAttnBackend._run_sdpa_forward_decode
        ours = cached_prefix.next_row(stock)
        return [partial(each, None, *tensors[:7], enable_gqa=True) for each in (stock, ours)]
    stock = TorchNativeAttnBackend._run_sdpa_forward_extend
    ours = cached_prefix.new_rows(stock)
    return [partial(each, None, *tensors, causal=True, enable_gqa=True) for each in (stock, ours)]


def batch(requests: list[tuple[int, int]], dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    """Return the arguments of SGLang's method, random, for requests of (cached, new) tokens."""
    cached, new = (torch.tensor(column) for column in zip(*requests, strict=True))
    lengths = cached + new
    slots = int(lengths.sum())
    query = torch.randn(int(new.sum()), large_model.HEADS, large_model.HEAD_SIZE).to(dtype)
    shape = (slots, large_model.KEY_HEADS, large_model.HEAD_SIZE)
    k, v = (torch.randn(shape).to(dtype) for _ in range(2))
    table = torch.arange(slots, dtype=torch.int32).view(len(requests), -1)
    rows = torch.arange(len(requests))
    return query, torch.empty_like(query), k, v, table, rows, lengths, cached, new


def in_turns(
    both: list[Callable[[], torch.Tensor]],
) -> tuple[list[float], list[torch.Tensor]]:
    """Return the best seconds and the outputs of calls made in turns."""
    outputs = [call().clone() for call in both]
    seconds: list[list[float]] = [[] for _ in both]
    for _ in range(ROUNDS):
        for place, call in enumerate(both):
            start = time.perf_counter()
            call()
            seconds[place].append(time.perf_counter() - start)
    return [min(each) for each in seconds], outputs


class BothServer(Server):
    """A server that has SGLang's attention and ours; see `cached_prefix_server`."""

    @property
    def command(self) -> list[str]:
        """The usual command line with another program in place of `-m sgleval.runtime.launch`."""
        program = Path(__file__).with_name("cached_prefix_server.py")
        return [sys.executable, str(program), *super().command[3:]]


@dataclass
class Asked:
    """What came back."""

    seconds: float
    prompt: int
    cached: int
    token: int
    logprob: float


@dataclass
class Asker:
    """Asks a server with one of the two methods."""

    client: Client
    stock_while: Path

    def ask(self, arm: Arm, page: str, question: str, salt: str) -> Asked:
        """Ask for one token; `salt` keeps apart what the methods have in the cache."""
        if arm == "stock":
            self.stock_while.touch()
        else:
            self.stock_while.unlink(missing_ok=True)
        body = {
            "text": PROMPT.format(question),
            "image_data": [page],
            "cache_salt": f"{arm} {salt}",
            "return_logprob": True,
            "sampling_params": {"temperature": 0, "max_new_tokens": 1},
        }
        start = time.perf_counter()
        meta = self.client.post("/generate", body)["meta_info"]
        seconds = time.perf_counter() - start
        ((logprob, token, *_),) = meta["output_token_logprobs"]
        return Asked(seconds, meta["prompt_tokens"], meta["cached_tokens"], token, logprob)


def on_a_server(folder: Path, pages: int) -> None:
    """Print what a question costs end to end with both methods."""
    model = folder / "model"
    model.mkdir()
    large_model.build(model)
    os.environ["STOCK_WHILE"] = str(folder / "stock")
    with BothServer("large", str(model), [], "random").running() as url:
        asker = Asker(Client(url), folder / "stock")
        ask_all(asker, random_page(0))  # warms up
        asked = [both for seed in range(1, pages + 1) for both in ask_all(asker, random_page(seed))]
    report("leader", [both for both in asked if both["ours"].cached < 500])
    report("sibling", [both for both in asked if both["ours"].cached >= 500])


def random_page(seed: int) -> str:
    """Return a data URL of a page that no other seed gives."""
    grid = Image.frombytes("RGB", (32, 32), random.Random(seed).randbytes(32 * 32 * 3))
    file = io.BytesIO()
    grid.resize((SIDE, SIDE), Image.Resampling.NEAREST).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def ask_all(asker: Asker, page: str) -> list[dict[Arm, Asked]]:
    """Ask each question of a page with both methods, which take turns in going first."""
    salt = uuid.uuid4().hex
    asker.ask("ours", page, "?", f"shown {salt}")
    return [
        {
            arm: asker.ask(arm, page, question, salt)
            for arm in (ARMS if place % 2 else reversed(ARMS))
        }
        for place, question in enumerate(QUESTIONS)
    ]


def report(name: str, asked: list[dict[Arm, Asked]]) -> None:
    """Print one line about questions of a kind."""
    stock, ours = (statistics.median(both[arm].seconds for both in asked) for arm in ARMS)
    ratio = statistics.median(both["ours"].seconds / both["stock"].seconds for both in asked)
    same = sum(both["ours"].token == both["stock"].token for both in asked)
    largest = max(abs(both["ours"].logprob - both["stock"].logprob) for both in asked)
    one = asked[0]["ours"]
    print(
        f"{name}, {one.cached} of {one.prompt} tokens cached: stock {stock:.3f} s, ours "
        f"{ours:.3f} s, median of ratios {ratio:.2f}; {same} of {len(asked)} answers the same, "
        f"log probabilities within {largest:.2g}"
    )


if __name__ == "__main__":
    main()
