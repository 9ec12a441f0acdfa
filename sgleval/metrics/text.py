"""Metrics of short texts: equality, containment, shared words, edit similarity.

The names are used elsewhere for other definitions; each docstring says which one this is.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING
from unicodedata import category, normalize

from rapidfuzz.distance import Levenshtein

from sgleval.errors import UserError
from sgleval.metrics.metric import Ratio, metric
from sgleval.normalize import normalize_text, single_blanks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ANLS_THRESHOLD = 0.5

_OPENING_MINUS = re.compile(r"(?:\A|[^\w)])[-−][$€£¥₽]?\Z")  # noqa: RUF001  (U+2212)


@metric(better="higher", source="sgleval's document-safe normalisation (normalize_text)")
def exact_match(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """1 if the prediction equals an accepted answer after `normalize_text`, else 0.

    No prediction scores 0, even where an empty answer is accepted.

    >>> exact_match("acme corp", ["ACME Corp."])
    Ratio(numerator=1.0, denominator=1.0)
    """
    if prediction is None:
        return Ratio(0)
    said = normalize_text(prediction)
    return Ratio(any(said == normalize_text(answer) for answer in answers))


@metric(better="higher", source="the exact_match of pix2struct and of Hugging Face evaluate")
def exact_match_strict(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """1 if the prediction equals an accepted answer after NFC and stripping alone, else 0.

    >>> exact_match_strict("12.50 ", ["12.50"]), exact_match_strict("Yes", ["yes"])
    (Ratio(numerator=1.0, denominator=1.0), Ratio(numerator=0.0, denominator=1.0))
    """
    if prediction is None:
        return Ratio(0)
    said = normalize("NFC", prediction).strip()
    return Ratio(any(said == normalize("NFC", answer).strip() for answer in answers))


@metric(better="higher", source="OCRBench (Liu et al. 2023)")
def contains(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """1 if an accepted answer is a part of the prediction, any case, else 0.

    Both lower-cased and stripped, line feeds as blanks; words and numbers have no bounds, so 5 is
    in 15. `contains_word` minds them.

    >>> contains("The total is 12.50 USD", ["12.50"])
    Ratio(numerator=1.0, denominator=1.0)

    Raises:
        UserError: an accepted answer is empty, which every prediction contains.
    """
    wanted = _something("contains", answers, lambda text: text.lower().strip().replace("\n", " "))
    if prediction is None:
        return Ratio(0)
    said = prediction.lower().strip().replace("\n", " ")
    return Ratio(any(answer in said for answer in wanted))


@metric(better="higher", source="OCRBench (Liu et al. 2023), handwritten formulas")
def contains_nospace(prediction: str | None, answers: Sequence[str]) -> Ratio:
    r"""1 if an accepted answer is a part of the prediction, blanks and line feeds apart, else 0.

    Case counts: X and x are two variables.

    >>> contains_nospace(r"\\frac { 1 } { 2 }", [r"\\frac{1}{2}"])
    Ratio(numerator=1.0, denominator=1.0)

    Raises:
        UserError: an accepted answer is empty, which every prediction contains.
    """
    wanted = _something("contains_nospace", answers, _without_blanks)
    if prediction is None:
        return Ratio(0)
    said = _without_blanks(prediction)
    return Ratio(any(answer in said for answer in wanted))


@metric(better="higher", source="contains within bounds of words and numbers, by definition")
def contains_word(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """1 if an accepted answer stands in the prediction as whole words and numbers, else 0.

    Both after `normalize_text`. No letter or digit may go on at either end; no "." or "," with
    another digit, no "%", no minus sign may go on with a number: "$5" contains 5, "5%" does not.

    >>> contains_word("Total: $12.50.", ["12.50"]), contains_word("12.50", ["12.5"])
    (Ratio(numerator=1.0, denominator=1.0), Ratio(numerator=0.0, denominator=1.0))

    Raises:
        UserError: an accepted answer is empty, which every prediction contains.
    """
    wanted = _something("contains_word", answers, normalize_text)
    if prediction is None:
        return Ratio(0)
    said = normalize_text(prediction)
    return Ratio(any(_stands_free(said, answer) for answer in wanted))


@metric(better="higher", source="Rajpurkar et al. 2016 (SQuAD), over words of normalize_text")
def token_f1(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """F1 of the prediction's words and the closest accepted answer's, each as often as it occurs.

    Words after `normalize_text`, their punctuation on them; their order does not count. Both empty
    is 1, one empty 0.

    >>> token_f1("The total is 12.50", ["total 12.50"])
    Ratio(numerator=0.6666666666666666, denominator=1.0)
    """
    if prediction is None:
        return Ratio(0)
    said = normalize_text(prediction).split()
    return Ratio(max(_f1(said, normalize_text(answer).split()) for answer in answers))


@metric(better="higher", source="RRC (docvqa.org) evaluation script, as the DocVQA leaderboard")
def anls(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """Similarity to the closest accepted answer, or 0 where it is below one half.

    The leaderboard's script: the edit distance of the lower-cased texts with single blanks, over
    the length of the longer *raw* text in upper case (ß counts two). Exactly one half is kept; the
    paper (`anls_paper`) drops it. No prediction scores 0.

    >>> anls("12.5", ["12.50", "$12.50"])
    Ratio(numerator=0.8, denominator=1.0)
    """
    if prediction is None:
        return Ratio(0)
    similarity = 1 - min(_anls_distance(answer, prediction) for answer in answers)
    return Ratio(similarity if similarity >= ANLS_THRESHOLD else 0)


@metric(better="higher", source="Biten et al. 2019, arXiv 1905.13648, eq. 1")
def anls_paper(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """Similarity to the closest accepted answer, or 0 unless it is above one half.

    The edit distance of the lower-cased texts with single blanks over the length of the longer one.
    Exactly one half scores 0; the leaderboard's script (`anls`) keeps it.

    >>> anls_paper("12.5", ["12.50"]), anls_paper("ax", ["ab"])
    (Ratio(numerator=0.8, denominator=1.0), Ratio(numerator=0.0, denominator=1.0))
    """
    if prediction is None:
        return Ratio(0)
    said = single_blanks(prediction.lower())
    wanted = [single_blanks(answer.lower()) for answer in answers]
    distance = min(Levenshtein.normalized_distance(answer, said) for answer in wanted)
    return Ratio(1 - distance if distance < ANLS_THRESHOLD else 0)


def _something(name: str, answers: Sequence[str], normal: Callable[[str], str]) -> list[str]:
    """Return the accepted answers as they are compared; refuse one of which nothing is left."""
    wanted = [normal(answer) for answer in answers]
    if "" in wanted:
        raise UserError(
            f"{name}: an accepted answer is empty, and every prediction contains it; leave it out"
        )
    return wanted


def _without_blanks(text: str) -> str:
    return text.replace("\n", "").replace(" ", "")


def _stands_free(text: str, word: str) -> bool:
    """Say whether `word`, which is not empty, occurs in `text` and goes on at neither end."""
    start = text.find(word)
    while start >= 0:
        before, after = text[:start], text[start + len(word) :]
        if not (_goes_on(word[-1], after) or _begins_before(before, word)):
            return True
        start = text.find(word, start + 1)
    return False


def _goes_on(last: str, after: str) -> bool:
    if _in_a_word(last) and _in_a_word(after[:1]):
        return True
    more_digits = after[:1] in (".", ",") and after[1:2].isdecimal()
    return last.isdecimal() and (more_digits or after[:1] == "%")


def _begins_before(before: str, word: str) -> bool:
    if _in_a_word(word[0]) and _in_a_word(before[-1:]):
        return True
    digits_before = before[-1:] in (".", ",") and before[-2:-1].isdecimal()
    if word[0].isdecimal() and digits_before:
        return True
    opens_a_number = word.lstrip("$€£¥₽.")[:1].isdecimal()
    return opens_a_number and _OPENING_MINUS.search(before) is not None


def _in_a_word(character: str) -> bool:
    """Letters, digits, and the marks that some scripts write vowels with."""
    return character != "" and category(character)[0] in "LMN"


def _f1(said: list[str], wanted: list[str]) -> float:
    if not said or not wanted:
        return float(said == wanted)
    overlap = (Counter(said) & Counter(wanted)).total()
    return 2 * overlap / (len(said) + len(wanted))


def _anls_distance(answer: str, prediction: str) -> float:
    longest = max(len(answer.upper()), len(prediction.upper()))
    wanted, said = single_blanks(answer.lower()), single_blanks(prediction.lower())
    return Levenshtein.distance(wanted, said) / longest if longest else 0.0
