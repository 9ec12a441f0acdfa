"""Every perturbation by name, with its parameters: a table and nothing else to register."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sgleval.perturb import choices, pictures, substitution, text
from sgleval.perturb.donors import wrong_image
from sgleval.perturb.drawn import blind, of_images
from sgleval.perturb.kinds import Kind, Parameter, number, severity, sex, whole
from sgleval.perturb.perturbation import Change, Perturbation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.random import RandomState

    from sgleval.perturb.pictures import Picture
    from sgleval.sample import Image, Sample


def image_kind(
    draw: Callable[[Picture, float, RandomState], Picture],
    by_severity: tuple[float, ...],
    parameter: Parameter,
    nothing: float | None,
    **traits: bool,
) -> Kind:
    """Return an image perturbation: its number at severities 1 to 5, and where nothing happens."""

    def value_of(perturbation: Perturbation) -> float | None:
        given = perturbation.parameters
        if (level := given.get("severity")) is not None:
            return by_severity[int(level) - 1] if level else None
        value = float(given[parameter.name])
        return None if value == nothing else value

    change = of_images(draw, value_of, **traits)
    return Kind("image", change, (severity(), parameter), one_of=True)


def _mild_mix() -> Change:
    """Return the change that makes the small slips of hasty typing, each by its own generator."""
    parts = (
        Perturbation("lowercase", "robustness", text.of_question(text.lowercase)),
        Perturbation("contraction", "robustness", text.of_question(substitution.contraction)),
        Perturbation(
            "misspelling", "robustness", text.of_question(text.misspelling), {"prob": 0.1}
        ),
        Perturbation("spaces", "robustness", text.of_question(text.spaces), {"max": 3}),
    )

    def change(
        perturbation: Perturbation, sample: Sample, seed: int, donor: tuple[Image, ...]
    ) -> Sample:
        del perturbation, donor
        for part in parts:
            sample = part.apply(sample, seed) or sample
        return sample

    return change


def _words(given: str) -> str:
    if not all(word.strip() for word in given.split("|")) or set(given) & set("()"):
        raise ValueError(given)
    return given


PROB = number("prob", 1, "0.1")
FILLERS = Parameter("words", _words, "words separated by |", "um|well", optional=True)

KINDS: Mapping[str, Kind] = {
    "typos": Kind("robustness", text.of_question(text.typos), (PROB,)),
    "spaces": Kind("robustness", text.of_question(text.spaces), (whole("max", 1, 20, "3"),)),
    "lowercase": Kind("robustness", text.of_question(text.lowercase)),
    "uppercase": Kind("robustness", text.of_question(text.uppercase)),
    "contraction": Kind("robustness", text.of_question(substitution.contraction)),
    "expansion": Kind("robustness", text.of_question(substitution.expansion)),
    "misspelling": Kind("robustness", text.of_question(text.misspelling), (PROB,)),
    "filler": Kind(
        "robustness",
        text.of_question(text.filler),
        (PROB, FILLERS),
    ),
    "mild_mix": Kind("robustness", _mild_mix()),
    "gender": Kind(
        "fairness",
        substitution.regendered,
        (sex("source", "male"), sex("target", "female")),
        rewrites=True,
        problem=substitution.same_gender,
    ),
    "rotate": image_kind(
        pictures.rotate, (0.5, 1, 2, 4, 8), number("degrees", 45, "3"), 0, keeps_size=False
    ),
    "perspective": image_kind(
        pictures.perspective, (0.01, 0.02, 0.04, 0.07, 0.10), number("share", 0.25, "0.05"), 0
    ),
    "gaussian_blur": image_kind(
        pictures.gaussian_blur, (0.6, 1.0, 1.5, 2.1, 2.8), number("sigma", 100, "1.2"), 0
    ),
    "downscale": image_kind(
        pictures.downscale, (0.75, 0.60, 0.48, 0.38, 0.30), number("factor", 1, "0.5", 0.01), 1
    ),
    "jpeg": image_kind(pictures.jpeg, (60, 35, 20, 12, 7), whole("quality", 1, 100, "30"), None),
    "gaussian_noise": image_kind(
        pictures.gaussian_noise, (8, 16, 32, 56, 88), number("sigma", 255, "20"), 0
    ),
    "salt_pepper": image_kind(
        pictures.salt_pepper, (0.002, 0.006, 0.015, 0.035, 0.07), number("share", 1, "0.01"), 0
    ),
    "brightness": image_kind(
        pictures.brightness, (0.85, 0.70, 0.55, 0.40, 0.25), number("factor", 4, "0.6"), 1
    ),
    "contrast": image_kind(
        pictures.contrast, (0.80, 0.60, 0.40, 0.25, 0.15), number("factor", 4, "0.5"), 1
    ),
    "shadow": image_kind(
        pictures.shadow, (0.20, 0.35, 0.50, 0.65, 0.80), number("strength", 1, "0.4"), 0
    ),
    "crop_margin": image_kind(
        pictures.crop_margin,
        (0.2, 0.4, 0.6, 0.8, 1.0),
        number("share", 1, "0.5"),
        0,
        keeps_size=False,
        may_be_idle=True,
    ),
    "grayscale": Kind("image", of_images(pictures.grayscale, lambda _: 1.0, may_be_idle=True)),
    "choices_rotate": Kind(
        "choices", choices.rotate, (whole("by", 1, 25, "2", default=1),), rewrites=True
    ),
    "blind": Kind("baseline", blind),
    "wrong_image": Kind("baseline", wrong_image, needs_donor=True),
}
