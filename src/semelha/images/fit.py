"""Resize pictures to the input of a network, crop and normalize drawings, and encode small copies of pictures."""

from __future__ import annotations

import io
import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Fit = Literal["pad", "stretch", "crop", "ink"]


def as_image(picture: Image.Image | NDArray[np.uint8]) -> Image.Image:
    """An RGB image of Pillow, from one or from pixels (h, w, 3)."""
    return picture if isinstance(picture, Image.Image) else Image.fromarray(picture)


def fit(
    picture: Image.Image | NDArray[np.uint8],
    size: tuple[int, int],
    *,
    channels: int,
    mode: Fit = "pad",
    background: int = 255,
) -> NDArray[np.uint8]:
    """Resize an RGB picture with anti-aliasing, in training and in use: (height, width, channels) uint8.

    Parameters
    ----------
    picture : PIL image or (h, w, 3) uint8
        A large one is best passed as an image: it is then never copied in full.
    size : (height, width)
        Of the result.
    channels : {1, 3}
        1: luma of ITU-R 601.
    mode : {"pad", "stretch", "crop", "ink"}
        "pad" keeps the proportions and fills up with `background`; "stretch" does not keep them; "crop" keeps them and
        takes the center, the largest part that has the proportions of the result; "ink" stretches what `normalize_ink`
        returns.
    """
    image = as_image(normalize_ink(np.asarray(picture)) if mode == "ink" else picture)
    if channels == 1:
        image = image.convert("L")
    height, width = size
    if mode == "pad":
        shrink = min(width / image.width, height / image.height)
        inner = (max(1, round(image.width * shrink)), max(1, round(image.height * shrink)))
    else:
        inner = (width, height)
    if inner != image.size:
        box = _central_box(image.size, inner) if mode == "crop" else None
        image = image.resize(inner, Image.Resampling.LANCZOS, box, reducing_gap=3.0)
    out = np.full((height, width, channels), background, np.uint8)
    top, left = (height - inner[1]) // 2, (width - inner[0]) // 2
    out[top : top + inner[1], left : left + inner[0]] = np.asarray(image).reshape(inner[1], inner[0], channels)
    return out


def _central_box(size: tuple[int, int], target: tuple[int, int]) -> tuple[float, float, float, float]:
    """The largest box in the center of a picture that has the proportions of `target`; both are (width, height)."""
    share = min(size[0] / target[0], size[1] / target[1])
    width, height = (min(float(whole), share * part) for whole, part in zip(size, target, strict=True))
    left, top = (size[0] - width) / 2, (size[1] - height) / 2
    return left, top, min(left + width, size[0]), min(top + height, size[1])  # rounding may exceed the picture


TOLERANCE = 48
"""A pixel is ink if one of its channels differs by more than this from the background."""


def background_of(pixels: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The color (3,) that at least three of the four corners of a picture (h, w, 3) share, or None."""
    corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]].astype(np.int16)  # (4, 3)
    color = np.median(corners, axis=0).astype(np.int16)
    agree = (np.abs(corners - color) <= TOLERANCE).all(axis=1)
    return color.astype(np.uint8) if agree.sum() >= 3 else None


def without_background(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Crop a picture to its ink; it stays whole without an even background or without ink."""
    background = background_of(pixels)
    if background is None:
        return pixels
    ink = _ink(pixels, background)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        return pixels
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def normalize_ink(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Center the ink of a picture, and enlarge it half-way to the size of the picture: (h, w, 3) → (h', w', 3) uint8.

    Handwriting is normalized by its moments (Casey, IBM J. Res. Dev. 14, 1970), because people write at different
    sizes and positions: the center is the mean of the ink, its extent four standard deviations on each axis. Size and
    proportions also tell characters apart. Each side of the result is therefore the geometric mean of the ink's extent
    and the picture's side (the compromise of Liu et al., Pattern Recognition 37, 2004, for proportions). Beyond the
    border the background continues. A picture without an even background, or without ink, is not changed.
    """
    background = background_of(pixels)
    if background is None:
        return pixels
    ink = _ink(pixels, background)
    if not ink.any():
        return pixels
    top, bottom = _interval(ink.sum(axis=1))
    left, right = _interval(ink.sum(axis=0))
    out = np.empty((bottom - top, right - left, 3), np.uint8)
    out[:] = background
    part = pixels[max(0, top) : bottom, max(0, left) : right]
    out[max(0, -top) :, max(0, -left) :][: part.shape[0], : part.shape[1]] = part
    return out


def _ink(pixels: NDArray[np.uint8], background: NDArray[np.uint8]) -> NDArray[np.bool_]:
    ink: NDArray[np.bool_] = (np.abs(pixels.astype(np.int16) - background) > TOLERANCE).any(axis=2)
    return ink


def _interval(ink: NDArray[np.int64]) -> tuple[int, int]:
    """Start and end of the crop on an axis, from the amount of ink at each position."""
    positions = np.arange(len(ink)) + 0.5
    center = np.average(positions, weights=ink)
    extent = 4.4 * math.sqrt(np.average((positions - center) ** 2, weights=ink))  # a tenth of margin
    extent = max(extent, len(ink) / 8)  # bounds the enlargement of a thin stroke
    side = max(1, round(math.sqrt(len(ink) * extent)))
    start = math.floor(center - side / 2 + 0.5)
    return start, start + side


KEPT_SIDE = 512
"""Longest side, in pixels, of the copies that galleries keep."""


MAX_COLORS_OF_A_DRAWING = 256


def encode(picture: Image.Image | NDArray[np.uint8], *, max_side: int = KEPT_SIDE, quality: int = 90) -> bytes:
    """Encode a small copy of an RGB picture, a PIL image or (h, w, 3) uint8, as a WebP file without metadata.

    Drawings, of few colors, are encoded without loss, which also makes the smaller file.
    """
    image = as_image(picture)
    if max(image.size) > max_side:
        image = image.copy()
        image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    lossless = image.getcolors(MAX_COLORS_OF_A_DRAWING) is not None
    file = io.BytesIO()
    image.save(file, "WEBP", lossless=lossless, quality=quality, method=2)
    return file.getvalue()
