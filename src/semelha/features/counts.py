"""How often each level occurs in each cell of a grid, for many pictures at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 21  # values that are counted at a time


def counts_in_cells(values: NDArray[np.integer[Any]], levels: int, grid: tuple[int, int]) -> NDArray[np.int64]:
    """(n, h, w, c), each from 0 to levels − 1, → (n, rows · columns, c, levels), cells row by row.

    A side is cut into parts that differ by a pixel at most. Where it has fewer pixels than parts, some pixels are in
    several.
    """
    n, h, w, c = values.shape
    rows, columns = _cuts(h, grid[0]), _cuts(w, grid[1])
    out = np.empty((n, len(rows), len(columns), c, levels), np.int64)
    for y, (top, bottom) in enumerate(rows):
        for x, (left, right) in enumerate(columns):
            cell = values[:, top:bottom, left:right]  # (n, height, width, c)
            step = max(1, BLOCK // (cell[0].size + c * levels))
            for start in range(0, n, step):
                part = cell[start : start + step]
                place = np.arange(len(part) * c, dtype=np.int64).reshape(len(part), 1, 1, c) * levels
                found = np.bincount((place + part).ravel(), minlength=len(part) * c * levels)
                out[start : start + step, y, x] = found.reshape(len(part), c, levels)
    return out.reshape(n, len(rows) * len(columns), c, levels)


def _cuts(size: int, parts: int) -> list[tuple[int, int]]:
    """Where each part begins and ends; each has a pixel."""
    return [(i * size // parts, max(i * size // parts + 1, (i + 1) * size // parts)) for i in range(parts)]
