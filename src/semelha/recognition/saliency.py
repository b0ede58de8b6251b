"""Which parts of a picture bring it near to others: what happens to the distance where a part is hidden.

Zeiler & Fergus, Visualizing and Understanding Convolutional Networks (2014), with distances in place of classes. It
asks nothing of the embedder but vectors, and so explains a network, features and models of models alike.
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
Window = tuple[slice, slice]
EMBEDDED = 32  # pictures at a time


@dataclass(frozen=True, eq=False)
class SaliencyMaps:
    """How much each part of a picture counts, on a grid of square cells from its upper left corner.

    Attributes
    ----------
    cell : int
        Side of a cell, in pixels; those at the right and at the bottom may be cut.
    increases : (references, rows, columns) float64
        How much farther the picture is from each reference where the part is hidden, in the unit of the metric. Below
        0: it is nearer.
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
    """Hide each part of a picture in turn, and see how the distances to some references change.

    A window of two by two cells slides by one cell, also over the border, so that each cell is hidden by four windows;
    it counts as the mean of what these do.

    Parameters
    ----------
    embed : callable
        From a list of pictures (h, w, 3) to vectors (n, d).
    metric : Metric
    pixels : (h, w, 3) uint8
    references : (references, d) float32
        Vectors of what the picture is compared with.
    cells : int
        Along the longer side.
    fill : {"blur", "mean"}
        What a window shows: the picture, so blurred that nothing is left but its colors there; or its mean color.

    Raises
    ------
    UsageError
        There is no such number of cells or fill, or a distance is not finite, so that it cannot rise.
    """
    if cells < 1:
        raise UsageError(f"cells is {cells}: a picture has at least one part")
    height, width = pixels.shape[:2]
    cell = -(-max(height, width) // cells)
    rows, columns = -(-height // cell), -(-width // cell)
    hidden = _hidden(pixels, _windows(cell, rows, columns), _filled(pixels, fill, 2 * cell))
    vectors = [embed([pixels])]
    while block := list(islice(hidden, EMBEDDED)):
        vectors.append(embed(block))
    distances = metric.pairwise(np.concatenate(vectors).astype(np.float64), references.astype(np.float64))
    if not np.isfinite(distances).all():
        raise UsageError("a distance is not finite: what changes it cannot be told")
    increases = (distances[1:] - distances[0]).T.reshape(-1, rows + 1, columns + 1)  # of each window
    over = [increases[:, top : top + rows, left : left + columns] for top in (0, 1) for left in (0, 1)]
    return SaliencyMaps(cell, np.mean(over, axis=0))


def _windows(cell: int, rows: int, columns: int) -> Iterator[Window]:
    """Row by row; the first of each hangs over the border."""
    for bottom in range(1, rows + 2):
        for right in range(1, columns + 2):
            yield (
                slice(max(0, (bottom - 2) * cell), bottom * cell),
                slice(max(0, (right - 2) * cell), right * cell),
            )


def _hidden(pixels: Pixels, windows: Iterator[Window], filled: Pixels) -> Iterator[Pixels]:
    for window in windows:
        changed = pixels.copy()
        changed[window] = filled[window]
        yield changed


def _filled(pixels: Pixels, fill: Fill, radius: int) -> Pixels:
    """What is seen of the picture where it is hidden."""
    if fill == "blur":
        return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))
    if fill == "mean":
        return np.broadcast_to(np.rint(pixels.mean(axis=(0, 1))).astype(np.uint8), pixels.shape)
    raise UsageError(f"there is no fill {fill!r}: it is 'blur' or 'mean'")
