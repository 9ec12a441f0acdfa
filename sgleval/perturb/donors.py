"""The wrong image: which other sample's images a question is asked about."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import replace
from itertools import cycle, islice
from typing import TYPE_CHECKING

from sgleval.errors import UserError
from sgleval.sample import Image, Sample

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sgleval.perturb.perturbation import Perturbation

Images = tuple[Image, ...]


def wrong_image(
    perturbation: Perturbation, sample: Sample, seed: int, donor: Images
) -> Sample | None:
    """Ask about another sample's images: what a model answers from the question alone.

    Raises:
        ValueError: there is no donor.
    """
    del perturbation, seed
    if not sample.images:
        return None
    if not donor:
        raise ValueError("wrong_image needs another sample's images; take them from donors()")
    return replace(sample, images=donor)


def donors(image_sets: Iterable[Images], seed: int) -> dict[Images, Images]:
    """Give each set of images another one: a derangement of the distinct sets, by content.

    The sets stand in a circle in the order of a hash of seed and content, and each gets the next
    one with as many images. So neither the order of the samples nor their number of questions
    matters, and a set that is added or missing changes one donor. A set whose number of images no
    other one has gets the images that come next. It keeps every distinct set: of images that are
    bytes and not files this is the memory of all of them.

    Raises:
        UserError: there is no other image.
    """
    places = {images: _place(images, seed) for images in dict.fromkeys(image_sets) if images}
    sets = {place: images for images, place in places.items()}
    circles: dict[int, list[str]] = defaultdict(list)
    for place in sorted(sets):
        circles[len(sets[place])].append(place)
    next_ones = {}
    for circle in circles.values():
        for place, after in zip(circle, [*circle[1:], circle[0]], strict=True):
            next_ones[place] = sets[after] if place != after else _any_others(place, sets)
    return {images: next_ones[place] for images, place in places.items()}


def _any_others(place: str, sets: dict[str, Images]) -> Images:
    """Return as many images as the set has, none of them its own, from the sets that come next."""
    own = {image.digest for image in sets[place]}
    circle = sorted(sets, key=lambda other: (other < place, other))
    others = [image for other in circle for image in sets[other] if image.digest not in own]
    if not others:
        raise UserError(
            "perturbation wrong_image: all questions are about the same image; give data with"
            " another one, or leave wrong_image out"
        )
    return tuple(islice(cycle(others), len(sets[place])))


def _place(images: Images, seed: int) -> str:
    """Return where a set stands; the order within it does not make it another one."""
    digests = " ".join(sorted(image.digest for image in images))
    return hashlib.sha256(f"{seed}:wrong_image@1:{digests}".encode()).hexdigest()
