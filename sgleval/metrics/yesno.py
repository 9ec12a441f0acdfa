"""Yes or no: accuracy, precision, recall, F1, and the rules of POPE and MME.

The positive class is yes. An unparsed answer is wrong and never a predicted yes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sgleval.answers.answer import UNPARSED, Parsed
from sgleval.answers.closed import YesNo
from sgleval.errors import UserError
from sgleval.metrics.metric import Ratio, metric

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PERCEPTION = (
    *("existence", "count", "position", "color", "posters", "celebrity", "scene", "landmark"),
    *("artwork", "OCR"),
)
COGNITION = (
    *("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning"),
)

_POPE_NO = frozenset(["No", "no", "not"])


def read_yes_no(text: str, choices: Mapping[str, str] | None = None) -> Parsed:  # noqa: ARG001
    """Return "yes" or "no" where exactly one is meant, by the rules of `YesNo.parse`."""
    return YesNo().parse(text)


def read_pope(text: str, choices: Mapping[str, str] | None = None) -> Parsed:  # noqa: ARG001
    """Return "no" if No, no or not is a word before the first full stop, else "yes".

    Commas are deleted and words separated by single blanks, as in LLaVA's script: "NO", "No!" and
    empty text are "yes".
    """
    words = text.partition(".")[0].replace(",", "").split(" ")
    return Parsed("yes", "otherwise") if _POPE_NO.isdisjoint(words) else Parsed("no", "word")


def read_mme(text: str, choices: Mapping[str, str] | None = None) -> Parsed:  # noqa: ARG001
    """Return "yes", else "no", if it occurs in the first four characters in any case."""
    start = text.lower()[:4]
    found = next((word for word in ("yes", "no") if word in start), None)
    return Parsed(found, "first_four") if found else UNPARSED


@metric(better="higher", source="VQA with yes or no, by definition", parser=read_yes_no)
def yes_no_accuracy(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """1 if the text says yes or no as the accepted answer does, else 0; unparsed is wrong.

    Read are a first word yes or no before punctuation, or the only one of both that occurs:
    "notice" and "not sure" are no no.

    >>> yes_no_accuracy("Yes, there is no doubt.", ["yes"])
    Ratio(numerator=1.0, denominator=1.0)

    Raises:
        UserError: an accepted answer is neither yes nor no, or they are both.
    """
    gold = _gold("yes_no_accuracy", answers)
    return Ratio(_said(prediction) == gold)


@metric(better="higher", source="precision of yes, by definition", parser=read_yes_no)
def yes_no_precision(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """Answers yes that are right, over answers yes.

    >>> yes_no_precision("No", ["yes"])
    Ratio(numerator=0.0, denominator=0.0)

    Raises:
        UserError: an accepted answer is neither yes nor no, or they are both.
    """
    gold, said = _gold("yes_no_precision", answers), _said(prediction)
    return Ratio(said == gold == "yes", said == "yes")


@metric(better="higher", source="recall of yes, by definition", parser=read_yes_no)
def yes_no_recall(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """Answers yes that are right, over accepted answers yes.

    >>> yes_no_recall("not sure", ["yes"])
    Ratio(numerator=0.0, denominator=1.0)

    Raises:
        UserError: an accepted answer is neither yes nor no, or they are both.
    """
    gold = _gold("yes_no_recall", answers)
    return Ratio(_said(prediction) == gold == "yes", gold == "yes")


@metric(better="higher", source="F1 of yes, by definition", parser=read_yes_no)
def yes_no_f1(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """Twice the answers yes that are right, over answers yes and accepted answers yes.

    >>> yes_no_f1("Yes", ["yes"]), yes_no_f1("No", ["no"])
    (Ratio(numerator=2.0, denominator=2.0), Ratio(numerator=0.0, denominator=0.0))

    Raises:
        UserError: an accepted answer is neither yes nor no, or they are both.
    """
    return _f1(_said(prediction), _gold("yes_no_f1", answers))


@metric(better=None, source="share of yes, by definition", parser=read_yes_no)
def yes_no_yes_rate(prediction: str | None, answers: Sequence[str]) -> Ratio:  # noqa: ARG001
    """1 if the text says yes, else 0, whatever is right.

    >>> yes_no_yes_rate("Yes", ["no"])
    Ratio(numerator=1.0, denominator=1.0)
    """
    return Ratio(_said(prediction) == "yes")


@metric(
    better="higher",
    source="POPE (Li et al. 2023) as evaluated for LLaVA-1.5",
    parser=read_pope,
    composite="mean",
)
def pope_f1(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """F1 of yes by the rule of LLaVA's POPE script; over categories, the mean of each one's F1.

    No, no or not as a word before the first full stop is no; all else is yes. No prediction counts
    as one error.

    >>> pope_f1("There is not", ["yes"]), pope_f1(None, ["no"])
    (Ratio(numerator=0.0, denominator=1.0), Ratio(numerator=0.0, denominator=1.0))

    Raises:
        UserError: an accepted answer is neither yes nor no, or they are both.
    """
    gold = _gold("pope_f1", answers)
    return Ratio(0, 1) if prediction is None else _f1(read_pope(prediction).answer, gold)


@metric(better="higher", source="MME (Fu et al. 2023), evaluation tool", parser=read_mme)
def mme_accuracy(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """1 if the first four characters say yes or no as accepted, else 0; unparsed is wrong.

    "not sure" and "None" are no, "The answer is yes" is unparsed.

    >>> mme_accuracy("YES.", ["Yes"])
    Ratio(numerator=1.0, denominator=1.0)

    Raises:
        UserError: an accepted answer is neither yes nor no, or they are both.
    """
    return Ratio(_is_right(prediction, answers, "mme_accuracy"))


@metric(
    better="higher",
    source="MME (Fu et al. 2023), evaluation tool",
    parser=read_mme,
    group="all",
    group_size=2,
)
def mme_accuracy_plus(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """Images whose two questions are both right as in `mme_accuracy`, over images.

    >>> mme_accuracy_plus("no", ["No"])
    Ratio(numerator=1.0, denominator=1.0)

    Raises:
        UserError: an accepted answer is neither yes nor no, or they are both.
    """
    return Ratio(_is_right(prediction, answers, "mme_accuracy_plus"))


@metric(
    better="higher",
    bounds=(0, 200),
    source="MME (Fu et al. 2023), evaluation tool",
    parser=read_mme,
    group="each_and_all",
    group_size=2,
    composite="sum",
    categories=PERCEPTION,
)
def mme_perception(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """The sum over ten perception tasks of 100 · accuracy + 100 · accuracy+, at most 2000.

    Each answer as in `mme_accuracy`; a group is the two questions of an image within a task.

    >>> mme_perception("Yes", ["Yes"])
    Ratio(numerator=100.0, denominator=1.0)

    Raises:
        UserError: an accepted answer is neither yes nor no, or they are both.
    """
    return Ratio(100 * _is_right(prediction, answers, "mme_perception"))


@metric(
    better="higher",
    bounds=(0, 200),
    source="MME (Fu et al. 2023), evaluation tool",
    parser=read_mme,
    group="each_and_all",
    group_size=2,
    composite="sum",
    categories=COGNITION,
)
def mme_cognition(prediction: str | None, answers: Sequence[str]) -> Ratio:
    """The sum over four cognition tasks of 100 · accuracy + 100 · accuracy+, at most 800.

    Each answer as in `mme_accuracy`; a group is the two questions of an image within a task.

    >>> mme_cognition("Yes", ["No"])
    Ratio(numerator=0.0, denominator=1.0)

    Raises:
        UserError: an accepted answer is neither yes nor no, or they are both.
    """
    return Ratio(100 * _is_right(prediction, answers, "mme_cognition"))


def _gold(name: str, answers: Sequence[str]) -> str:
    golds = {answer.strip().lower() for answer in answers}
    gold = golds.pop()
    if golds or gold not in ("yes", "no"):
        raise UserError(f"{name}: the accepted answers are {list(answers)}; give yes or no")
    return gold


def _said(prediction: str | None) -> str | None:
    return None if prediction is None else read_yes_no(prediction).answer


def _is_right(prediction: str | None, answers: Sequence[str], name: str) -> bool:
    gold = _gold(name, answers)
    return prediction is not None and read_mme(prediction).answer == gold


def _f1(said: str | None, gold: str) -> Ratio:
    return Ratio(2 * (said == gold == "yes"), (said == "yes") + (gold == "yes"))
