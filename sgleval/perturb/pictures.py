"""What may befall a picture of a document on its way to the model: functions of its pixels.

Each takes a picture of mode L or RGB, one number and a numpy `RandomState`, and returns a picture
of the same mode; the size stays, except for `rotate` and `crop_margin`. Draws do not depend on the
number, so that a higher severity is more of the same.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

from PIL import Image
from PIL.Image import Resampling, Transform

if TYPE_CHECKING:
    from numpy.random import RandomState

Picture = Image.Image

HALF = 0.5
"""A coin."""
SHORT_SIDE = 1000
"""Lengths are given in pixels of a page whose shorter side has so many."""
BLANK = 16
"""Levels by which blank paper may differ from the paper's colour: its texture, JPEG's ripples."""


def prepared(picture: Picture) -> Picture:
    """Return the picture in mode L or RGB, without its file's extras; transparency on white."""
    if picture.has_transparency_data:
        page = Image.new("RGBA", picture.size, "white")
        page.alpha_composite(picture.convert("RGBA"))
        picture = page
    elif picture.mode.startswith("I;16"):
        picture = _sixteen_bits(picture)
    plain = picture.convert("L" if picture.mode in {"1", "L"} else "RGB")
    plain.info.clear()  # a saved PNG would repeat a colour profile, a resolution
    return plain


def rotate(picture: Picture, degrees: float, rng: RandomState) -> Picture:
    """Turn by `degrees` to a drawn side, bicubic; the canvas grows, corners in paper colour."""
    side = 1 if rng.random_sample() < HALF else -1
    return picture.rotate(
        side * degrees, Resampling.BICUBIC, expand=True, fillcolor=paper_colour(picture)
    )


def perspective(picture: Picture, share: float, rng: RandomState) -> Picture:
    """Move each corner inwards by a drawn part of `share` of the shorter side, in x and in y."""
    import numpy as np

    width, height = picture.size
    reach = share * min(width, height)
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=float)
    inwards = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
    moved = corners + inwards * rng.random_sample((4, 2)) * reach
    rows, wanted = [], []
    for (x, y), (u, v) in zip(moved, corners, strict=True):
        rows += [(x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y)]
        wanted += [u, v]
    back = np.linalg.solve(np.array(rows), np.array(wanted)).tolist()
    return picture.transform(
        picture.size,
        Transform.PERSPECTIVE,
        back,
        Resampling.BICUBIC,
        fillcolor=paper_colour(picture),
    )


def gaussian_blur(picture: Picture, sigma: float, rng: RandomState) -> Picture:
    """Blur by `sigma` pixels at a short side of 1,000: out of focus.

    Pillow's three box filters have that standard deviation also where it is less than a pixel.
    """
    from PIL import ImageFilter

    del rng
    return picture.filter(ImageFilter.GaussianBlur(sigma * min(picture.size) / SHORT_SIDE))


def downscale(picture: Picture, factor: float, rng: RandomState) -> Picture:
    """Shrink by a box filter and return to the size by a bicubic one: image tokens stay as many."""
    del rng
    width, height = picture.size
    small = (max(1, round(width * factor)), max(1, round(height * factor)))
    return picture.resize(small, Resampling.BOX).resize(picture.size, Resampling.BICUBIC)


def jpeg(picture: Picture, quality: float, rng: RandomState) -> Picture:
    """Compress as JPEG (colours 4:2:0) and decode again."""
    del rng
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=int(quality), subsampling="4:2:0")
    with Image.open(file) as opened:
        return opened.convert(picture.mode)


def gaussian_noise(picture: Picture, sigma: float, rng: RandomState) -> Picture:
    """Add normal noise of `sigma` levels of 255, the same value in all channels."""
    noise = rng.standard_normal((picture.height, picture.width, 1)).astype("float32")
    return _drawn(_pixels(picture) + sigma * noise, picture)


