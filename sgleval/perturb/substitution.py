"""Changes that replace whole words: contractions, genders, names, and words of the user's own."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from sgleval.errors import UserError
from sgleval.perturb.perturbation import Change, Perturbation, Value
from sgleval.perturb.text import cased, of_question
from sgleval.perturb.words import CONTRACTIONS, EXPANSIONS, GENDERS

if TYPE_CHECKING:
    from random import Random

    from sgleval.sample import Image, Sample

BEFORE_PUNCTUATION = re.compile(r"\s*$|[^\w\s]")
APOSTROPHE = "\N{RIGHT SINGLE QUOTATION MARK}"
NAMED = re.compile(r"[\w.-]+")
REMEMBERED = 100_000
"""Questions whose translation is kept: a command reads its samples more than once."""

Words = Callable[[str], str]
"""Replaces the words of one text."""


def whole_words(table: Mapping[str, str]) -> Words:
    """Return what replaces whole words and phrases in one pass from left to right, case kept.

    What was replaced is not replaced again, and the longest phrase goes first. Both apostrophes
    are one.

    >>> whole_words({"he": "she", "she": "he"})("He said she would; the shed")
    'She said he would; the shed'
    """
    if not table:
        return lambda text: text
    words = {word.lower(): other for word, other in table.items()}
    phrases = map(re.escape, sorted(words, key=len, reverse=True))
    either = "|".join(phrases).replace("'", f"['{APOSTROPHE}]")
    pattern = re.compile(rf"(?<!\w)(?:{either})(?!\w)", re.IGNORECASE)

    def swap(match: re.Match[str]) -> str:
        word = match[0].lower().replace(APOSTROPHE, "'")
        return cased(match[0], words.get(word, match[0]))  # a long s matches s, but is not its case

    return lambda text: pattern.sub(swap, text)


@lru_cache(maxsize=16)
def _genders(pairs: tuple[tuple[str, str], ...], source: str, target: str) -> Words:
    """Return what replaces words of the source by the target's; `pairs` are (male, female).

    "his" becomes "hers" before punctuation and at the end, else "her"; the other way "her" becomes
    "him" there, else "his".
    """
    if (source, target) == ("male", "female"):
        table, word, last, inside = dict(pairs), "his", "hers", "her"
    else:
        table = {female: male for male, female in pairs} | {"hers": "his"}
        word, last, inside = "her", "him", "his"
    others = whole_words({old: new for old, new in table.items() if old != word})
    pronoun = re.compile(rf"(?<!\w){word}(?!\w)", re.IGNORECASE)

    def swap(text: str) -> str:
        parts, start = [], 0
        for found in pronoun.finditer(text):
            other = last if BEFORE_PUNCTUATION.match(text, found.end()) else inside
            parts += [others(text[start : found.start()]), cased(found[0], other)]
            start = found.end()
        return "".join([*parts, others(text[start:])])

    return swap


def gender(
    source: str = "male", target: str = "female", pairs: Iterable[tuple[str, str]] = GENDERS
) -> Perturbation:
    """Return `gender`: words of one gender become the other's, in question and answers.

    Answers that name an option stay, as the options do. A question that has no such word is not
    sent. `pairs` are (male, female) words.

    Raises:
        UserError: source and target are not "male" and "female", or the other way round.
    """
    given: dict[str, Value] = {"source": source, "target": target}
    if {source, target} != {"male", "female"}:
        raise UserError(f"perturbation gender: from {source} to {target}; give male and female")
    own = tuple((male, female) for male, female in pairs)
    if own != GENDERS:
        given["pairs"] = _digest(own)
    return Perturbation("gender", "fairness", _in_question_and_answers(own), given, rewrites=True)


def same_gender(given: Mapping[str, Value]) -> str:
    """Say what is wrong where there is nothing to exchange."""
    if given["source"] != given["target"]:
        return ""
    return f"from {given['source']} to {given['target']}; give source=female,target=male"


def _in_question_and_answers(pairs: tuple[tuple[str, str], ...]) -> Change:
    def change(
        perturbation: Perturbation, sample: Sample, seed: int, donor: tuple[Image, ...]
    ) -> Sample | None:
        del seed, donor
        given = perturbation.parameters
        return rewritten(sample, _genders(pairs, str(given["source"]), str(given["target"])))

    return change


regendered: Change = _in_question_and_answers(GENDERS)


def rewritten(sample: Sample, words: Words) -> Sample | None:
    """Replace words in question and answers; None where the question has none of them."""
    question = words(sample.question)
    if question == sample.question:
        return None  # the request would be the same and only its gold answer another
    answers = [answer if answer in sample.choices else words(answer) for answer in sample.answers]
    return replace(sample, question=question, answers=answers)


_CONTRACT, _EXPAND = whole_words(CONTRACTIONS), whole_words(EXPANSIONS)


def contraction(text: str, rng: Random) -> str:
    """Write "is not" as "isn't", and so on."""
    del rng
    return _CONTRACT(text)


def expansion(text: str, rng: Random) -> str:
    """Write "isn't" as "is not", and so on."""
    del rng
    return _EXPAND(text)


def person_name(
    names: Mapping[str, str], name: str, page_text: Callable[[Sample], str] | None = None
) -> Perturbation:
    """Return `person_name`: names in question and answers become others, by your map.

    A sample is skipped where its picture shows one of the names that would be replaced, since the
    question could not be answered any more. `page_text` returns what is known to be printed;
    without it an accepted answer with such a name is taken as a quotation of the picture. `name`
    is what tables call the map.
    """
    words = whole_words(names)

    def change(
        perturbation: Perturbation, sample: Sample, seed: int, donor: tuple[Image, ...]
    ) -> Sample | None:
        del perturbation, seed, donor
        printed = [page_text(sample)] if page_text else sample.answers
        asked = [
            old for old in names if whole_words({old: "\0"})(sample.question) != sample.question
        ]
        hidden = whole_words(dict.fromkeys(asked, "\0"))
        return None if any(hidden(text) != text for text in printed) else rewritten(sample, words)

    given: dict[str, Value] = {"name": _named(name), "map": _digest(sorted(names.items()))}
    return Perturbation("person_name", "fairness", change, given, rewrites=True)


def dialect(words: Mapping[str, str], name: str) -> Perturbation:
    """Return `dialect`: words of the question become others by your map, which `name` names."""
    replaced = whole_words(words)
    change = of_question(lambda text, *_, **__: replaced(text))
    given: dict[str, Value] = {"name": _named(name), "map": _digest(sorted(words.items()))}
    return Perturbation("dialect", "fairness", change, given)


def translate(function: Callable[[str], str], name: str) -> Perturbation:
    """Return `translate`: the question as your function translates it.

    `name` tells translations apart in tables and stored answers: give another one when the
    function's outputs change.

    Raises:
        UserError: (when it is applied) the function fails, or returns no text.
    """
    remembered = lru_cache(REMEMBERED)(function)

    def change(
        perturbation: Perturbation, sample: Sample, seed: int, donor: tuple[Image, ...]
    ) -> Sample:
        del seed, donor
        where = f"perturbation {perturbation.full_name}, sample {sample.id!r}"
        try:
            question = remembered(sample.question)
        except Exception as error:  # the user's code
            words = " ".join(f"{type(error).__name__}: {error}".split())
            raise UserError(f"{where}: {words}; mend the function") from error
        if not isinstance(question, str):
            raise UserError(f"{where}: {question!r:.60} is no str; return the question's text")
        return replace(sample, question=question)

    return Perturbation("translate", "robustness", change, {"name": _named(name)})


def _named(name: str) -> str:
    if not NAMED.fullmatch(name):
        raise UserError(f"perturbation's name {name!r:.60}: give letters, digits, '_', '.' and '-'")
    return name


def _digest(value: object) -> str:
    """Return 8 hex digits that stand for a user's map in full names."""
    text = json.dumps(value, ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
