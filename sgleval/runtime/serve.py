"""`sgleval serve`: one server, kept up until it is told to end."""

import os
import time
from collections.abc import Callable, Sequence

from sgleval.errors import UserError
from sgleval.runtime.connect import find_model
from sgleval.runtime.served import Served, find_served, recorded
from sgleval.runtime.server import healthy, refuse_busy_port

LOOK_SECONDS = 5.0


def keep_up(
    spec: str,
    flags: Sequence[str],
    chat_template: str | None,
    port: int | None,
    tell: Callable[[str], None],
) -> None:
    """Serve a model until Ctrl-C; a server that dies is started again, at most three times.

    Raises:
        UserError: the model is not ours to serve, or somebody listens on the port.
        RunError: the server does not come up, or died too often.
    """
    if port is not None:
        refuse_busy_port(port)
    model = find_model(spec, flags, chat_template, port)
    version, kept = model.facts.get("weight_version"), model.facts.get("flags", ())
    if model.facts["source"] != "own server" or version is None:
        raise UserError(f"--model {spec}: nothing to serve; give demo, a folder or a hub id")
    if port is None and (found := find_served(version, kept)):
        tell(f"{model.name} is up at {found.url} already")
        return
    with model.open(1, tell) as backend:
        url = backend.client.url
        with recorded(Served(url, os.getpid(), version, list(kept))):
            tell(f"serving {model.name} at {url}; Ctrl-C ends it")
            while True:
                time.sleep(LOOK_SECONDS)
                if not healthy(url):
                    backend.client.recover()
