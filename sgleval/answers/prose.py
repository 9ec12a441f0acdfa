# ruff: noqa: RUF001  (the marks and letters of other scripts are meant)
"""Reading an answer out of prose: what the parsers of all answer types share.

A constrained answer is the whole text, and nothing here fires. An unconstrained model thinks aloud,
marks up, introduces ("The answer is ...") and hedges; where that leaves two readings there is none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sgleval.normalize import normalize_text

if TYPE_CHECKING:
    from collections.abc import Mapping

_WRAPPER = re.compile(r"\\(?:boxed|text)\s*\{([^{}]*)\}")
_CUE = re.compile(r"(?i:\banswer|\bответ|答案)\s*(?:(?i:is\b|[:=：是])\s*)+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s|[。\n]")
_NEGATION = re.compile(r"\b(?:not|no|never|none|neither|nor|cannot|не|нет|ни)\b|n['’]t\b|不|没")
_UNCLEAR = re.compile(
    r"%|\b(?:or|percent|dozens?|hundreds?|thousands?|millions?|billions?|trillions?|или)\b|"
    r"\b(?:тыс|млн|млрд)",
    re.IGNORECASE,
)


def without_reasoning(text: str) -> str:
    """Return `text` without closed reasoning blocks and without white space at its ends.

    Chat templates of reasoning models often open the block themselves, so a close without an open
    ends a block that began with the text.

    >>> without_reasoning("<think>12? No, 13.</think> 13")
    '13'
    """
    while "</think>" in text:
        thought, _, rest = text.partition("</think>")
        before, opened, _ = thought.partition("<think>")
        text = before + rest if opened else rest
    return text.strip()


def said(text: str) -> str:
    r"""Return what is left of prose without reasoning and markup (`*`, backticks, `\boxed{}`).

    A reasoning block that was never closed leaves nothing of what follows it: it was cut off before
    the answer.
    """
    text = without_reasoning(text).partition("<think>")[0]
    text = text.replace("*", "").replace("`", "")
    return _WRAPPER.sub(r"\1", text).strip()


def after_cue(text: str) -> str | None:
    """Return the rest of the sentence after the last "answer is" or "answer:"; None without one.

    >>> after_cue("The answer is 12.50. I am sure.")
    '12.50.'
    """
    cues = list(_CUE.finditer(text))
    return sentences(text[cues[-1].end() :])[0] if cues else None


def sentences(text: str) -> list[str]:
    """Return the sentences of `text`, at least one, which may be empty."""
    return _SENTENCE_END.split(text.strip())


def is_negated(text: str) -> bool:
    """Say whether a word such as "not" may turn what `text` says into its opposite."""
    return _NEGATION.search(text.casefold()) is not None


def is_clear(text: str) -> bool:
    """Say whether a number in `text` means what it says: no "not", "or", "million", "%"."""
    return not is_negated(text) and _UNCLEAR.search(text) is None


def whole_option(text: str, texts: Mapping[str, str]) -> str | None:
    """Return the key of the one option whose text is all of `text`; None if none or several."""
    keys = [
        key for key, option in texts.items() if normalize_text(option) == normalize_text(text) != ""
    ]
    return keys[0] if len(keys) == 1 else None


def option_inside(text: str, texts: Mapping[str, str]) -> str | None:
    """Return the key of the one option that occurs in `text` as whole words, nothing negated.

    Of options that contain each other the longest counts.
    """
    text = normalize_text(text)
    found: list[str] = []
    for key, option in sorted(texts.items(), key=lambda item: -len(normalize_text(item[1]))):
        word = normalize_text(option)
        twin = any(normalize_text(texts[other]) == word for other in found)
        text, times = re.subn(rf"(?<!\w){re.escape(word)}(?!\w)", "\0", text) if word else (text, 0)
        if times or (twin and word):
            found.append(key)
    return found[0] if len(found) == 1 and not is_negated(text) else None
