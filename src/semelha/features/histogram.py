"""Histograms of intensity and color, and of the levels in each cell of a grid."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.arguments import check_bool, check_choice, check_float, check_int, check_pair
from semelha.errors import UsageError
from semelha.features.base import Features, check_dim
from semelha.features.color import CHANNELS, COLORS, Color, channels_of

BLOCK = 1 << 21  # values counted at a time


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

    Raises
    ------
    UsageError
        An argument has a wrong type or value, or there are more than 65,536 bins in all.
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
