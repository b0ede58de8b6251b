"""Histograms of oriented gradients: the shape of a thing by its edges."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.errors import UsageError
from semelha.features.base import Features, limited, one_of, pair, whole
from semelha.images import fit


class HOG(Features):
    """Histograms of oriented gradients, of cells, normalized by blocks (Dalal & Triggs, CVPR 2005).

    As `skimage.feature.hog`: unsigned gradients, each pixel in one bin, blocks at every cell normalized by L2-Hys. A
    picture is first fitted into `size`, with its proportions kept.

    Parameters
    ----------
    size : (height, width)
    orientations : int
        Bins of the half circle.
    cell : int
        Side of a cell in pixels.
    block : int
        Side of a block in cells.
    channels : {1, 3}
        Grey, or of RGB at each pixel the channel with the largest gradient.

    Raises
    ------
    UsageError
        An argument that cannot be right, such as a block that is larger than the picture.
    """

    name = "hog"

    def __init__(
        self,
        size: tuple[int, int] = (64, 64),
        *,
        orientations: int = 9,
        cell: int = 8,
        block: int = 2,
        channels: int = 1,
    ) -> None:
        self.size = pair("size", size, 4, 1024)
        self.orientations = whole("orientations", orientations, 1, 360)
        self.cell = whole("cell", cell, 1, 512)
        self.block = whole("block", block, 1, 64)
        self.channels = one_of("channels", channels, (1, 3))
        down, across = (side // self.cell - self.block + 1 for side in self.size)
        if down < 1 or across < 1:
            raise UsageError(
                f"a block of {self.block} × {self.block} cells of {self.cell} pixels does not fit into "
                f"{self.size[0]} × {self.size[1]}"
            )
        self.dim = limited(down * across * self.block**2 * self.orientations)

    def arguments(self) -> dict[str, Any]:
        return {
            "size": list(self.size),
            "orientations": self.orientations,
            "cell": self.cell,
            "block": self.block,
            "channels": self.channels,
        }

    def _vectors(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        from skimage.feature import hog  # a tenth of a second, for those who ask for it

        out = np.empty((len(pixels), self.dim), np.float32)
        for number, picture in enumerate(pixels):
            fitted = fit(picture, self.size, channels=self.channels).astype(np.float64) / 255
            out[number] = hog(
                fitted,
                orientations=self.orientations,
                pixels_per_cell=(self.cell, self.cell),
                cells_per_block=(self.block, self.block),
                block_norm="L2-Hys",
                feature_vector=True,
                channel_axis=-1,
            )
        return out
