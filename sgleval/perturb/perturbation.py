"""Perturbation: a named, versioned and seeded change of a sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sgleval.sample import Image, Sample

Value = float | int | str
Change = Callable[["Perturbation", Sample, int, tuple[Image, ...]], Sample | None]
"""`(perturbation, sample, seed, donor)` returns the copy, or None where nothing would change."""


@dataclass(frozen=True)
class Perturbation:
    """A pure function of a sample and a seed that makes a copy with the same id.

    The copy keeps every image, option, answer and tag that is not changed on purpose. Definitions
    are those of version 1; a changed definition is a new version, since full names stand in keys of
    stored answers.
    """

    name: str
    family: str
    """`robustness`, `fairness`, `image`, `choices` or `baseline`."""
    change: Change = field(repr=False, compare=False)
    parameters: Mapping[str, Value] = field(default_factory=dict)
    version: int = 1
    needs_donor: bool = False
    """Whether `apply` takes another sample's images, which `donors` chooses."""
    rewrites: bool = False
    """Whether answers or options may change: scoring a stored answer has to apply it again."""

    def __hash__(self) -> int:
        return hash(self.full_name)

    @property
    def full_name(self) -> str:
        """What stands in tables and keys, such as `gaussian_blur@1(severity=3)`."""
        given = ",".join(f"{name}={shown(value)}" for name, value in self.parameters.items())
        return f"{self.name}@{self.version}" + (f"({given})" if given else "")

    def key(self, seed: int, id: str) -> str:
        """Return what seeds the generator of one sample or image.

        Parameters are not in it, so that a larger one changes more of the same.
        """
        return f"{seed}:{self.name}@{self.version}:{id}"

    def apply(self, sample: Sample, seed: int, donor: tuple[Image, ...] = ()) -> Sample | None:
        """Return the perturbed copy, or None where it would be as the sample is: not to be sent.

        Images of the copy are drawn when they are read, so applying it decodes nothing; only
        `crop_margin` and `grayscale` have to look whether there is something to change.

        Raises:
            UserError: a user's own function failed, or the perturbation is known by name only.
            ValueError: it needs a donor and got none.
        """
        copy = self.change(self, sample, seed, donor)
        return None if copy is None or copy == sample else copy


def shown(value: Value) -> str:
    """Return a parameter as it stands in full names.

    >>> shown(1.0), shown(0.25), shown(3), shown("male")
    ('1', '0.25', '3', 'male')
    """
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value)
