"""Accepted answers to multiple choice: an option's text or its letter becomes the letter."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from string import ascii_uppercase as LETTERS  # noqa: N812  (a constant)

from sgleval.answers.answer import Answer
from sgleval.answers.closed import Choice
from sgleval.errors import UserError
from sgleval.sample import Sample


def lettering(answer: Answer | None) -> Callable[[Sample], Sample]:
    """Return what both passes apply to a sample: letters for `Choice`, nothing for other types.

    Without an answer type (`data check` of a folder) options are checked and answers stay as given.

    Raises:
        UserError: (the returned function) no options, too many, or an answer that is none of them.
    """
    if answer is None:
        return _checked
    return _lettered if isinstance(answer, Choice) else _unchanged


def letter(answer: str, choices: Sequence[str]) -> str:
    """Return the letter of the option that an accepted answer means.

    Text that equals exactly one option is that option, otherwise it must be a letter in range.

    >>> letter("cat", ["dog", "cat"]), letter("a", ["dog", "cat"])
    ('B', 'A')

    Raises:
        UserError: it is neither.
    """
    letters = LETTERS[: len(choices)]
    if choices.count(answer) == 1:
        return letters[choices.index(answer)]
    if len(answer) == 1 and answer.upper() in letters:
        return answer.upper()
    raise UserError(
        f"answer {answer!r:.60} is neither the text of one option nor a letter "
        f"from {letters[0]} to {letters[-1]}"
    )


def _lettered(sample: Sample) -> Sample:
    if not sample.choices:
        raise UserError("has no choices; the answer type Choice needs them")
    if len(sample.choices) > len(LETTERS):
        raise UserError(f"has {len(sample.choices)} choices; at most {len(LETTERS)} have a letter")
    if not all(choice.strip() for choice in sample.choices):
        raise UserError("has an empty choice; write the option's text")
    letters = dict.fromkeys(letter(answer, sample.choices) for answer in sample.answers)
    return replace(sample, answers=tuple(letters))


def _checked(sample: Sample) -> Sample:
    if sample.choices:
        _lettered(sample)
    return sample


def _unchanged(sample: Sample) -> Sample:
    return sample
