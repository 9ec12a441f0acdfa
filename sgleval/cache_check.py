"""Two controls that make a cached answer trustworthy: a probe at the start, and a cold repeat."""

import base64
import itertools
import os
import random
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sgleval.errors import RunError, UserError
from sgleval.plan import SAMPLING, Plan, Request
from sgleval.runtime.client import RequestError
from sgleval.runtime.run_batch import run_batch
from sgleval.runtime.sglang import SglangBackend
from sgleval.runtime.template import Template
from sgleval.store import Journal

Report = dict[str, Any]
SIDE = 56  # pixels of the probe's pictures: two by two image tokens of Qwen-VL, more elsewhere


def parse_check(value: str | int | None) -> int | None:
    """Return how many answers `--check-cache` repeats; -1 means all, None none.

    Raises:
        UserError: it is neither `all` nor a number from 1 on.
    """
    if value is None or value == "all":
        return None if value is None else -1
    if not str(value).isdigit() or int(value) < 1:
        raise UserError(f"--check-cache {value}: give a number from 1 on, or all")
    return int(value)


def recheck(
    plan: Plan, journal: Journal, backend: Any, number: int, concurrency: int
) -> Report | None:
    """Repeat answers of this table with a cold cache; return which of them changed.

    `number` of them at random (seeded), or all where it is -1. Every repeat has a `cache_salt` of
    its own, so that it finds nothing in the cache. None for models that have no such cache.
    """
    if not isinstance(backend, SglangBackend):
        return None
    chosen = _chosen(plan, number)
    answered = {
        position: kept["variables"]
        for position, request in enumerate(chosen)
        if (kept := journal.read(request.key)) is not None and kept["ok"]
    }
    calls = (chosen[position].call for position in answered)
    outcomes = run_batch(
        plan.task.program, calls, backend.cold(), concurrency=concurrency, **SAMPLING
    )
    positions, changed, n = list(answered), [], 0
    for nth, outcome in outcomes:
        if outcome.error is None:
            n += 1
            if outcome.variables != answered[positions[nth]]:
                changed.append(chosen[positions[nth]].sample.id)
    return {"n": n, "changed": len(changed), "samples": sorted(changed)}


def _chosen(plan: Plan, number: int) -> list[Request]:
    """Return a random sample of a plan's requests, drawn in one pass (reservoir sampling)."""
    requests, draw = plan.requests(), random.Random(plan.seed)
    if number < 0:
        return list(requests)
    kept = list(itertools.islice(requests, number))
    for seen, request in enumerate(requests, start=number + 1):
        if (place := draw.randrange(seen)) < number:
            kept[place] = request
    return kept


def probing(backend: Any, template: Template) -> Callable[[], None]:
    """Begin to probe beside the first requests; return what waits for it.

    That is to be called before an answer is believed; it raises `RunError` as `probe` does.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="probe")
    probed = pool.submit(probe, backend, template)
    pool.shutdown(wait=False)  # there is nothing more for it
    return probed.result


def probe(backend: Any, template: Template) -> None:
    """Send one text with two pictures nobody has seen; the second must not find the first's cache.

    Raises:
        RunError: the server takes one picture for the other, so its answers are worth nothing.
    """
    if not isinstance(backend, SglangBackend):
        return
    text = template.compose([("user", template.image + "What is it?")])
    try:
        _, second = (_ask(backend, text, noise()) for _ in range(2))
    except RequestError:
        return  # the run's own requests will tell what is wrong
    if (second.get("cached_tokens") or 0) >= second["prompt_tokens"] - 1:
        raise RunError(
            f"{backend.client.url}: the prefix cache mixes up two pictures under one text;"
            " no answer of this server can be trusted, start it with --disable-radix-cache"
        )


def _ask(backend: SglangBackend, text: str, picture: bytes) -> dict[str, Any]:
    url = "data:image/png;base64," + base64.b64encode(picture).decode()
    sampling = {"max_new_tokens": 1, "temperature": 0.0}
    body = {"text": text, "image_data": [url], "sampling_params": sampling}
    return dict(backend.client.post("/generate", body)["meta_info"])


def noise() -> bytes:
    """Return a PNG of random pixels, made without Pillow."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)  # 8 bits, red green blue
    rows = b"".join(b"\0" + os.urandom(3 * SIDE) for _ in range(SIDE))
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body
