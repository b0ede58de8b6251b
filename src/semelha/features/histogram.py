"""Conversion of pictures to color channels, histograms of them, and of the levels in each cell of a grid."""

from __future__ import annotations

from itertools import product
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semelha.arguments import check_bool, check_choice, check_float, check_int, check_pair
from semelha.errors import UsageError
from semelha.features.base import Features, check_dim

Color = Literal["grey", "rgb", "hsv", "lab"]
COLORS: tuple[Color, ...] = get_args(Color)
CHANNELS: dict[Color, tuple[str, ...]] = {
    "grey": ("grey",),
    "rgb": ("red", "green", "blue"),
    "hsv": ("hue", "saturation", "value"),
    "lab": ("lightness", "green-red", "blue-yellow"),
}
BLOCK = 1 << 21  # values counted at a time
LAB_BLOCK = 1 << 18  # pixels converted to Lab at a time

# IEC 61966-2-1 (sRGB): linear light of each level, and the primaries in CIE XYZ over the white of D65 (2°).
_LEVELS = np.arange(256) / 255
_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4).astype(np.float32)
_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
_OVER_WHITE = (_XYZ / np.array([[0.95047], [1.0], [1.08883]])).astype(np.float32)


def channels_of(pixels: NDArray[np.uint8], color: Color) -> NDArray[np.uint8]:
    """Convert pictures: (n, h, w, 3) RGB → (n, h, w, channels), uint8.

    Grey is the luma of ITU-R 601. Hue, saturation and value go from 0 to 255, the hue around the circle. Of CIE Lab
    (1976; sRGB, D65) L goes from 0 to 100 and becomes 0 to 255; a and b are raised by 128.
    """
    n, h, w, _ = pixels.shape
    if color == "rgb":
        return pixels
    if color == "lab":
        return _lab(pixels.reshape(-1, 3)).reshape(pixels.shape)
    mode, channels = ("L", 1) if color == "grey" else ("HSV", 3)
    tall = Image.fromarray(pixels.reshape(n * h, w, 3)).convert(mode)
    return np.asarray(tall).reshape(n, h, w, channels)


def _lab(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB to Lab: (n, 3) → (n, 3)."""
    out = np.empty_like(pixels)
    for start in range(0, len(pixels), LAB_BLOCK):
        rows = slice(start, start + LAB_BLOCK)
        relative = _LINEAR[pixels[rows]] @ _OVER_WHITE.T  # X, Y, Z over those of white
        f = np.where(relative > (6 / 29) ** 3, np.cbrt(relative), relative * ((29 / 6) ** 2 / 3) + 4 / 29)
        lightness = (116 * f[:, 1] - 16) * 2.55
        lab = np.stack([lightness, 500 * (f[:, 0] - f[:, 1]) + 128, 200 * (f[:, 1] - f[:, 2]) + 128], axis=1)
        out[rows] = np.clip(np.rint(lab), 0, 255)
    return out


class Histogram(Features):
    """Histogram of intensities or colors: positive numbers that sum to 1, for every metric of histograms.

    Swain & Ballard (Color indexing, IJCV 7, 1991). A row is one histogram over all bins of all channels and cells,
    smoothed: (count + α) / (sum of counts + α · bins).

    Parameters
    ----------
    color : {"grey", "rgb", "hsv", "lab"}
        See `channels_of`.
    bins : int
        Number of bins of each channel, of equal width: 2 to 256.
    joint : bool
        One histogram of all channels together, bins³ of them, instead of one of each channel beside the other.
    grid : (rows, columns)
        Cells, each with its own bins.
    alpha : float
        Smoothing α. With 0, bins may be empty, which some divergences do not take.
    """

    name = "histogram"

    def __init__(
        self,
        color: Color = "rgb",
        *,
        bins: int = 16,
        joint: bool = False,
        grid: tuple[int, int] = (1, 1),
        alpha: float = 1.0,
    ) -> None:
        self.color: Color = check_choice("color", color, COLORS)
        self.bins = check_int("bins", bins, 2, 256)
        self.joint = check_bool("joint", joint)
        self.grid = check_pair("grid", grid, 1, 64)
        self.alpha = check_float("alpha", alpha, 0, 1e6)
        if self.joint and color == "grey":
            raise UsageError("grey has one channel: a joint histogram needs several")
        channels = len(CHANNELS[self.color])
        self.levels = self.bins**channels if self.joint else self.bins
        self.dim = check_dim(self.grid[0] * self.grid[1] * self.levels * (1 if self.joint else channels))

    def _vectors(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        channels = channels_of(pixels, self.color)
        bin_of = np.arange(256) * self.bins // 256  # of each level
        if self.joint:
            weights = self.bins ** np.arange(channels.shape[3])[::-1]
            codes = sum(((bin_of * weight)[channels[..., i]] for i, weight in enumerate(weights)), start=np.int64(0))
            counts = counts_in_cells(np.asarray(codes)[..., None], self.levels, self.grid)
        else:
            first = np.searchsorted(bin_of, np.arange(self.bins))
            counts = np.add.reduceat(counts_in_cells(channels, 256, self.grid), first, axis=3)
        raised = counts.reshape(len(pixels), self.dim) + self.alpha
        histograms: NDArray[np.float32] = (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)
        return histograms


def counts_in_cells(values: NDArray[np.integer[Any]], levels: int, grid: tuple[int, int]) -> NDArray[np.int64]:
    """Count levels: (n, h, w, c), each from 0 to levels − 1 → (n, rows · columns, c, levels), cells row by row.

    A side is cut into parts that differ by at most one pixel. If it has fewer pixels than parts, parts share pixels.
    """
    n, h, w, c = values.shape
    rows, columns = _cuts(h, grid[0]), _cuts(w, grid[1])
    out = np.zeros((n, len(rows), len(columns), c, levels), np.int64)
    for y, (top, bottom) in enumerate(rows):
        for x, (left, right) in enumerate(columns):
            cell = values[:, top:bottom, left:right]  # (n, height, width, c)
            step = max(1, BLOCK // (cell[0].size + c * levels))
            high = max(1, BLOCK // (cell.shape[2] * c))  # rows of pixels: one large picture is counted in parts
            for start, top_row in product(range(0, n, step), range(0, bottom - top, high)):
                part = cell[start : start + step, top_row : top_row + high]
                place = np.arange(len(part) * c, dtype=np.int64).reshape(len(part), 1, 1, c) * levels
                found = np.bincount((place + part).ravel(), minlength=len(part) * c * levels)
                out[start : start + step, y, x] += found.reshape(len(part), c, levels)
    return out.reshape(n, len(rows) * len(columns), c, levels)


def _cuts(size: int, parts: int) -> list[tuple[int, int]]:
    """Start and end of each part; each has at least one pixel."""
    return [(i * size // parts, max(i * size // parts + 1, (i + 1) * size // parts)) for i in range(parts)]
