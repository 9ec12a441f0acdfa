"""From the string after `--model` to a model."""

import re
from collections.abc import Sequence
from pathlib import Path

from sgleval.errors import UserError
from sgleval.runtime.custom import from_factory
from sgleval.runtime.local import from_folder_of_weights, from_hub
from sgleval.runtime.model import Model
from sgleval.runtime.remote import from_url
from sgleval.runtime.template import find_template


def find_model(
    spec: str, flags: Sequence[str] = (), chat_template: str | None = None, port: int | None = None
) -> Model:
    """Return the model that a string means; `flags` and `port` are for a server that we start.

    Raises:
        UserError: it means none, or its chat template cannot be known.
    """
    template = find_template(chat_template) if chat_template else None
    folder = Path(spec)
    url = spec.startswith(("http://", "https://"))
    if (url or ":" in spec) and flags:
        raise UserError(f"--model {spec}: sgleval starts no server for it; leave out {flags[0]}")
    if url:
        return from_url(spec.rstrip("/"), template)
    if ":" in spec:
        return from_factory(spec, template)
    if spec == "demo":
        from sgleval.demo import MODEL

        return from_folder_of_weights("demo", MODEL, flags, template, port)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise UserError(f"--model {spec}: no config.json in this folder; give a model's folder")
        return from_folder_of_weights(
            folder.resolve().name, folder.resolve(), flags, template, port
        )
    if re.fullmatch(r"[\w.-]+/[\w.-]+", spec) and not folder.parent.is_dir():
        return from_hub(spec, flags, template, port)
    raise UserError(
        f"--model {spec}: no such folder; give demo, a model's folder or hub id, http://HOST:PORT,"
        " or FILE.py:FACTORY"
    )
