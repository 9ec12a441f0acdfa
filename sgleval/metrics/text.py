"""Metrics of short texts: equality, edit similarity, error rates of words and of characters.

The names are used elsewhere for other definitions; each docstring says which one this is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from unicodedata import normalize

import jiwer
from rapidfuzz.distance import Levenshtein

from sgleval.metrics.metric import Ratio, metric

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

QUOTES = frozenset(['""', "''", "“”", "‘’", "«»", "„“", "``"])  # noqa: RUF001  (meant as they are)
ANLS_THRESHOLD = 0.5


def normalize_text(text: str) -> str:
    """Return `text` without differences that a reader of documents would not see.

    NFC, full case folding, single blanks; then final full stops and enclosing quotation marks go
    as long as there are any. Punctuation inside and articles stay, for "3.14" is not "314"; NFC
    and not NFKC, which turns "10²" into "102". Idempotent; only blank text becomes "".

    >>> normalize_text(' «ACME  Corp.».'), normalize_text("-12.50"), normalize_text("U.S.A.")
    ('acme corp', '-12.50', 'u.s.a')
    """
    folded = _single_blanks(normalize("NFC", normalize("NFC", text).casefold()))
    while (bare := _without_stops_or_quotes(folded)) != folded:
        folded = bare
    return folded


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


@metric(better="higher", source="RRC (docvqa.org) evaluation script, as the DocVQA leaderboard")
def anls(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """Similarity to the closest accepted answer, or 0 where it is below one half.

    The leaderboard's script: the edit distance of the lower-cased texts with single blanks, over
    the length of the longer *raw* text in upper case (ß counts two). Exactly one half is kept; the
    paper (Biten et al. 2019) drops it. No prediction scores 0.

    >>> anls("12.5", ["12.50", "$12.50"])
    Ratio(numerator=0.8, denominator=1.0)
    """
    if prediction is None:
        return Ratio(0)
    similarity = 1 - min(_anls_distance(answer, prediction) for answer in answers)
    return Ratio(similarity if similarity >= ANLS_THRESHOLD else 0)


@metric(better="lower", bounds=(0, None), source="word error rate over the corpus, jiwer 4")
def wer(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """Word edits to the accepted answer with the lowest rate, over its words; may exceed 1.

    Words after NFC, separated by white space of any kind; case and punctuation count. An empty
    reference has errors and no words: they enter the sum. No prediction is every word deleted, at
    least one error.

    >>> wer("total 12.5", ["the total: 12.50", "total 12.50"])
    Ratio(numerator=1.0, denominator=2.0)
    """
    return _lowest_rate(jiwer.process_words, prediction, answers)


@metric(better="lower", bounds=(0, None), source="character error rate over the corpus, jiwer 4")
def cer(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """Character edits to the accepted answer with the lowest rate, over its length; may exceed 1.

    Characters are code points after NFC, runs of white space one blank; blanks and case count.
    Empty references and no prediction as in `wer`.

    >>> cer("12,50", ["$12.50", "12.50"])
    Ratio(numerator=1.0, denominator=5.0)
    """
    return _lowest_rate(jiwer.process_characters, prediction, answers)


def _single_blanks(text: str) -> str:
    return " ".join(text.split())


def _without_stops_or_quotes(text: str) -> str:
    text = text.rstrip(".") or text
    inner = text[1:-1].strip()
    return inner if inner and text[0] + text[-1] in QUOTES else text.strip()


def _anls_distance(answer: str, prediction: str) -> float:
    longest = max(len(answer.upper()), len(prediction.upper()))
    wanted, said = _single_blanks(answer.lower()), _single_blanks(prediction.lower())
    return Levenshtein.distance(wanted, said) / longest if longest else 0.0


def _lowest_rate(
    align: Callable[[str, str], jiwer.WordOutput | jiwer.CharacterOutput],
    prediction: str | None,
    answers: Sequence[str],
) -> Ratio:
    said = _single_blanks(normalize("NFC", prediction or ""))
    # Blanks are folded here because jiwer separates words at U+0020 alone.
    wanted = [_single_blanks(normalize("NFC", answer)) for answer in answers]
    shares = [_errors(align(answer, said)) for answer in wanted]
    if prediction is None:
        shares = [Ratio(max(1, units), units) for _, units in shares]
    return min(shares, key=lambda share: (_rate(share), share.numerator))


def _errors(edits: jiwer.WordOutput | jiwer.CharacterOutput) -> Ratio:
    wrong = edits.substitutions + edits.deletions
    return Ratio(wrong + edits.insertions, wrong + edits.hits)


def _rate(share: Ratio) -> float:
    """Rank an empty reference: the best if nothing was read, the worst if anything was."""
    if share.denominator:
        return share.numerator / share.denominator
    return float("inf") if share.numerator else 0.0
