"""A server that speaks SGLang's HTTP, answers by a function, and fails by a script.

Tests run the true runtime against it and patch nothing. Run as a program it is what a test of
`Server` starts: `python fake_server.py PORT [SECONDS UNTIL READY]`.
"""

import contextlib
import json
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from sgleval.runtime import frontend  # before sglang, which then comes without torch
from sgleval.runtime.client import Client
from sgleval.runtime.sglang import SglangBackend
from sgleval.runtime.template import Template

assert frontend
import sglang as sgl  # noqa: E402

__all__ = [
    "IMAGE_TOKENS",
    "RESET",
    "TEMPLATE",
    "FakeServer",
    "Fault",
    "Request",
    "aborted",
    "backend_for",
    "sgl",
    "tokens",
]

IMAGE_TOKENS = 4
TEMPLATE = Template(
    name="test",
    roles={"system": ("<s>", "</s>\n"), "user": ("<u>", "</u>\n"), "assistant": ("<a>", "</a>\n")},
    image="<img>",
)


@dataclass(frozen=True)
class Fault:
    """How one reply goes wrong."""

    status: int = 200
    body: object = None
    """Sent in place of the reply: a str as plain text, anything else as JSON."""
    headers: dict[str, str] = field(default_factory=dict)
    reset: bool = False
    seconds: float = 0.0
    """How long the reply takes."""
    between: float = 0.0
    """How long a streamed one pauses behind its first event."""
    meta: dict[str, object] = field(default_factory=dict)
    """What stands in `meta_info` otherwise; None takes the key out."""


RESET = Fault(reset=True)


def aborted(message=None):
    """Return the fault of a reply 200 that was given up."""
    return Fault(meta={"finish_reason": {"type": "abort", "message": message}})


@dataclass(frozen=True)
class Request:
    """One request as it came in."""

    path: str
    body: dict
    connection: int
    """The number of the connection that brought it, from 1."""
    headers: dict[str, str]


