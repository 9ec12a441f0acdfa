"""What one request's log probabilities say: of each option of a closed set, and of the answer.

SGLang reports per written token `[log probability, id, text]` and per step a list of the same for
the likeliest tokens. Under a constraint they are taken after its mask: the tokens it admits add up
to 1, the others stand there with -3.4e38.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

LEFT_OVER = 0.01
"""With more mass than this that belongs to no single option there are no probabilities."""

FORBIDDEN = -1e30
_SPECIAL = re.compile(r"<[^<>\s]+>")


class Token(NamedTuple):
    """A token at one step: log probability, id (None where the backend gives none), text."""

    logprob: float
    id: int | None
    text: str


def option_probabilities(
    meta: Mapping[str, Any], options: Sequence[str]
) -> dict[str, float] | None:
    """Return each option's probability, in the order of `options`; they sum to 1.

    A token that was not taken adds its share to the one option it can still become; the taken path
    goes to the option that was written. Case counts unless no option fits with it ("Yes" under the
    option "yes"). A newline or the end makes an option complete, so behind "no" it cannot mean
    "none".

    Returns:
        None where the backend gave no log probabilities with texts, or where more than 0.01 of the
        mass fits several options or none, or lies outside the returned top list.
    """
    written, ending = _written(meta), _ending(meta)
    tops = meta.get("output_top_logprobs") or []
    if not options or written is None or len(tops) < len(written):
        return None
    mass = dict.fromkeys(options, 0.0)
    so_far, taken = "", 1.0
    for token, top in zip((*written, *ending[:1]), tops, strict=False):
        for other in _tokens(top) or ():
            if not _same(other, token) and other.logprob > FORBIDDEN:
                _give(mass, so_far, other.text, taken * math.exp(other.logprob))
        taken *= math.exp(token.logprob)
        so_far += token.text
    answer = "".join(token.text for token in written)
    _give(mass, answer, "\n" if answer in options or ending else "", taken)
    total = sum(mass.values())
    if 1.0 - total > LEFT_OVER:
        return None
    return {option: share / total for option, share in mass.items()}


def confidence(
    meta: Mapping[str, Any],
    options: Sequence[str],
    probabilities: Mapping[str, float] | None,
    written_option: str | None,
) -> float | None:
    """Return how sure the model was of what it wrote, in [0, 1].

    For a closed set (`options` is not empty) the probability of the option that was written, where
    known, else the product of the written tokens' probabilities; for an open answer exp(mean log
    probability). Stop and end are no part of the answer.

    Returns:
        None where the backend gave no log probabilities or nothing was written.
    """
    if options and probabilities and written_option is not None and written_option in probabilities:
        return probabilities[written_option]
    written = _written(meta)
    if not written:
        return None
    total = sum(token.logprob for token in written)
    return min(1.0, math.exp(total if options else total / len(written)))


def _give(mass: dict[str, float], so_far: str, text: str, share: float) -> None:
    """Add `share` to the one option that (so far + text) is the beginning of, if there is one."""
    option = _fitting(list(mass), so_far, text)
    if option is not None:
        mass[option] += share


def _fitting(options: Sequence[str], so_far: str, text: str) -> str | None:
    """Return the one option that fits: letter for letter, or else but for case."""
    at_end = _is_end(text) and not _begins(options, so_far + text)
    ended = at_end or text.endswith("\n")
    candidate = so_far if at_end else so_far + text
    candidate = candidate.rstrip("\n").rstrip("\ufffd")  # U+FFFD is part of a character
    for fold in (str, str.casefold):
        wanted = fold(candidate)
        fitting = [
            option
            for option in options
            if (fold(option) == wanted if ended else fold(option).startswith(wanted))
        ]
        if fitting:
            return fitting[0] if len(fitting) == 1 else None
    return None


def _begins(options: Sequence[str], text: str) -> bool:
    return text != "" and any(option.startswith(text) for option in options)


def _written(meta: Mapping[str, Any]) -> list[Token] | None:
    """Return the answer's tokens, without the newline and the end that follow it."""
    tokens = _tokens(meta.get("output_token_logprobs"))
    return tokens and tokens[: len(tokens) - len(_ending(meta))]


def _ending(meta: Mapping[str, Any]) -> list[Token]:
    """Return the tokens after the answer: end tokens and newlines at the end of the output.

    Where the server says what ended the text, no other token counts as an end by its looks.
    """
    tokens = _tokens(meta.get("output_token_logprobs")) or []
    reason = meta.get("finish_reason")
    reason = reason if isinstance(reason, Mapping) else {"type": reason}
    matched = "" if reason.get("type") == "length" else reason.get("matched")
    first = len(tokens)
    while first and _ends(tokens[first - 1], matched):
        first -= 1
    return tokens[first:]


def _ends(token: Token, matched: Any) -> bool:
    if token.text.strip("\n") == "":
        return True
    return _is_end(token.text) if matched is None else matched in (token.id, token.text)


def _is_end(text: str) -> bool:
    """Say whether a token looks like an end: hidden, or in angle brackets such as `<|im_end|>`."""
    return text == "" or _SPECIAL.fullmatch(text) is not None


def _tokens(entries: Any) -> list[Token] | None:
    """Return the entries as tokens; None where there are none or they lack a number or a text."""
    tokens = [Token(*entry) for entry in entries or ()]
    if not tokens or any(token.logprob is None or token.text is None for token in tokens):
        return None
    return tokens


def _same(one: Token, other: Token) -> bool:
    return one.text == other.text if one.id is None or other.id is None else one.id == other.id
