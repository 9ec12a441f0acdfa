"""A model: its identity now, its backend when it is needed."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

from sgleval.errors import RunError, UserError
from sgleval.runtime.client import Client, RequestError
from sgleval.runtime.server import healthy
from sgleval.runtime.sglang import SglangBackend
from sgleval.runtime.template import Template

Tell = Callable[[str], None]
AWAY_SECONDS = 120.0  # how long a server that is not ours may be away


@dataclass(frozen=True)
class Model:
    """A model that is known and, until `open` is called, not asked anything."""

    name: str
    identity: str
    """The same tomorrow: weights, flags that change answers, chat template; no port, no path."""
    template: Template
    facts: dict[str, Any]
    """What the manifest says of it."""
    open: Callable[[int, Tell], contextlib.AbstractContextManager[Any]]
    """(connections, tell) → a context with the backend; it starts a server where there is none."""
    concurrency: int
    """How many programs it is given at once unless the user says otherwise."""
    constrained: bool = True
    """Whether decoding obeys constraints; a user's own `predict` does not see them."""
    examine: Callable[..., None] = lambda *_: None
    """Called with what is special about the task; raises `UserError` for what it cannot do."""
    note: str | None = None
    """What a reader of the table must know."""


@contextlib.contextmanager
def kept_open(model: Model) -> Iterator[Model]:
    """Give the model with one backend for the whole block, opened when it is first needed."""
    with contextlib.ExitStack() as stack:
        opened: list[Any] = []

        def backend(connections: int, tell: Tell) -> contextlib.AbstractContextManager[Any]:
            if not opened:
                opened.append(stack.enter_context(model.open(connections, tell)))
            return contextlib.nullcontext(opened[0])

        yield replace(model, open=backend)


def freed(model: Model) -> Model:
    """Return the model with its decoding free of constraints (`--free`); its answers are others.

    Raises:
        UserError: nothing constrains its decoding, or not through SGLang's server.
    """
    if not model.constrained:
        raise UserError(f"--free: {model.name} obeys no constraint anyway; leave it out")

    @contextlib.contextmanager
    def unbound(connections: int, tell: Tell) -> Iterator[Any]:
        with model.open(connections, tell) as backend:
            if not isinstance(backend, SglangBackend):
                raise UserError(
                    f"--free: the constraints of {model.name} are its own; leave it out"
                )
            yield backend.freed()

    return replace(model, open=unbound, constrained=False)


@contextlib.contextmanager
def speaking(
    url: str, template: Template, connections: int, recover: Callable[[], None]
) -> Iterator[SglangBackend]:
    """Give a backend for a server that is up; afterwards no thread goes on trying to reach it."""
    client = Client(url, connections, recover=recover)
    try:
        yield SglangBackend(client, template)
    finally:
        client.closed.set()


def wait_for(url: str) -> None:
    """Wait until a server that is not ours is back.

    Raises:
        RunError: it stayed away.
    """
    end = time.monotonic() + AWAY_SECONDS
    while not healthy(url):
        if time.monotonic() > end:
            raise RunError(f"{url} is gone for {AWAY_SECONDS:.0f} s; what was answered is kept")
        time.sleep(1)


@dataclass(frozen=True, slots=True)
class ServerSays:
    """What a server says of itself, as far as it does."""

    pool_tokens: float = math.inf
    """How many tokens its KV cache holds."""
    streams_whole_texts: bool = False
    """Whether each event of a streamed answer holds all of it so far."""

    @classmethod
    def of(cls, backend: Any) -> Self:
        """Ask it; a router and a user's own model say nothing."""
        if not isinstance(backend, SglangBackend):
            return cls()
        try:
            said = backend.client.get("/server_info")
        except RequestError:
            return cls()
        return cls(
            said.get("max_total_num_tokens") or math.inf,
            said.get("incremental_streaming_output") is False,
        )
