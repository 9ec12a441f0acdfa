"""Images that are drawn when they are read: perturbed copies, and a grey page in their place."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from sgleval.perturb.recent import Recent
from sgleval.sample import Image, Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import RandomState

    from sgleval.perturb.perturbation import Change, Perturbation
    from sgleval.perturb.pictures import Picture

FILES: Recent[bytes] = Recent(budget=128 * 2**20, weigh=len)
"""Bytes of what was drawn last: the questions of a page follow one another."""
IDLE: Recent[bool] = Recent(budget=2**16)
"""Whether a perturbation leaves an image as it is, by the digest of its copy."""
IMAGE_ID = 16
"""Hex digits of an image's digest that make its id."""
GREY = (128, 128, 128)


@dataclass(frozen=True)
class PerturbedImage:
    """The source of an `Image` that is a perturbed copy of another one, stored as PNG.

    Its digest is the SHA-256 of the original's digest, the perturbation's full name and the seed,
    so it is known without drawing. All questions about an image see the same copy: the generator is
    seeded by the first 16 hex digits of the original's digest.
    """

    original: Image
    name: str
    """The perturbation's full name."""
    seed: int
    key: str = field(repr=False)
    """What seeds the generator."""
    draw: Callable[[Picture, RandomState], Picture] = field(repr=False, compare=False)
    keeps_size: bool = True

    @cached_property
    def digest(self) -> str:
        """64 hex digits that stand for the bytes."""
        text = f"{self.original.digest} {self.name} {self.seed}"
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height; drawn where the perturbation changes them."""
        import PIL.Image

        if self.keeps_size:
            return self.original.shown_size
        with PIL.Image.open(io.BytesIO(self.read_bytes())) as picture:
            return picture.size

    def read_bytes(self) -> bytes:
        """Return the PNG file; it is drawn anew unless it is among the last ones."""
        return FILES.get(self.digest, self._file)

    def changes(self) -> bool:
        """Draw, and say whether any pixel differs; an image that cannot be drawn does.

        What is wrong with that one is told where it is read, as of every image.
        """
        return not IDLE.get(self.digest, self._is_idle)

    def _is_idle(self) -> bool:
        try:
            before, after = self._drawn()
        except Exception:  # noqa: BLE001  (whatever a broken file makes of Pillow)
            return False
        return before.size == after.size and before.tobytes() == after.tobytes()

    def _file(self) -> bytes:
        return png(self._drawn()[1])

    def _drawn(self) -> tuple[Picture, Picture]:
        from sgleval.perturb.pictures import prepared

        page = prepared(self.original.pil())
        return page, self.draw(page, generator(self.key))


@dataclass(frozen=True)
class GreyImage:
    """The source of an `Image` that is grey all over, as large as another one is shown.

    Its digest depends on the size alone: two pages of one size get one and the same picture, which
    the model's server then computes once.
    """

    original: Image

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.original.shown_size

    @cached_property
    def digest(self) -> str:
        """64 hex digits that stand for the bytes."""
        return hashlib.sha256(f"blind@1 {self.size}".encode()).hexdigest()

    def read_bytes(self) -> bytes:
        """Return the PNG file."""
        import PIL.Image

        return FILES.get(self.digest, lambda: png(PIL.Image.new("RGB", self.size, GREY)))


def of_images(
    draw: Callable[[Picture, float, RandomState], Picture],
    value_of: Callable[[Perturbation], float | None],
    *,
    keeps_size: bool = True,
    may_be_idle: bool = False,
) -> Change:
    """Return the change that `draw(picture, value, generator)` makes to a sample's images.

    `value_of` says by how much, None for not at all. `may_be_idle`: some images stay as they are,
    which has to be looked at; the others are not even opened.
    """

    def change(
        perturbation: Perturbation, sample: Sample, seed: int, donor: tuple[Image, ...]
    ) -> Sample | None:
        del donor
        value, name = value_of(perturbation), perturbation.full_name
        if value is None:
            return None

        def perturbed(image: Image) -> Image:
            key = perturbation.key(seed, image.digest[:IMAGE_ID])
            source = PerturbedImage(
                image, name, seed, key, lambda page, rng: draw(page, value, rng), keeps_size
            )
            return image if may_be_idle and not source.changes() else Image(source)

        return replace(sample, images=[perturbed(image) for image in sample.images])

    return change


def blind(
    perturbation: Perturbation, sample: Sample, seed: int, donor: tuple[Image, ...]
) -> Sample:
    """Show a grey picture of the same size: what a model answers without looking."""
    del perturbation, seed, donor
    return replace(sample, images=[Image(GreyImage(image)) for image in sample.images])


def generator(key: str) -> RandomState:
    """Return numpy's generator of a key: the first four bytes of its SHA-256, big-endian."""
    from numpy.random import RandomState

    return RandomState(int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big"))


def png(picture: Picture) -> bytes:
    """Return a PNG file: no pixel is lost. Level 1, since noise hardly shrinks and time counts."""
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()
