"""The cells `image` and `images` of a row become `Image` values."""

import base64
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from sgleval.dataset.rows import Row
from sgleval.digests import real_path
from sgleval.errors import UserError
from sgleval.sample import Image


class ImageCells:
    """Reads image cells for one pass over a source.

    A cell is a path (inside `folder`, or absolute where there is none), bytes, a data URL, or a
    struct of bytes and path as Hugging Face `datasets` writes it. Whether the file exists and is an
    image is for the scan. Neighbouring rows with one path share one `Image`, and so its digest.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._inside = None if folder is None else f"{folder.resolve()}{os.sep}"
        self._path = lru_cache(maxsize=1024)(self._located)

    def converted(self, row: Row) -> Row:
        """Return the row with images in `image` and a list of images in `images`.

        Raises:
            UserError: a cell is no image or leads outside the folder; the caller knows the row.
        """
        one, several = row.get("image"), row.get("images")
        row = dict(row)
        if one is not None:
            row["image"] = self._image(one)
        if several is not None:
            cells = several if isinstance(several, (list, tuple)) else [several]
            row["images"] = [self._image(cell) for cell in cells]
        return row

    def _image(self, cell: Any) -> Image:
        match cell:
            case str() if cell.startswith("data:"):
                return _data_url(cell)
            case str() if cell.startswith(("http://", "https://")):
                raise UserError(f"image {cell!r:.60} is on the network; save it beside the rows")
            case str() | Path():
                return self._path(str(cell))
            case Image():
                return cell
            case bytes() | bytearray():
                return Image(bytes(cell))
            case {"bytes": bytes(content)}:
                return Image(content)
            case {"path": str(path)}:
                return self._path(path)
            case _:
                raise UserError(f"image is {cell!r:.60}; give a path, bytes or a data URL")

    def _located(self, cell: str) -> Image:
        if self._folder is None or self._inside is None:
            if not Path(cell).is_absolute():
                raise UserError(f"image {cell!r:.60} is relative; a generator gives absolute paths")
            return Image(Path(cell))
        path = self._folder / cell
        try:
            inside = f"{real_path(path)}{os.sep}".startswith(self._inside)
        except (OSError, ValueError, RuntimeError) as error:  # a NUL, a loop of links
            raise UserError(f"image {cell!r:.60} is no path: {error}") from error
        if not inside:
            raise UserError(f"image {cell!r:.60} lies outside {self._folder}; put it in there")
        return Image(path)


def _data_url(cell: str) -> Image:
    head, comma, body = cell.partition(",")
    message = f"image {cell!r:.40} is a broken data URL; write data:image/png;base64,..."
    if not comma or not head.endswith(";base64"):
        raise UserError(message)
    try:
        return Image(base64.b64decode(body, validate=True))
    except ValueError as error:
        raise UserError(message) from error
