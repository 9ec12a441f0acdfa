"""Changes of a question's characters and words, each drawn from the sample's own generator.

Per letter, word or run of blanks the same number of draws is taken whether or not it is changed:
a larger probability changes the same places and more.
"""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from sgleval.perturb.words import FILLERS, MISSPELLINGS, NEIGHBOURS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sgleval.perturb.perturbation import Change, Perturbation
    from sgleval.sample import Image, Sample

QUOTED = re.compile(r'"[^"]*"|“[^”]*”|«[^»]*»|‘[^’]*’')  # noqa: RUF001  (quotation marks)
WITH_DIGIT = re.compile(r"\S*\d\S*")
LETTER = re.compile("[A-Za-z]")
WORD = re.compile("[A-Za-z]+")
BLANK_SEPARATED = re.compile(r"\S+")


def of_question(alter: Callable[..., str]) -> Change:
    """Return the change that `alter(question, generator, **parameters)` makes to the question."""

    def change(
        perturbation: Perturbation, sample: Sample, seed: int, donor: tuple[Image, ...]
    ) -> Sample:
        del donor
        rng = Random(perturbation.key(seed, sample.id))
        question = alter(sample.question, rng, **perturbation.parameters)
        return replace(sample, question=question)

    return change


def typos(text: str, rng: Random, prob: float) -> str:
    """Replace letters by neighbours on a QWERTY keyboard, case kept.

    Text in quotation marks and blank-separated words with a digit are kept: they name what stands
    in the picture.
    """
    kept = _protected(text)

    def hit(letter: re.Match[str]) -> str:
        neighbours = NEIGHBOURS[letter[0].lower()]
        changed, which = rng.random() < prob, rng.random()
        if not changed or kept[letter.start()]:
            return letter[0]
        return cased(letter[0], neighbours[int(which * len(neighbours))])

    return LETTER.sub(hit, text)


def misspelling(text: str, rng: Random, prob: float) -> str:
    """Replace words that are often misspelt by such a misspelling; keeps what `typos` keeps."""
    kept = _protected(text)

    def slip(word: re.Match[str]) -> str:
        changed, which = rng.random() < prob, rng.random()
        slips = MISSPELLINGS.get(word[0].lower())
        if not changed or slips is None or kept[word.start()]:
            return word[0]
        return cased(word[0], slips[int(which * len(slips))])

    return WORD.sub(slip, text)


def spaces(text: str, rng: Random, max: int) -> str:
    """Make each run of blanks 1 to `max` blanks long; newlines stay."""
    return re.sub(" +", lambda _: " " * (1 + int(rng.random() * max)), text)


def filler(text: str, rng: Random, prob: float, words: str = FILLERS) -> str:
    """Insert filler words (`words` separated by `|`) before words, never before the first."""
    fillers = words.split("|")

    def hesitate(word: re.Match[str]) -> str:
        changed, which = rng.random() < prob, rng.random()
        if not changed or word.start() == first:
            return word[0]
        return f"{fillers[int(which * len(fillers))]} {word[0]}"

    first = len(text) - len(text.lstrip())
    return BLANK_SEPARATED.sub(hesitate, text)


def lowercase(text: str, rng: Random) -> str:
    """Write the whole question in lower case."""
    del rng
    return text.lower()


def uppercase(text: str, rng: Random) -> str:
    """Write the whole question in upper case."""
    del rng
    return text.upper()


def cased(model: str, word: str) -> str:
    """Return `word` with the case of what it replaces: all capitals, or a capital first letter.

    >>> cased("HE", "she"), cased("He", "she"), cased("he", "she")
    ('SHE', 'She', 'she')
    """
    if model.isupper() and len(model) > 1:
        return word.upper()
    return word[:1].upper() + word[1:] if model[:1].isupper() else word


def _protected(text: str) -> bytearray:
    """Return 1 for each character that stays as it is."""
    kept = bytearray(len(text))
    for pattern in (QUOTED, WITH_DIGIT):
        for span in pattern.finditer(text):
            kept[span.start() : span.end()] = b"\1" * len(span[0])
    return kept
