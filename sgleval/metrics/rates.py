"""Error rates of words and characters, whose corpus value is errors over units of the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unicodedata import normalize

import jiwer

from sgleval.metrics.metric import Ratio, metric
from sgleval.normalize import folded_case, single_blanks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Align = Callable[[str, str], jiwer.WordOutput | jiwer.CharacterOutput]
    Fold = Callable[[str], str]


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


@metric(better="lower", bounds=(0, None), source="wer after full case folding")
def wer_casefold(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """Word edits over words as in `wer`, but case does not count.

    >>> wer_casefold("acme corp", ["ACME Corp."])
    Ratio(numerator=1.0, denominator=2.0)
    """
    return _lowest_rate(jiwer.process_words, prediction, answers, folded_case)


@metric(better="lower", bounds=(0, None), source="cer after full case folding")
def cer_casefold(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """Character edits over characters as in `cer`, but case does not count.

    >>> cer_casefold("STRASSE", ["straße"])
    Ratio(numerator=0.0, denominator=7.0)
    """
    return _lowest_rate(jiwer.process_characters, prediction, answers, folded_case)


@metric(better="lower", source="mean of wer per sample, each at most 1")
def wer_item_mean(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """The lowest word error rate among the accepted answers, at most 1; the mean over samples.

    One rambling answer cannot dominate. An empty reference gives 0 for nothing read, else 1; no
    prediction gives 1.

    >>> wer_item_mean("y z w", ["x"])
    Ratio(numerator=1.0, denominator=1.0)
    """
    return _capped(wer(prediction, answers))


@metric(better="lower", source="mean of cer per sample, each at most 1")
def cer_item_mean(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """The lowest character error rate among the accepted answers, at most 1; the mean over samples.

    >>> cer_item_mean("12,50", ["12.50"])
    Ratio(numerator=0.2, denominator=1.0)
    """
    return _capped(cer(prediction, answers))


def _nfc(text: str) -> str:
    return normalize("NFC", text)


def _lowest_rate(
    align: Align, prediction: str | None, answers: Sequence[str], fold: Fold = _nfc
) -> Ratio:
    said = single_blanks(fold(prediction or ""))
    # Blanks are folded here because jiwer separates words at U+0020 alone.
    wanted = [single_blanks(fold(answer)) for answer in answers]
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


def _capped(share: Ratio) -> Ratio:
    return Ratio(min(1.0, _rate(share)))
