# ruff: noqa: RUF001  (the marks and letters of other scripts are meant)
"""Which option's letter did the model mean? The first rule that fires decides, or none does.

Published parsers read "A dog" as option A and "Vitamin C is good" as option C; these do not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sgleval.answers.answer import UNPARSED, Parsed
from sgleval.answers.prose import is_negated, option_inside, said, sentences, whole_option

if TYPE_CHECKING:
    from collections.abc import Mapping

_OPEN, _CLOSE = r"[(\[\"'“‘«]*", r"[)\]\"'”’»]*"
_LABEL = re.compile(rf"(?i:option|choice)?\s*{_OPEN}([A-Za-z]){_CLOSE}[.:,;!。]?{_CLOSE}")
_CUE = re.compile(
    r"(?i:\banswer|\bответ|答案)\s*(?:(?i:is\b|[:=：是])\s*)+(?i:option\s+|choice\s+)?"
    rf"{_OPEN}(?:([A-Z])(?![\w'’])|([a-z])(?=\W*\Z))"
    # an article or pronoun before a word, and a choice between two letters, are no label
    rf"(?!(?<=[AI])\s+[a-zа-яё])(?!{_CLOSE}\s*(?:,?\s*(?i:or|and|или|и)\b|[/&])\s*{_OPEN}[A-Z]\b)"
)
_OPENING = re.compile(r"(?:\A|\n|(?<=[.!?])\s)[ \t]*(?:\(([A-Z])\)|([A-Z])(?:[.):](?=\s|\Z)|\Z))")
_BRACKET = re.compile(r"\(([A-Z])\)")
_FINAL = re.compile(
    rf"(?:\A|.*(?<!not\s)(?<!n't\s)\b(?i:so|is|choose|pick|select),?\s+)(?i:option\s+)?{_OPEN}([A-Z]){_CLOSE}[.!]*"
)


def parse_label(text: str, choices: Mapping[str, str]) -> Parsed:
    """Return the label (a capital letter) that `text` names, out of `choices` (letter to text).

    Rules, in order: `label` (the whole text is one), `option` (the whole text is one option's),
    `cue` ("answer: B"; the last one), `prefix` ("B. dog"), `bracket` ("it is (B)"), `final` (the
    last sentence ends in it), `inside` (one option's text occurs, nothing negated). Unparsed where
    none fires or two labels open sentences.
    """
    text = said(text)
    cues, opened = _labels(_CUE, text, choices), _labels(_OPENING, text, choices)
    opening = _OPENING.match(text)
    first = _labels(_OPENING, opening[0], choices) if opening else []
    rules = {
        "label": _whole_label(text, choices),
        "option": whole_option(text, choices),
        "cue": cues[-1] if cues else None,
        "prefix": first[0] if first and set(opened) == set(first) else None,
    }
    for rule, label in rules.items():
        if label is not None:
            return Parsed(label, rule)
    return UNPARSED if first else _parse_loosely(text, choices)


def _parse_loosely(text: str, choices: Mapping[str, str]) -> Parsed:
    """Return what the rules for running text find."""
    bracketed = set(_labels(_BRACKET, text, choices))
    if len(bracketed) == 1 and not is_negated(text):
        return Parsed(bracketed.pop(), "bracket")
    final = _FINAL.fullmatch(sentences(text)[-1])
    if final and final[1] in choices:
        return Parsed(final[1], "final")
    inside = option_inside(text, choices)
    return Parsed(inside, "inside") if inside is not None else UNPARSED


def _whole_label(text: str, choices: Mapping[str, str]) -> str | None:
    match = _LABEL.fullmatch(text)
    return match[1].upper() if match and match[1].upper() in choices else None


def _labels(pattern: re.Pattern[str], text: str, choices: Mapping[str, str]) -> list[str]:
    """Return the labels that `pattern` finds in `text`, in order; letters of no option left out."""
    found = [(match[match.lastindex or 0]).upper() for match in pattern.finditer(text)]
    return [label for label in found if label in choices]
