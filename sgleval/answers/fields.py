"""`Json`: one request that answers with several fields."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sgleval.answers.answer import ENDING, UNPARSED, JsonSchema, Parsed, as_compared, generate
from sgleval.answers.prose import without_reasoning
from sgleval.errors import UserError

LONGEST_RUN = 128
_CHARACTER = r'[^"\\\x00-\x1f]'
_FENCE = re.compile(r"```(?:json)?(.*)```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON object under a JSON schema; `Json.strings` makes the schema of a flat form.

    Bound every part of a schema of your own: an unbounded number or string goes on until
    `max_tokens`, and a cut object is unparsed. Amounts belong in strings with a `pattern`.
    """

    schema: Mapping[str, Any] | str
    """Given as a dict, kept as JSON text with the fields in their order."""
    max_tokens: int = 512

    def __post_init__(self) -> None:
        if isinstance(self.schema, Mapping):
            object.__setattr__(self, "schema", json.dumps(self.schema, ensure_ascii=False))
        schema = _loads(str(self.schema))
        if not isinstance(schema, dict) or schema.get("type") != "object":
            raise UserError(
                f"Json: {self.schema!s:.80} is no schema of an object; give type: object"
            )
        if self.max_tokens < 1:
            raise UserError(f"Json: max_tokens is {self.max_tokens}; give 1 or more")

    @classmethod
    def strings(cls, /, **max_chars: int) -> Json:
        """Return the type of a flat object of strings, each with the most characters it may have.

        `Json.strings(company=96, total=24)` asks for both fields in this order; a field that is not
        there is "". A text cannot hold `"`, a backslash or a control character: xgrammar writes no
        escapes into a bounded string, and under `maxLength` it lets raw tabs through, which are no
        JSON, so the bound is a `pattern`.
        """
        if not max_chars or min(max_chars.values()) < 1:
            raise UserError(f"Json.strings: got {max_chars}; give fields, each with 1 or more")
        patterns = {name: f"^{_up_to(most)}$" for name, most in max_chars.items()}
        schema = {
            "type": "object",
            "properties": {
                name: {"type": "string", "pattern": pattern} for name, pattern in patterns.items()
            },
            "required": list(max_chars),
            "additionalProperties": False,
        }
        tokens = sum(2 * (len(name) + most) + len('"": "", ') for name, most in max_chars.items())
        return cls(schema, max_tokens=tokens + len("{}") + ENDING)

    @property
    def constraint(self) -> JsonSchema:
        """The schema; after the closing brace the model can only end."""
        return JsonSchema(str(self.schema))

    def gen(
        self,
        name: str,
        choices: Sequence[str] | None = None,  # noqa: ARG002
        **sampling: Any,
    ) -> Any:
        """Return the `sgl.gen` that writes the object into variable `name`, temperature 0."""
        return generate(name, self.constraint, self.max_tokens, None, **sampling)

    def parse(self, text: str, choices: Sequence[str] = ()) -> Parsed:  # noqa: ARG002
        """Return the object's JSON text as it was written, or unparsed.

        Rules: `whole`, `fence` (one Markdown fence round all of it). Strict JSON (RFC 8259) whose
        top is an object; text before or after it, or a cut object, is unparsed.
        """
        written, rule = without_reasoning(text), "whole"
        if fenced := _FENCE.fullmatch(written):
            written, rule = fenced[1].strip(), "fence"
        return Parsed(written, rule) if isinstance(_loads(written), dict) else UNPARSED

    def admits(self, answer: str, choices: Sequence[str] = ()) -> bool:  # noqa: ARG002
        """Say whether the schema has room for the gold object `answer` (JSON text).

        A list of plain values in it holds the accepted values of one field, one of which must fit;
        numbers count as they are written; a field the gold does not have must be able to be empty.
        Keywords other than the usual bounds are taken as met.
        """
        gold = _loads(answer)
        return isinstance(gold, dict) and _fits(gold, json.loads(str(self.schema)))

    def options(self, choices: Sequence[str] = ()) -> tuple[str, ...]:  # noqa: ARG002
        """Return nothing: the set is open."""
        return ()


def _up_to(most: int) -> str:
    """Return the regex of at most `most` characters, in runs that xgrammar's cache can compile.

    xgrammar 0.2.7 fails a JSON pattern that repeats more than 128 times. Runs that both may be
    short would say the same, but in many ways at once: ten times the work for each token.
    """
    if most <= LONGEST_RUN:
        return f"{_CHARACTER}{{0,{most}}}"
    full, less = f"{_CHARACTER}{{{LONGEST_RUN}}}", f"{_CHARACTER}{{0,{LONGEST_RUN - 1}}}"
    return f"({less}|{full}{_up_to(most - LONGEST_RUN)})"


def _loads(text: str) -> Any:
    """Return what strict JSON says, numbers as they are written; Ellipsis if it is none."""
    try:
        return json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return ...


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _fits(gold: Any, schema: Any) -> bool:
    """Say whether a value that equals the gold can be written under `schema`."""
    if not isinstance(schema, dict):
        return schema is not False
    if "anyOf" in schema or "oneOf" in schema:
        return any(_fits(gold, other) for other in schema.get("anyOf") or schema["oneOf"])
    kinds = schema.get("type", ["object", "array", "string", "number", "boolean", "null"])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if isinstance(gold, dict):
        return "object" in kinds and _object_fits(gold, schema)
    if isinstance(gold, list):
        return _list_fits(gold, schema, kinds)
    return any(_scalar_fits(gold, kind, schema) for kind in kinds)


def _object_fits(gold: dict[str, Any], schema: dict[str, Any]) -> bool:
    fields = schema.get("properties", {})
    extra = schema.get("additionalProperties", True)
    absent = [name for name in schema.get("required", ()) if name not in gold]
    return all(_fits(None, fields.get(name, True)) for name in absent) and all(
        _fits(value, fields.get(name, extra)) or _is_absent(value) for name, value in gold.items()
    )


def _list_fits(gold: list[Any], schema: dict[str, Any], kinds: list[str]) -> bool:
    """A list without a list or an object in it holds alternatives, any other is a list."""
    if not any(isinstance(value, (list, dict)) for value in gold):
        return not gold or any(_fits(value, schema) for value in gold)
    size_fits = schema.get("minItems", 0) <= len(gold) <= schema.get("maxItems", len(gold))
    items = schema.get("items", True)
    return "array" in kinds and size_fits and all(_fits(value, items) for value in gold)


def _scalar_fits(gold: Any, kind: str, schema: dict[str, Any]) -> bool:
    """Compare as the metric does, as text; an absent value may be null or an empty text."""
    text = _as_text(gold)
    named = schema.get("enum", [schema["const"]] if "const" in schema else [gold])
    if text not in map(_as_text, named):
        return False
    match kind:
        case "null":
            return text == ""
        case "boolean":
            return text in ("true", "false")
        case "number" | "integer":
            return bool(re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?", text))
        case "string":
            bounded = schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text))
            return bounded and re.search(schema.get("pattern", ""), text) is not None
    return False


def _as_text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    return as_compared(str(value))


def _is_absent(value: Any) -> bool:
    return value in (None, "", [], {}) or (isinstance(value, str) and not value.strip())
