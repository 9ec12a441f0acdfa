"""Read the roles off a model's jinja chat template, and prove that they say the same.

The template is rendered over a few conversations with marks in place of their texts; what stands
between the marks are the prefixes and suffixes. What they compose is compared with the template
again, so a template that roles cannot express is refused, never approximated.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from sgleval.errors import UserError
from sgleval.runtime.template import WAY_OUT, Message, Template

IMAGE = "\x00"  # stands for a picture in a message's text
SYSTEM, USER, AGAIN, ANSWER = "\x01S\x01", "\x01U\x01", "\x01V\x01", "\x01A\x01"


class Write(Protocol):
    """Renders messages; `opened` ends with the beginning of the assistant's turn."""

    def __call__(self, messages: Sequence[Message], *, opened: bool = False) -> str:
        """Return the conversation as text."""


class TemplateError(ValueError):
    """A template that the roles of SGLang's frontend cannot express; the text says why."""


def from_folder(folder: Path) -> Template:
    """Return the template of a model's or tokenizer's folder.

    Raises:
        UserError: the folder has none, or one that roles cannot express.
    """
    settings = _read_json(folder / "tokenizer_config.json")
    source = _source(folder, settings)
    if source is None:
        raise UserError(f"{folder}: no chat template in this folder; {WAY_OUT}")
    tokenizer = _read_json(folder / "tokenizer.json")
    special = {token["content"] for token in tokenizer.get("added_tokens", ()) if token["special"]}
    tokens = {name: _text(settings.get(name)) for name in ("bos_token", "eos_token", "unk_token")}
    if tokens["bos_token"] and _writes_itself(folder, tokens["bos_token"]):
        tokens["bos_token"] = ""  # the tokenizer puts it in front; the text must not hold it again
    template = _read(str(folder), source, tokens, frozenset(special))
    return replace(template, folder=folder)


def from_file(path: Path) -> Template:
    """Return the template of a jinja file.

    Raises:
        UserError: roles cannot express it.
    """
    return _read(str(path), path.read_text(encoding="utf-8"), {}, frozenset())


def _read(name: str, source: str, tokens: Mapping[str, str], special: frozenset[str]) -> Template:
    from jinja2 import TemplateError as JinjaError

    reasons = []
    for as_parts in (True, False):  # some templates take only lists of parts, some only strings
        try:
            return derive(name, renderer(source, tokens, as_parts=as_parts), special)
        except (TemplateError, JinjaError, TypeError) as error:
            reasons.append(str(error))
    raise UserError(
        f"{name}: cannot read the roles off the chat template ({reasons[0]}); {WAY_OUT}"
    )


def renderer(source: str, tokens: Mapping[str, str], *, as_parts: bool) -> Write:
    """Return a function that renders as transformers' `apply_chat_template` does.

    `strftime_now` stays undefined: a template with a date takes the fixed one it falls back to.
    """
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> None:
        raise TemplateError(message)

    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    env.filters["tojson"] = lambda value, **_: json.dumps(value, ensure_ascii=False)
    env.globals["raise_exception"] = refuse
    template = env.from_string(source)

    def content(text: str) -> Any:
        if not as_parts and IMAGE not in text:
            return text
        pictures = [{"type": "image"}] * text.count(IMAGE)
        return [*pictures, {"type": "text", "text": text.replace(IMAGE, "")}]

    def write(messages: Sequence[Message], *, opened: bool = False) -> str:
        chat = [{"role": role, "content": content(text)} for role, text in messages]
        return str(template.render(messages=chat, add_generation_prompt=opened, **tokens))

    return write


