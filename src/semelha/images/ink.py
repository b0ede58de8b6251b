"""What is drawn on an even background, and where."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 48
"""A pixel is ink where a channel is farther than this from the background."""


def background_of(pixels: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The color (3,) on which at least three of the four corners of (h, w, 3) agree, or None."""
    corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]].astype(np.int16)  # (4, 3)
    color = np.median(corners, axis=0).astype(np.int16)
    agree = (np.abs(corners - color) <= TOLERANCE).all(axis=1)
    return color.astype(np.uint8) if agree.sum() >= 3 else None


def without_background(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The smallest box of all that is drawn, or the whole picture where there is no even background or no ink."""
    background = background_of(pixels)
    if background is None:
        return pixels
    ink = _ink(pixels, background)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        return pixels
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def draw_closer(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What is drawn, in the middle, and half-way from the size that it has to the size of the picture.

    One person writes large and in a corner, another small and in the middle. Handwriting is therefore normalized by
    its moments (Casey, IBM J. Res. Dev. 14, 1970): the middle is the mean of the ink, its extent four standard
    deviations, on each axis. But size and proportions also tell one character from another, so that each side of the
    result is the geometric mean of the ink's extent and the picture's side (the compromise of Liu et al., Pattern
    Recognition 37, 2004, for proportions). Beyond the border the background goes on. A picture without an even
    background, or without ink, stays as it is.

    Parameters
    ----------
    pixels : (h, w, 3) uint8

    Returns
    -------
    (h', w', 3) uint8
    """
    background = background_of(pixels)
    if background is None:
        return pixels
    ink = _ink(pixels, background)
    if not ink.any():
        return pixels
    top, bottom = _span(ink.sum(axis=1))
    left, right = _span(ink.sum(axis=0))
    out = np.empty((bottom - top, right - left, 3), np.uint8)
    out[:] = background
    part = pixels[max(0, top) : bottom, max(0, left) : right]
    out[max(0, -top) :, max(0, -left) :][: part.shape[0], : part.shape[1]] = part
    return out


def _ink(pixels: NDArray[np.uint8], background: NDArray[np.uint8]) -> NDArray[np.bool_]:
    ink: NDArray[np.bool_] = (np.abs(pixels.astype(np.int16) - background) > TOLERANCE).any(axis=2)
    return ink


def _span(ink: NDArray[np.int64]) -> tuple[int, int]:
    """Where to begin and to end on an axis with so much ink at each place."""
    places = np.arange(len(ink)) + 0.5
    middle = np.average(places, weights=ink)
    extent = 4.4 * math.sqrt(np.average((places - middle) ** 2, weights=ink))  # a tenth of margin
    side = max(1, round(math.sqrt(len(ink) * max(extent, len(ink) / 8))))  # a thin stroke is not spread without end
    start = math.floor(middle - side / 2 + 0.5)
    return start, start + side
