"""VQA accuracy: how many of the other annotators gave the same answer."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from sgleval.metrics.contractions import CONTRACTIONS
from sgleval.metrics.metric import Ratio, metric

if TYPE_CHECKING:
    from collections.abc import Sequence

ENOUGH = 3
"""That many other annotators with the same answer make it fully right."""

_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_ANY_MARK = re.compile(f"[{re.escape(_MARKS)}]")
_THOUSANDS = re.compile(r"\d,\d")
_STOP = re.compile(r"\.(?!\d)")
_MOST_STOPS = 32  # the script passes a flag of `re` where the count belongs
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
NUMBER_WORDS = {"none": "0", **{word: str(number) for number, word in enumerate(_NUMBERS)}}
ARTICLES = frozenset(["a", "an", "the"])


@metric(better="higher", source="VQA v2 (Goyal et al. 2017), text processing always applied")
def vqa_accuracy(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """The mean over annotators of min(1, others with the predicted answer / 3), both processed.

    The processing of the VQA v2 script, also where all annotators agree: case, articles, most
    punctuation, number words up to ten and missing apostrophes do not count. Fewer than four
    accepted answers could not reach 1: then 1 if the prediction equals any of them.

    >>> vqa_accuracy("The red car.", ["red car", "red", "Red car", "car", "red car"])
    Ratio(numerator=0.8, denominator=1.0)
    """
    if prediction is None:
        return Ratio(0)
    matching = _count(process(prediction), [process(answer) for answer in answers])
    if len(answers) <= ENOUGH:
        return Ratio(matching > 0)
    return Ratio(_agreement(matching, len(answers)))


@metric(better="higher", source="VQA v2 evaluation script, literally")
def vqa_accuracy_script(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """`vqa_accuracy` as the script has it: all alike, answers are compared as they are written.

    Text is processed only where the accepted answers are not all the same, so "Red" is wrong for
    ten times "red"; one accepted answer can never be met. For checks only.

    >>> vqa_accuracy_script("Red", ["red"] * 10), vqa_accuracy_script("Red", ["red"] * 9 + ["x"])
    (Ratio(numerator=0.0, denominator=1.0), Ratio(numerator=1.0, denominator=1.0))
    """
    if prediction is None:
        return Ratio(0)
    said, wanted = _one_line(prediction), [_one_line(answer) for answer in answers]
    if len(set(wanted)) > 1:
        said, wanted = process(said), [process(answer) for answer in wanted]
    return Ratio(_agreement(_count(said, wanted), len(wanted)))


@metric(better="higher", source="EvalAI answer processor of MMF's TextVQA evaluator")
def vqa_accuracy_evalai(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """`vqa_accuracy` of TextVQA's evaluator: commas and question marks are deleted first.

    Lower case first, "," and "?" go, "'s" becomes a word; then the processing of the VQA v2 script.
    One accepted answer can never be met.

    >>> vqa_accuracy_evalai("red,white", ["red white"] * 10)
    Ratio(numerator=0.0, denominator=1.0)
    """
    if prediction is None:
        return Ratio(0)
    wanted = [process_evalai(answer) for answer in answers]
    return Ratio(_agreement(_count(process_evalai(prediction), wanted), len(wanted)))


def _count(said: str, wanted: list[str]) -> int:
    return sum(said == answer for answer in wanted)


def _agreement(matching: int, n: int) -> float:
    """Return the mean over `n` annotators, of whom `matching` gave the predicted answer."""
    by_matching = matching * min(1, (matching - 1) / ENOUGH)
    return (by_matching + (n - matching) * min(1, matching / ENOUGH)) / n


def _one_line(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()


@lru_cache(maxsize=2**16)  # annotators agree
def process(text: str) -> str:
    """Return `text` as the VQA v2 script compares it.

    >>> process("The Dont-walk sign, 10 ft."), process("1,000.5")
    ("don't walk sign 10 ft", '1000.5')
    """
    line = _one_line(text)
    words = _without_punctuation(line).lower().split()
    numbered = (NUMBER_WORDS.get(word, word) for word in words)
    return " ".join(CONTRACTIONS.get(word, word) for word in numbered if word not in ARTICLES)


@lru_cache(maxsize=2**16)
def process_evalai(text: str) -> str:
    """Return `text` as TextVQA's evaluator compares it."""
    return process(text.lower().replace(",", "").replace("?", "").replace("'s", " 's"))


def _without_punctuation(text: str) -> str:
    """Delete the marks that touch a blank anywhere in the text, make blanks of the others."""
    if _ANY_MARK.search(text):
        in_number, bare = _THOUSANDS.search(text) is not None, text
        for mark in _MARKS:
            touches = in_number or f"{mark} " in text or f" {mark}" in text
            bare = bare.replace(mark, "" if touches else " ")
        text = bare
    return _STOP.sub("", text, count=_MOST_STOPS) if "." in text else text
