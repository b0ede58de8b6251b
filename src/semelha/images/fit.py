"""Resize pictures to the input of a network, and encode small copies of them."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semelha.images.ink import draw_closer

Fit = Literal["pad", "stretch", "ink"]


def fit(
    pixels: NDArray[np.uint8],
    size: tuple[int, int],
    *,
    channels: int,
    mode: Fit = "pad",
    background: int = 255,
) -> NDArray[np.uint8]:
    """The one preprocessing, in training and in use: grey or RGB, resized with anti-aliasing, padded.

    Parameters
    ----------
    pixels : (h, w, 3) uint8, RGB
    size : (height, width)
        Of the result.
    channels : {1, 3}
        1: luma of ITU-R 601.
    mode : {"pad", "stretch", "ink"}
        Keep the proportions and fill up with `background`, or not; or not, after going closer to what is drawn
        (`draw_closer`).

    Returns
    -------
    (height, width, channels) uint8
    """
    image = Image.fromarray(draw_closer(pixels) if mode == "ink" else pixels)
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


def encode(pixels: NDArray[np.uint8], *, max_side: int = KEPT_SIDE, quality: int = 90) -> bytes:
    """A small WebP file of the picture, without any metadata; lossless where that is smaller."""
    image = Image.fromarray(pixels)
    image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    files = []
    for lossless in (False, True):
        file = io.BytesIO()
        image.save(file, "WEBP", lossless=lossless, quality=100 if lossless else quality, method=2)
        files.append(file.getvalue())
    return min(files, key=len)