def salt_pepper(picture: Picture, share: float, rng: RandomState) -> Picture:
    """Make a share of the pixels black or white, half and half."""
    import numpy as np

    hit, which = rng.random_sample((2, picture.height, picture.width, 1))
    spots = np.float32(255) * (which < HALF)
    return _drawn(np.where(hit < share, spots, _pixels(picture)), picture)


def brightness(picture: Picture, factor: float, rng: RandomState) -> Picture:
    """Multiply every level: under-exposed below 1."""
    del rng
    return _drawn(_pixels(picture) * factor, picture)


def contrast(picture: Picture, factor: float, rng: RandomState) -> Picture:
    """Pull every level towards the mean of the picture's luminance: faded print."""
    del rng
    mean = float(_pixels(picture.convert("L")).mean(dtype=float))
    return _drawn(mean + (_pixels(picture) - mean) * factor, picture)


def shadow(picture: Picture, strength: float, rng: RandomState) -> Picture:
    """Darken along a drawn direction, linearly from 1 to 1 - `strength`."""
    import numpy as np

    angle = 2 * math.pi * rng.random_sample()
    y, x = np.mgrid[: picture.height, : picture.width].astype(np.float32)
    along = x * math.cos(angle) + y * math.sin(angle)
    along -= along.min()
    depth = along / max(float(along.max()), 1.0)
    return _drawn(_pixels(picture) * (1 - strength * depth)[:, :, None], picture)


def crop_margin(picture: Picture, share: float, rng: RandomState) -> Picture:
    """Cut off a share of the blank margin on each side, never a pixel of ink.

    Blank is what differs from the paper's colour by at most 16 levels in every channel; a page
    without any ink has no margin.
    """
    del rng
    left, top, right, bottom = (int(share * blank) for blank in margins(picture))
    return picture.crop((left, top, picture.width - right, picture.height - bottom))


def grayscale(picture: Picture, value: float, rng: RandomState) -> Picture:
    """Keep the luminance alone; of an RGB picture in all three channels."""
    del value, rng
    return picture.convert("L").convert(picture.mode)


def margins(picture: Picture) -> tuple[int, int, int, int]:
    """Return how many lines of pixels are blank at the left, top, right and bottom."""
    import numpy as np

    paper = np.array(paper_colour(picture), dtype=np.float32).reshape(1, 1, -1)
    ink = (np.abs(_pixels(picture) - paper) > BLANK).any(axis=2)
    columns, rows = np.flatnonzero(ink.any(axis=0)), np.flatnonzero(ink.any(axis=1))
    if not len(rows):
        return (0, 0, 0, 0)
    return (
        int(columns[0]),
        int(rows[0]),
        picture.width - 1 - int(columns[-1]),
        picture.height - 1 - int(rows[-1]),
    )


def paper_colour(picture: Picture) -> tuple[int, ...]:
    """Return the median colour of the border, which is a hundredth of the short side wide."""
    import numpy as np

    pixels = _pixels(picture)
    wide = max(1, min(picture.size) // 100)
    sides = (pixels[:wide], pixels[-wide:], pixels[:, :wide], pixels[:, -wide:])
    border = np.concatenate([side.reshape(-1, pixels.shape[2]) for side in sides])
    return tuple(int(level) for level in np.median(border, axis=0))


def _pixels(picture: Picture) -> Any:
    """Return the levels as float32 of shape (height, width, channels)."""
    import numpy as np

    return np.asarray(picture, dtype=np.float32).reshape(picture.height, picture.width, -1)


def _drawn(pixels: Any, like: Picture) -> Picture:
    """Return levels of shape (height, width, channels) as a picture, rounded and clipped."""
    import numpy as np

    levels = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return Image.fromarray(levels[:, :, 0] if like.mode == "L" else levels)


def _sixteen_bits(picture: Picture) -> Picture:
    """Return a picture of 16 bits a pixel as one of 8, which Pillow would clip."""
    import numpy as np

    return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
