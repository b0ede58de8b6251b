"""Histograms of the levels in each cell of a grid, for many pictures at once."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 21  # values counted at a time


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