class FakeServer:
    """`with FakeServer(answer, faults) as server` listens at `server.url` until the block ends.

    `answer` takes the body of a request and returns the text, or a Fault; the faults come first,
    one a request, and None among them is a request that goes well.
    """

    def __init__(  # noqa: PLR0913  (what a test says of it, by keyword)
        self,
        answer: Callable = lambda _: "fine",
        faults: Iterable[Fault | None] = (),
        *,
        info: dict | None = None,
        server_info: dict | None = None,
        port: int = 0,
        unready: int = 0,
        keep: bool = True,
    ):
        self.answer, self.faults, self.unready, self.keep = answer, list(faults), unready, keep
        self.info = {"model_path": "org/model", "weight_version": "default"} | (info or {})
        self.server_info = {"version": "0.5.23"} | (server_info or {})
        self.requests: list[Request] = []
        self.connections = self.most_in_flight = self.in_flight = 0
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self._seen: set[str] = set()
        self._open: set[socket.socket] = set()
        handler = type("Bound", (_Handler,), {"fake": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self.port = self._http.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        """End as a process does: what is open is cut."""
        self.ended.set()
        self._http.shutdown()
        self._http.server_close()
        with self.lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    @property
    def bodies(self):
        """The bodies that /generate got, in order."""
        return [request.body for request in self.requests if request.path == "/generate"]

    def reply(self, body):
        """Return (status, headers, content) for a body of /generate."""
        with self.lock:
            fault = self.faults.pop(0) if self.faults else None
        texts = body["text"] if isinstance(body["text"], list) else [body["text"]]
        said = [fault or self.answer(body | {"text": text}) for text in texts]
        fault = next((one for one in said if isinstance(one, Fault)), Fault())
        if fault.seconds:
            self.ended.wait(fault.seconds)
        if fault.reset or fault.body is not None or fault.status != 200:
            return fault, fault.body
        words = ["fine" if isinstance(one, Fault) else one for one in said]
        replies = [
            self._reply(body, text, word, fault.meta)
            for text, word in zip(texts, words, strict=True)
        ]
        return fault, replies if isinstance(body["text"], list) else replies[0]

    def _reply(self, body, text, said, odd):
        images = body.get("image_data") or []
        if isinstance(body["text"], list):  # as many lists of images as prompts
            images = images[0] if images else []
        prompt = ["<pad>"] * (IMAGE_TOKENS * len(images)) + tokens(text)
        sampling = body["sampling_params"]
        written = [] if sampling.get("max_new_tokens") == 0 else tokens(said)
        key = json.dumps([text, images])
        with self.lock:
            seen = key in self._seen
            self._seen.add(key)
        meta = {
            "finish_reason": {"type": "stop", "matched": 0},
            "prompt_tokens": len(prompt),
            "completion_tokens": len(written),
            "cached_tokens": len(prompt) - 1 if seen else 0,
            "image_tokens": IMAGE_TOKENS * len(images) or None,
        }
        if body.get("return_logprob"):
            liked = -0.1 if text.endswith(said) else -5.0
            start = body.get("logprob_start_len") or 0
            meta["input_token_logprobs"] = [
                [liked if n else None, n, token] for n, token in enumerate(prompt[start:])
            ]
            meta["output_token_logprobs"] = [[-0.1, n, token] for n, token in enumerate(written)]
            meta["output_top_logprobs"] = [
                [[-0.1, n, token]][: body.get("top_logprobs_num") or 0]
                for n, token in enumerate(written)
            ]
        meta = {name: value for name, value in (meta | odd).items() if name not in odd or value}
        return {"text": "".join(written), "meta_info": meta}


def tokens(text):
    """Split a text as the fake tokenizer does."""
    return re.findall(r"\w+|\W", text)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    fake: FakeServer

    def setup(self):
        super().setup()
        with self.fake.lock:
            self.fake.connections += 1
            self.number = self.fake.connections
            self.fake._open.add(self.connection)

    def finish(self):
        with self.fake.lock:
            self.fake._open.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def handle(self):
        with contextlib.suppress(ConnectionError):  # the client went away
            super().handle()

    def do_GET(self):
        fake = self.fake
        self._note(fake, {})
        if self.path == "/health":
            with fake.lock:
                fake.unready -= 1
            self._send(Fault(200 if fake.unready < 0 else 503), "")
        elif found := {"/model_info": fake.info, "/server_info": fake.server_info}.get(self.path):
            self._send(Fault(), found)
        else:
            self._send(Fault(404), {"detail": "Not Found"})

    def do_POST(self):
        fake = self.fake
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._note(fake, body)
        with fake.lock:
            fake.in_flight += 1
            fake.most_in_flight = max(fake.most_in_flight, fake.in_flight)
        try:
            fault, content = fake.reply(body)
        finally:
            with fake.lock:
                fake.in_flight -= 1
        if body.get("stream") and fault.status == 200 and isinstance(content, dict):
            self._stream(fault, content)
        else:
            self._send(fault, content)

    def _note(self, fake, body):
        with fake.lock:
            if fake.keep:
                headers = dict(self.headers)
                fake.requests.append(Request(self.path, body, self.number, headers))

    def _send(self, fault, content):
        if fault.reset:
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        text = content if isinstance(content, str) else json.dumps(content)
        self.send_response(fault.status)
        for name, value in fault.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def _stream(self, fault, content):
        """Send what SGLang sends with a long `stream_interval`: the first token, then all."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        first = {"text": tokens(content["text"] + " ")[0], "meta_info": {"finish_reason": None}}
        for event in (json.dumps(first), json.dumps(content), "[DONE]"):
            chunk = f"data: {event}\n\n".encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            self.wfile.flush()
            self.fake.ended.wait(fault.between if event == json.dumps(first) else 0.0)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


def backend_for(server, workers=8, template=TEMPLATE, **client):
    """Return our backend for a fake server."""
    return SglangBackend(Client(server.url, workers, **client), template)


if __name__ == "__main__":
    port, seconds = int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
    time.sleep(seconds)
    with FakeServer(port=port):
        threading.Event().wait()
