"""The order of the options: does the model prefer a letter to an answer?"""

from __future__ import annotations

from dataclasses import replace
from string import ascii_uppercase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sgleval.perturb.perturbation import Perturbation
    from sgleval.sample import Image, Sample


def rotate(
    perturbation: Perturbation, sample: Sample, seed: int, donor: tuple[Image, ...]
) -> Sample | None:
    """Move each option `by` places down the list, the last ones to its top.

    An accepted answer that is a letter follows its option (letters are read before texts, as
    metrics read them); one that is an option's text stays. Samples without options, with more than
    have a letter, or with at most `by` of them are not sent.
    """
    del seed, donor
    by, count = int(perturbation.parameters["by"]), len(sample.choices)
    if not 0 < by < count <= len(ascii_uppercase):
        return None
    letters = list(ascii_uppercase[:count])
    moved = {letter: letters[(n + by) % count] for n, letter in enumerate(letters)}
    moved |= {a.lower(): b for a, b in moved.items() if a.lower() not in sample.choices}
    return replace(
        sample,
        choices=[*sample.choices[-by:], *sample.choices[:-by]],
        answers=[moved.get(answer, answer) for answer in sample.answers],
    )
