"""Saliency maps by occlusion: how the distance to a reference changes if a part of the picture is hidden.

Zeiler & Fergus, Visualizing and Understanding Convolutional Networks (2014), with distances in place of class scores.
It only needs vectors, so it works for every embedder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from semelha.errors import UsageError
from semelha.metrics import Metric

Pixels = NDArray[np.uint8]
Fill = Literal["blur", "mean"]
BATCH = 32  # pictures embedded at a time


@dataclass(frozen=True, eq=False)
class SaliencyMaps:
    """One map per reference, on a grid of square cells from the upper left corner of the picture.

    Attributes
    ----------
    cell : int
        Side of a cell in pixels; cells at the right and bottom border may be cut.
    increases : (references, rows, columns) float64
        How much the distance to each reference grows if the cell is hidden; negative if it shrinks.
    """

    cell: int
    increases: NDArray[np.float64]


def occlusion_saliency(
    embed: Callable[[Sequence[Pixels]], NDArray[np.float32]],
    metric: Metric,
    pixels: Pixels,
    references: NDArray[np.float32],
    *,
    cells: int = 10,
    fill: Fill = "blur",
) -> SaliencyMaps:
    """Hide each part of a picture in turn, and measure how the distances to references change.

    A window of two by two cells slides by one cell, also over the border, so that four windows hide each cell; the map
    has the mean of the four changes.

    `embed` computes vectors (n, d) from pictures (h, w, 3). The distance is measured to `references`, (references, d).
    `cells` is their number along the longer side. A hidden part is replaced by the picture, strongly blurred, or by its
    mean color. Raises `UsageError` if `cells` is below 1, `fill` is unknown, or a distance is not finite.
    """
    if cells < 1:
        raise UsageError(f"cells is {cells}: it must be 1 or more")
    height, width = pixels.shape[:2]
    cell = -(-max(height, width) // cells)
    rows, columns = -(-height // cell), -(-width // cell)
    hidden = _hidden(pixels, cell, rows, columns, _filled(pixels, fill, 2 * cell))
    vectors = [embed([pixels])]
    while block := list(islice(hidden, BATCH)):
        vectors.append(embed(block))
    distances = metric.pairwise(np.concatenate(vectors).astype(np.float64), references.astype(np.float64))
    if not np.isfinite(distances).all():
        raise UsageError("a distance to the picture is not finite, so its changes cannot be measured")
    increases = (distances[1:] - distances[0]).T.reshape(-1, rows + 1, columns + 1)  # per window
    over = [increases[:, top : top + rows, left : left + columns] for top in (0, 1) for left in (0, 1)]
    return SaliencyMaps(cell, np.mean(over, axis=0))


def _hidden(pixels: Pixels, cell: int, rows: int, columns: int, filled: Pixels) -> Iterator[Pixels]:
    """The picture with each window hidden, row by row; the first and last of each row reach over the border."""
    for bottom in range(1, rows + 2):
        for right in range(1, columns + 2):
            top, left = max(0, bottom - 2), max(0, right - 2)
            window = np.s_[top * cell : bottom * cell, left * cell : right * cell]
            changed = pixels.copy()
            changed[window] = filled[window]
            yield changed


def _filled(pixels: Pixels, fill: Fill, radius: int) -> Pixels:
    """The picture with every part hidden."""
    if fill == "blur":
        return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))
    if fill == "mean":
        return np.broadcast_to(np.rint(pixels.mean(axis=(0, 1))).astype(np.uint8), pixels.shape)
    raise UsageError(f"fill is {fill!r}: it must be 'blur' or 'mean'")
