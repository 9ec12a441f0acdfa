"""Sample and Image: one question about one or more images, before any model has seen it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sgleval.digests import file_digest

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage


@dataclass(frozen=True)
class Image:
    """An image that is read when it is needed: a file's path, or the original bytes."""

    source: Path | bytes = field(repr=False)

    @property
    def bytes(self) -> bytes:
        """The original bytes; a path is read again each time, so that no batch fills the memory."""
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the original bytes in hex; a file's is kept by path, size and time."""
        if isinstance(self.source, bytes):
            return hashlib.sha256(self.source).hexdigest()
        return file_digest(self.source)

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, from the header alone.

        Raises:
            OSError: the file cannot be read or is no image.
        """
        with self._open() as picture:
            return picture.size

    def pil(self) -> PillowImage:
        """Return the decoded picture, rotated as its EXIF says, as a new Pillow image."""
        from PIL import ImageOps

        with self._open() as picture:
            return ImageOps.exif_transpose(picture)

    def _open(self) -> PillowImage:
        import PIL.Image

        source = self.source
        return PIL.Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)


@dataclass(frozen=True, slots=True)
class Sample:
    """One question about one or more images.

    Lists may be given where tuples are kept. `ValueError` names a field of the wrong shape; whether the
    texts make sense (an empty question, no answers) is for the dataset's check, which knows the row.
    """

    id: str
    images: Sequence[Image]
    question: str
    answers: Sequence[str]
    """Every accepted answer; the best one counts."""
    choices: Sequence[str] = ()
    """The options' texts, lettered A, B, C … in this order."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """What groups samples in tables, and what a program may take as a parameter."""

    def __post_init__(self) -> None:
        for name, of in (("images", Image), ("answers", str), ("choices", str)):
            value = getattr(self, name)
            if isinstance(value, (str, bytes)) or not all(isinstance(item, of) for item in value):
                raise ValueError(f"{name} is {value!r:.80}; give a list of {of.__name__}")
            object.__setattr__(self, name, tuple(value))
        for name in ("id", "question"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} is {getattr(self, name)!r:.80}; give a str")
        tags = {str(tag): str(value) for tag, value in self.tags.items() if value is not None}
        object.__setattr__(self, "tags", tags)
