"""SGLang servers of others: an address, or the router in front of many."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sgleval.errors import UserError
from sgleval.fingerprint import digest
from sgleval.runtime.client import Client, RequestError
from sgleval.runtime.jinja import from_folder
from sgleval.runtime.local import fetch_tokenizer
from sgleval.runtime.model import Model, Tell, speaking, wait_for
from sgleval.runtime.template import WAY_OUT, Template

FACTS = ("served_model_name", "version", "dtype", "quantization", "mm_process_config", "revision")


def from_url(url: str, template: Template | None) -> Model:
    """Return what a running server serves.

    Raises:
        UserError: nothing answers there, or the chat template cannot be known from here.
    """
    try:
        client = Client(url, seconds=30)
        info, server = client.get("/model_info"), client.get("/server_info")
    except (RequestError, ValueError) as error:  # the latter for what is no address
        raise UserError(
            f"--model {url}: no SGLang server answers there ({error}); give its address"
        ) from error
    if not isinstance(info, dict) or not isinstance(server, dict) or "model_path" not in info:
        raise UserError(f"--model {url}: what answers there is no SGLang server; give its address")
    template = template or _template_of(url, info, server.get("revision"))
    facts = {name: server.get(name) for name in FACTS}
    facts |= {name: info.get(name) for name in ("weight_version", "model_path")}
    version = str(facts["weight_version"])
    if not version.startswith("sgleval-"):  # a server of ours says with it all that counts
        version = digest(facts)

    def speak(connections: int, tell: Tell) -> contextlib.AbstractContextManager[Any]:
        del tell
        return speaking(url, template, connections, lambda: wait_for(url))

    return Model(
        name=Path(str(facts["served_model_name"] or facts["model_path"] or url)).name,
        identity=digest([version, template.digest]),
        template=template,
        facts={"source": url} | facts,
        open=speak,
        concurrency=32,
    )


def _template_of(url: str, info: Mapping[str, Any], revision: str | None) -> Template:
    """Return the template from the served model's folder, if it is here, or from the hub."""
    path = str(info.get("tokenizer_path") or info.get("model_path"))
    if Path(path).is_dir():
        return from_folder(Path(path))
    try:
        folder = fetch_tokenizer(path, revision)
    except Exception as error:  # the hub's are of many kinds
        raise UserError(
            f"--model {url}: the chat template of {path} is not known here; {WAY_OUT}"
        ) from error
    return from_folder(folder)
