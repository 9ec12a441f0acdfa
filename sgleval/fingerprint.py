"""What makes two answers the same: digests of arguments and samples, and an answer's key."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import orjson

from sgleval.errors import UserError
from sgleval.sample import Image, Sample

PLAIN = (str, int, float, bool, type(None))

_WRITER = json.JSONEncoder(sort_keys=True, ensure_ascii=False)


def digest(value: Any) -> str:
    """Return the SHA-256 in hex of a value that JSON can write."""
    text = _WRITER.encode(value)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def argument(value: Any) -> Any:
    """Return what stands for a value in a digest.

    Raises:
        TypeError: no text says tomorrow what this value is today.
    """
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, bytes):
        return {"bytes": hashlib.sha256(value).hexdigest()}
    if isinstance(value, Image):
        return {"image": value.digest}
    if isinstance(value, Mapping):
        return {"dict": [[argument(key), argument(item)] for key, item in value.items()]}
    if isinstance(value, (tuple, list)):
        return [argument(item) for item in value]
    if hasattr(value, "constraint") and not isinstance(
        value, type
    ):  # an answer type: class, fields and constraint
        # Its repr names class and fields.
        return {"answer": repr(value), "constraint": repr(value.constraint)}
    raise TypeError(type(value).__name__)


def arguments_of(label: str, arguments: Mapping[str, Any]) -> Any:
    """Return what stands for a variant's arguments, or raise `UserError` naming the odd one."""
    encoded = {}
    for name, value in arguments.items():
        try:
            encoded[name] = argument(value)
        except TypeError as error:
            raise UserError(
                f"variant {label!r}: argument {name!r} holds a {error}; give text, numbers, bool,"
                " None, bytes, answer types, or tuples and dicts of these"
            ) from error
    return encoded


def answer_key(
    identity: str, sample: Sample, tags: tuple[str, ...], arguments: str, perturbation: str = "none"
) -> str:
    """Return the journal's key of one answer, 32 hex digits.

    `arguments` is the digest of `arguments_of`; `tags` are those that the program takes. One that
    this sample lacks has no part, so that a new row with a new tag leaves the others' answers
    valid.
    """
    images = [image.digest for image in sample.images]
    taken = {tag: sample.tags[tag] for tag in tags if tag in sample.tags}
    content = [images, sample.question, sample.choices, taken]
    whole = [identity, sample.id, content, arguments, perturbation]
    # A million keys are made before a resume; orjson takes a third of the time.
    return hashlib.sha256(orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def half_of(key: str) -> int:
    """Return half of an answer's key, which tells apart as many as anybody asks for.

    Of a million answers two share it once in some 40 million runs.
    """
    return int(key[16:], 16)
