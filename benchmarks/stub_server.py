"""A server that speaks as much of SGLang's HTTP as a run needs and answers at once.

`python benchmarks/stub_server.py [--port N] [--model PATH] [--prompt-tokens N]` prints its address
and serves until it is ended or its standard input is closed. `stub()` does so beside a benchmark:

    with stub(prompt_tokens=42) as url: ...

What is measured against it is the client. So it reads no JSON: one of a thousand ready-made replies
is picked by a checksum of the body, which makes equal requests get equal answers. A request is one
`/generate` with one text; streams, lists of texts and `select` are beyond it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWERS = 1000
IMAGE_TOKENS = 64
CACHED = 0.75  # of the prompt
END = b"\r\n\r\n"
LENGTH = b"content-length:"


class Replies:
    """What is sent back, as whole HTTP replies."""

    def __init__(self, model: str, prompt_tokens: int) -> None:
        self.served = 0
        """How many requests to /generate were answered."""
        self._infos = {
            b"/model_info": {"model_path": model, "weight_version": "stub"},
            b"/get_model_info": {"model_path": model, "weight_version": "stub"},
            b"/server_info": {"version": "stub"},
            b"/health": {},
        }
        self._answers = [_answer(f"{n}.{n % 10}0", prompt_tokens, n) for n in range(ANSWERS)]

    def of(self, path: bytes, body: bytes) -> bytes:
        """Return the reply to one request."""
        if path == b"/generate":
            self.served += 1
            return self._answers[zlib.crc32(body) % ANSWERS]
        if path == b"/served":
            return _http(b"200 OK", {"served": self.served})
        if path in self._infos:
            return _http(b"200 OK", self._infos[path])
        return _http(b"404 Not Found", {"detail": "Not Found"})


def _answer(text: str, prompt_tokens: int, number: int) -> bytes:
    """Return a reply with what SGLang reports of a short answer, log probabilities included."""
    tokens = [*text, "<|im_end|>"]
    meta = {
        "id": f"{number:032x}",
        "finish_reason": {"type": "stop", "matched": 151645},
        "prompt_tokens": prompt_tokens,
        "weight_version": "stub",
        "total_retractions": 0,
        "output_token_logprobs": [
            [-0.0123456789 - place, 1000 + place, token] for place, token in enumerate(tokens)
        ],
        "completion_tokens": len(tokens),
        "cached_tokens": int(CACHED * prompt_tokens),
        "image_tokens": IMAGE_TOKENS,
        "e2e_latency": 0.0123456789,
    }
    return _http(b"200 OK", {"text": text, "output_ids": [1], "meta_info": meta})


def _http(status: bytes, content: object) -> bytes:
    body = json.dumps(content).encode()
    head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d" % (
        status,
        len(body),
    )
    return head + END + body


class Connection(asyncio.Protocol):
    """One client's connection, kept open."""

    def __init__(self, replies: Replies) -> None:
        self.replies = replies
        self.waiting = bytearray()
        self.wanted = 0
        """How many bytes the request takes that is on its way; 0 before its head is here."""
        self.path = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what to write to."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole now."""
        self.waiting += data
        while self._read_head() and len(self.waiting) >= self.wanted:
            body = bytes(self.waiting[self.body_at : self.wanted])
            del self.waiting[: self.wanted]
            self.wanted = 0
            self.transport.write(self.replies.of(self.path, body))  # type: ignore[attr-defined]

    def _read_head(self) -> bool:
        if self.wanted:
            return True
        end = self.waiting.find(END)
        if end < 0:
            return False
        head = bytes(self.waiting[:end])
        self.path = head.split(b" ", 2)[1]
        _, _, length = head.lower().partition(LENGTH)
        self.body_at = end + len(END)
        self.wanted = self.body_at + int(length.partition(b"\r\n")[0] or 0)
        return True


@contextlib.contextmanager
def stub(model: str = "stub", prompt_tokens: int = 100) -> Iterator[str]:
    """Run the server in a process of its own and give its address until the block ends.

    `model` is what it says its model is: the path of a folder here, from which sgleval takes the
    chat template and the tokenizer. `prompt_tokens` is its count for every prompt.
    """
    command = [sys.executable, str(Path(__file__)), "--model", model]
    command += ["--prompt-tokens", str(prompt_tokens)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as server:  # type: ignore[call-overload]
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


async def serve(port: int, replies: Replies) -> None:
    """Serve on a loopback port (0: a free one) until standard input is closed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(replies), "127.0.0.1", port)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    async with server:
        await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, default=0, help="a free one otherwise")
    parser.add_argument("--model", default="stub", help="what it says its model is")
    parser.add_argument("--prompt-tokens", type=int, default=100, help="of every prompt [100]")
    given = parser.parse_args()
    uvloop.run(serve(given.port, Replies(given.model, given.prompt_tokens)))
