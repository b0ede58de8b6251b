"""Resize pictures to the input of a network, and encode small copies of them."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semelha.images.ink import normalize_ink

Fit = Literal["pad", "stretch", "ink"]


def fit(
    pixels: NDArray[np.uint8],
    size: tuple[int, int],
    *,
    channels: int,
    mode: Fit = "pad",
    background: int = 255,
) -> NDArray[np.uint8]:
    """Resize a picture with anti-aliasing, pad it, and convert it to grey if wanted; in training and in use.

    Parameters
    ----------
    pixels : (h, w, 3) uint8, RGB
    size : (height, width)
        Of the result.
    channels : {1, 3}
        1: luma of ITU-R 601.
    mode : {"pad", "stretch", "ink"}
        "pad" keeps the proportions and fills up with `background`; "stretch" does not keep them; "ink" stretches what
        `normalize_ink` returns.

    Returns
    -------
    (height, width, channels) uint8
    """
    image = Image.fromarray(normalize_ink(pixels) if mode == "ink" else pixels)
    if channels == 1:
        image = image.convert("L")
    height, width = size
    if mode == "pad":
        shrink = min(width / image.width, height / image.height)
        inner = (max(1, round(image.width * shrink)), max(1, round(image.height * shrink)))
    else:
        inner = (width, height)
    if inner != image.size:
        image = image.resize(inner, Image.Resampling.LANCZOS, reducing_gap=3.0)
    out = np.full((height, width, channels), background, np.uint8)
    top, left = (height - inner[1]) // 2, (width - inner[0]) // 2
    out[top : top + inner[1], left : left + inner[0]] = np.asarray(image).reshape(inner[1], inner[0], channels)
    return out


KEPT_SIDE = 512
"""Longest side, in pixels, of the copies that galleries keep."""


MOST_COLORS_OF_A_DRAWING = 256


def encode(pixels: NDArray[np.uint8], *, max_side: int = KEPT_SIDE, quality: int = 90) -> bytes:
    """Encode a small copy of a picture as a WebP file without metadata.

    Drawings, of few colors, are encoded without loss, which also makes the smaller file.
    """
    image = Image.fromarray(pixels)
    image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    lossless = image.getcolors(MOST_COLORS_OF_A_DRAWING) is not None
    file = io.BytesIO()
    image.save(file, "WEBP", lossless=lossless, quality=quality, method=2)
    return file.getvalue()