def derive(name: str, write: Write, special: frozenset[str] = frozenset()) -> Template:
    """Return the roles that say what `write` says.

    Raises:
        TemplateError: there are none.
    """
    first, suffix_user = _split(write([("user", USER)]), USER)
    opened = _split(write([("user", USER)], opened=True), USER)[1]
    user, answer = ("user", USER), ("assistant", ANSWER)
    suffix_answer = _split(write([user, answer]), ANSWER)[1]
    again = _between(write([user, answer, ("user", AGAIN)]), ANSWER, AGAIN)
    if again.startswith(suffix_answer) and first.endswith(again[len(suffix_answer) :]):
        prefix_user = again[len(suffix_answer) :]
    else:  # a later turn is written in another way; `several_turns` will say so
        prefix_user = first
    roles = {
        "user": (prefix_user, suffix_user),
        "assistant": (_without(opened, suffix_user), suffix_answer),
    }
    start, default_system = first.removesuffix(prefix_user), None
    if (system := _system(write, prefix_user)) is not None:
        before, after = system
        if start.startswith(before) and start != before and start.endswith(after):
            default_system = start[len(before) : len(start) - len(after)]
            start = ""
        roles["system"] = (_without(before, start), after)
    image = _split(write([("user", IMAGE + USER)], opened=True), USER)[0]
    image = _without(image, first)
    template = Template(name, roles, image, start, default_system, special=special)
    return _compared(template, write)


def _compared(template: Template, write: Write) -> Template:
    """Return the template without what it cannot say, or raise where it cannot say enough."""
    for pictures in range(3):
        written = write([("user", IMAGE * pictures + USER)], opened=True)
        if template.compose([("user", template.image * pictures + USER)]) != written:
            raise TemplateError(f"no roles write a question with {pictures} pictures as it does")
    system: Message = ("system", SYSTEM)
    talk: list[Message] = [("user", USER), ("assistant", ANSWER), ("user", AGAIN)]
    roles = dict(template.roles)
    if "system" in roles and not _same(template, write, [system, talk[0]]):
        del roles["system"]
    several = _same(template, write, talk)
    if "system" in roles:
        several = several and _same(template, write, [system, *talk])
    return replace(template, roles=roles, several_turns=several)


def _same(template: Template, write: Write, messages: Sequence[Message]) -> bool:
    from jinja2 import TemplateError as JinjaError

    try:
        return template.compose(messages) == write(messages, opened=True)
    except (TemplateError, JinjaError):
        return False


def _system(write: Write, prefix_user: str) -> tuple[str, str] | None:
    """Return the text before and after a system text, or None where there is no such turn."""
    from jinja2 import TemplateError as JinjaError

    try:
        text = write([("system", SYSTEM), ("user", USER)])
        before, after = _split(text, SYSTEM)[0], _between(text, SYSTEM, USER)
    except (TemplateError, JinjaError):
        return None
    return (before, after.removesuffix(prefix_user)) if after.endswith(prefix_user) else None


def _split(text: str, mark: str) -> tuple[str, str]:
    if text.count(mark) != 1:
        raise TemplateError("it drops or repeats a message's text")
    before, after = text.split(mark)
    return before, after


def _between(text: str, left: str, right: str) -> str:
    return _split(_split(text, left)[1], right)[0]


def _without(text: str, prefix: str) -> str:
    if not text.startswith(prefix):
        raise TemplateError("a turn begins differently when another one stands beside it")
    return text[len(prefix) :]


def _source(folder: Path, settings: Mapping[str, Any]) -> str | None:
    """Return the jinja text, from the files in the order in which transformers' processors look."""
    if (path := folder / "chat_template.jinja").is_file():
        return path.read_text(encoding="utf-8")
    source = _read_json(folder / "chat_template.json").get("chat_template")
    source = source or settings.get("chat_template")
    if isinstance(source, list):  # several by name
        source = {entry["name"]: entry["template"] for entry in source}.get("default")
    return source


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _text(token: Any) -> str:
    """Return a token's text; the files hold it bare or as an object with `content`."""
    return token["content"] if isinstance(token, dict) else token or ""


def _writes_itself(folder: Path, token: str) -> bool:
    """Say whether the tokenizer puts this token in front of every text."""
    from tokenizers import Tokenizer

    if not (path := folder / "tokenizer.json").is_file():
        return False
    return Tokenizer.from_file(str(path)).encode("a").tokens[:1] == [token]
