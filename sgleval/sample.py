"""Sample and Image: one question about one or more images, before any model has seen it."""

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sgleval.digests import file_digest

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

EXIF_ORIENTATION = 0x0112
QUARTER_TURNS = range(5, 9)
"""The orientations that swap width and height."""


class Drawn(Protocol):
    """What draws an image's bytes only when they are read, such as a perturbed copy."""

    @property
    def digest(self) -> str:
        """64 hex digits that stand for the bytes, known without drawing them."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels; what is drawn stands upright."""

    def read_bytes(self) -> bytes:
        """Return the bytes of a file of the picture, the same each time."""


@dataclass(frozen=True)
class Image:
    """An image that is read when it is needed: a file's path, the original bytes, or a drawing."""

    source: Path | bytes | Drawn = field(repr=False)

    @property
    def bytes(self) -> bytes:
        """The original bytes; a path is read again each time, so that no batch fills the memory."""
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the original bytes in hex; a file's is kept by path, size and time."""
        if isinstance(self.source, bytes):
            return hashlib.sha256(self.source).hexdigest()
        return file_digest(self.source) if isinstance(self.source, Path) else self.source.digest

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, from the header alone.

        Raises:
            OSError: the file cannot be read or is no image.
        """
        if not isinstance(self.source, (bytes, Path)):
            return self.source.size
        with self._open() as picture:
            return picture.size

    @cached_property
    def shown_size(self) -> tuple[int, int]:
        """Width and height of what `pil` returns, from the header alone; raises as `size` does."""
        import PIL.Image

        if not isinstance(self.source, (bytes, Path)):
            return self.source.size
        with self._open() as picture:
            exif = PIL.Image.Image.getexif(picture)  # a PNG's own reads to the file's end
        turned = exif.get(EXIF_ORIENTATION, 1) in QUARTER_TURNS
        return (self.size[1], self.size[0]) if turned else self.size

    def pil(self) -> "PillowImage":
        """Return the decoded picture, rotated as its EXIF says, as a new Pillow image."""
        from PIL import ImageOps

        with self._open() as picture:
            return ImageOps.exif_transpose(picture)

    def _open(self) -> "PillowImage":
        import PIL.Image

        source = self.source
        return PIL.Image.open(source if isinstance(source, Path) else io.BytesIO(self.bytes))


@dataclass(frozen=True, slots=True)
class Sample:
    """One question about one or more images.

    Lists may be given where tuples are kept. `TypeError` names a field of the wrong shape; whether
    the texts make sense (an empty question, no answers) is for the dataset's scan, which knows the
    row.
    """

    id: str
    images: Sequence[Image]
    question: str
    answers: Sequence[str]
    """Every accepted answer; the best one counts."""
    choices: Sequence[str] = ()
    """The options' texts, lettered A, B, C … in this order."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """What groups samples in tables, and what a program may take as a parameter.

    Values are kept as `str`, booleans as "true" and "false"; None is an absent tag.
    """

    def __post_init__(self) -> None:
        for name in ("id", "question"):
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"{name} is {getattr(self, name)!r:.80}; give a str")
        object.__setattr__(self, "images", _tuple("images", self.images, Image))
        object.__setattr__(self, "answers", _tuple("answers", self.answers, str))
        object.__setattr__(self, "choices", _tuple("choices", self.choices, str))
        if not isinstance(self.tags, (dict, Mapping)):  # a dict is known at once
            raise TypeError(f"tags is {self.tags!r:.80}; give a dict")
        tags = {str(tag): plain(value) for tag, value in self.tags.items() if value is not None}
        object.__setattr__(self, "tags", tags)


def plain(value: Any) -> str:
    """Return a scalar as text, as JSON writes booleans.

    >>> plain(True), plain(3)
    ('true', '3')
    """
    return str(value).lower() if isinstance(value, bool) else str(value)


def _tuple(name: str, value: Any, of: type) -> tuple[Any, ...]:
    if isinstance(value, (list, tuple, Iterable)) and not isinstance(value, (str, bytes)):
        kept = tuple(value)
        for item in kept:
            if not isinstance(item, of):
                break
        else:
            return kept
    raise TypeError(f"{name} is {value!r:.80}; give a list of {of.__name__}")
