"""Models that we serve ourselves: a folder, or a hub's id."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sgleval.digests import folder_digest
from sgleval.errors import UserError
from sgleval.fingerprint import digest
from sgleval.runtime.jinja import from_folder
from sgleval.runtime.model import Model, Tell, speaking, wait_for
from sgleval.runtime.served import find_served
from sgleval.runtime.server import Server
from sgleval.runtime.template import Template

HARMLESS = re.compile(
    r"--(host|port|log-|enable-metrics|enable-cache-report|crash-dump|show-time|decode-log|mem-"
    r"|max-total|max-running|max-queued|schedule-|watchdog|sleep-on-idle|skip-server-warmup|warmups"
    r"|api-key|served-model-name|weight-version|mm-preprocess-cache|tokenizer-worker|mm-io"
    r"|mm-processor-worker|disable-radix-cache|enable-request-time|collect-|bucket-)"
)
"""Server flags that cannot change an answer: addresses, logging, memory, scheduling."""
TOKENIZER_FILES = ["*.json", "*.jinja", "*.txt", "*.model"]


def from_folder_of_weights(
    name: str,
    folder: Path,
    flags: Sequence[str],
    template: Template | None,
    port: int | None = None,
) -> Model:
    """Return the model in a folder, served here when it is needed."""
    return _own_server(
        name, str(folder), folder_digest(folder), flags, template or from_folder(folder), port
    )


def from_hub(
    name: str, flags: Sequence[str], template: Template | None, port: int | None = None
) -> Model:
    """Return a hub's model at one commit; only its tokenizer's files are fetched here.

    Raises:
        UserError: there is no such model, or no way to the hub.
    """
    given = next((m[1] for m in re.finditer(r"--revision[= ](\S+)", " ".join(flags))), None)
    try:
        folder = fetch_tokenizer(name, given)
    except Exception as error:  # the hub's are of many kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"--model {name}: neither a folder nor reachable on the hub ({reason})"
        ) from error
    pinned = [*flags, *(() if given else ("--revision", folder.name))]
    return _own_server(
        name, name, f"{name}@{folder.name}", pinned, template or from_folder(folder), port
    )


def fetch_tokenizer(name: str, revision: str | None) -> Path:
    """Return the folder of a hub's snapshot with its tokenizer's files; raises the hub's errors."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=TOKENIZER_FILES))
    except Exception as error:  # without a network a commit is looked up only if told so
        with contextlib.suppress(Exception):
            return Path(snapshot_download(name, revision=revision, local_files_only=True))
        raise error from None


def _own_server(
    name: str, path: str, weights: str, flags: Sequence[str], template: Template, port: int | None
) -> Model:
    version = "sgleval-" + digest([weights, answer_flags(flags)])

    @contextlib.contextmanager
    def serve(connections: int, tell: Tell) -> Iterator[Any]:
        served = None if port else find_served(version, flags)
        if served is not None:
            tell(f"using the server at {served.url}")
            with speaking(served.url, template, connections, lambda: wait_for(served.url)) as ours:
                yield ours
            return
        server = Server(name, path, flags, version, port, tell)
        with server.running() as url, speaking(url, template, connections, server.restart) as ours:
            yield ours

    return Model(
        name=name,
        identity=digest([version, template.digest]),
        template=template,
        facts={
            "source": "own server",
            "weights": weights,
            "weight_version": version,
            "flags": list(flags),
        },
        open=serve,
        concurrency=32,
    )


def answer_flags(flags: Sequence[str]) -> list[str]:
    """Return the flags, with their values, that can change an answer, in an order of their own.

    >>> answer_flags(["--port", "1", "--quantization=fp8", "--log-level=info"])
    ['--quantization fp8']
    """
    words = " ".join(flags)
    return sorted(
        "--" + re.sub(r"^([\w-]+)=", r"\1 ", flag.strip())
        for flag in re.split(r"(?:^|\s)--(?=[a-z])", words)
        if flag.strip() and not HARMLESS.match("--" + flag)
    )
