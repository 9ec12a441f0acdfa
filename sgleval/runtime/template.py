"""Chat roles of a model, in the form that SGLang's frontend renders.

SGLang's frontend picks a template by a regular expression over the model's path and falls back to
`default` without a word. Here the roles come from the model's own jinja template (see `jinja.py`),
or from the one that the user names.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sgleval.errors import UserError, nearest

WAY_OUT = "give --chat-template NAME|FILE|FOLDER"
Message = tuple[str, str]


@dataclass(frozen=True)
class Template:
    """How a model's chat is written: the text round each role, and the picture's placeholder."""

    name: str
    roles: Mapping[str, tuple[str, str]]
    """Prefix and suffix of `user`, `assistant` and, where the model has it, `system`."""
    image: str
    start: str = ""
    """What opens the very first turn, such as a begin-of-text token."""
    default_system: str | None = None
    """The system text that the template writes where a conversation has none."""
    several_turns: bool = True
    """Whether the roles also say what the template says after an answer (few-shot examples)."""
    special: frozenset[str] = frozenset()
    """Texts that the tokenizer turns into control tokens."""
    stop: tuple[str, ...] = ()
    folder: Path | None = None
    """Where the tokenizer is that it came with."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what the template writes, in hex; its name has no part in it."""
        parts = [dict(self.roles), self.image, self.start, self.default_system, self.stop]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def around(self, role: str, earlier: Sequence[str]) -> tuple[str, str]:
        """Return the text before and after a turn of `role` that follows turns of `earlier` roles.

        Raises:
            UserError: the model's template has no such turn.
        """
        if role not in self.roles:
            raise UserError(
                f"{self.name}: the chat template has no {role} turn; put its text into the user's"
            )
        if "assistant" in earlier and not self.several_turns:
            raise UserError(
                f"{self.name}: the chat template writes a turn after an answer in a way that"
                f" SGLang's frontend cannot; put examples into the user's turn, or {WAY_OUT}"
            )
        prefix, suffix = self.roles[role]
        return ("" if earlier else self.start) + prefix, suffix

    def compose(self, messages: Sequence[Message]) -> str:
        """Write a conversation as SGLang's frontend does, with the assistant's turn opened."""
        if self.default_system is not None and messages[0][0] != "system":
            messages = [("system", self.default_system), *messages]
        roles = [role for role, _ in messages]
        text = ""
        for turn, (role, said) in enumerate(messages):
            prefix, suffix = self.around(role, roles[:turn])
            text += prefix + said + suffix
        return text + self.around("assistant", [role for role in roles if role != "assistant"])[0]

    def clean(self, text: str) -> str:
        """Break every control token in a text from the data, so that the model reads it as text.

        A blank goes behind its first character: `<|image_pad|>` becomes `< |image_pad|>`.
        """
        for token in sorted(self.special | {self.image, "<image", "<|"}, key=len, reverse=True):
            text = text.replace(token, f"{token[0]} {token[1:]}")
        return text

    def for_frontend(self) -> Any:
        """Return SGLang's own kind of template with these roles."""
        from sgleval.runtime.frontend import ChatTemplate

        template = self

        class Roles(ChatTemplate):  # type: ignore[misc]  # sglang has no types
            def get_prefix_and_suffix(
                self, role: str, hist_messages: list[dict[str, Any]]
            ) -> tuple[str, str]:
                return template.around(role, [message["role"] for message in hist_messages])

        return Roles(
            name=self.name,
            default_system_prompt=self.default_system,
            role_prefix_and_suffix=dict(self.roles),
            stop_str=(),  # the backend adds ours; SGLang would append to the program's own list
            image_token=self.image,
        )


def from_sglang(name: str) -> Template:
    """Return one of SGLang's registered templates by its name.

    Raises:
        UserError: there is no such name, or it is the silent `default`.
    """
    from sgleval.runtime.frontend import ChatTemplateStyle, chat_template_registry

    known = {
        name
        for name, template in chat_template_registry.items()
        if name != "default" and template.style == ChatTemplateStyle.PLAIN
    }
    if name not in known:
        raise UserError(f"--chat-template {name}: no such template; {nearest(name, known)}")
    found = chat_template_registry[name]
    return Template(
        name=name,
        roles=dict(found.role_prefix_and_suffix),
        image=found.image_token,
        default_system=found.default_system_prompt,
        stop=tuple(found.stop_str),
    )


def find_template(given: str) -> Template:
    """Return what `--chat-template` names: a tokenizer's folder, a jinja file or SGLang's name."""
    from sgleval.runtime.jinja import from_file, from_folder

    path = Path(given)
    if path.is_dir():
        return from_folder(path)
    return from_file(path) if path.is_file() else from_sglang(given)
