"""Features of shape, from a resized picture: raw pixels, a baseline for learned models, and histograms of gradients."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from semelha.arguments import check_bool, check_choice, check_int, check_pair
from semelha.errors import UsageError
from semelha.features.base import Features, check_dim
from semelha.images import fit, without_background


class RawPixels(Features):
    """The pixels of a resized picture, on the scale 0..1.

    On the test scripts of `glyphs` (the reference face enrolled, Euclidean distance, 32 × 32) R@1 is .67, and .53 with
    `centered`: those pictures are centered already, and cropping loses the size of the character.

    Parameters
    ----------
    size : (height, width)
    channels : {1, 3}
    centered : bool
        Crop first to what differs from the background, the color of the corners.
    """

    name = "pixels"

    def __init__(self, size: tuple[int, int] = (32, 32), *, channels: int = 1, centered: bool = False) -> None:
        self.size = check_pair("size", size, 1, 1024)
        self.channels = check_choice("channels", channels, (1, 3))
        self.centered = check_bool("centered", centered)
        self.side = None if self.centered else max(self.size)
        self.dim = check_dim(self.size[0] * self.size[1] * self.channels)

    def __repr__(self) -> str:
        return f"RawPixels({self.size}, channels={self.channels}, centered={self.centered})"

    def _vectors(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        out = np.empty((len(pixels), self.dim), np.float32)
        for number, picture in enumerate(pixels):
            cut = without_background(picture) if self.centered else picture
            out[number] = fit(cut, self.size, channels=self.channels).reshape(-1)
        return out / np.float32(255)


BLOCK = 1 << 20  # pixels processed at a time


class HOG(Features):
    """Histograms of oriented gradients in cells, normalized by blocks (Dalal & Triggs, CVPR 2005).

    The numbers are those of `skimage.feature.hog` on levels from 0 to 255: unsigned gradients, each pixel in one bin,
    blocks at every cell normalized by L2-Hys. A picture is first fitted into `size`, with its proportions kept. Levels
    are whole numbers, so direction and length of every possible gradient are looked up in a table.

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
        1: grey. 3: RGB, at each pixel the channel with the largest gradient.
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
        self.size = check_pair("size", size, 4, 1024)
        self.side = max(self.size)
        self.orientations = check_int("orientations", orientations, 1, 360)
        self.cell = check_int("cell", cell, 1, 512)
        self.block = check_int("block", block, 1, 64)
        self.channels = check_choice("channels", channels, (1, 3))
        down, across = (side // self.cell - self.block + 1 for side in self.size)
        if down < 1 or across < 1:
            raise UsageError(
                f"a block of {self.block} × {self.block} cells of {self.cell} pixels does not fit into "
                f"{self.size[0]} × {self.size[1]}"
            )
        self.dim = check_dim(down * across * self.block**2 * self.orientations)

    def _vectors(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        out = np.empty((len(pixels), self.dim), np.float32)
        step = max(1, BLOCK // (self.size[0] * self.size[1] * self.channels))
        for start in range(0, len(pixels), step):
            part = pixels[start : start + step]
            fitted = np.stack([fit(picture, self.size, channels=self.channels) for picture in part])
            cells = self._cells(fitted)  # (n, rows, columns, orientations)
            blocks = sliding_window_view(cells, (self.block, self.block), axis=(1, 2))
            blocks = np.moveaxis(blocks, 3, 5)  # (n, down, across, block, block, orientations)
            lengths = _normalized(np.minimum(_normalized(blocks), 0.2))
            out[start : start + step] = lengths.reshape(len(part), self.dim)
        return out

    def _cells(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Mean length of the gradients by direction and cell: (n, h, w, c) → (n, rows, columns, orientations)."""
        n, h, w, _ = pixels.shape
        levels = pixels.astype(np.int32)
        along, down = np.zeros_like(levels), np.zeros_like(levels)  # 0 at the borders
        down[:, 1:-1] = levels[:, 2:] - levels[:, :-2]
        along[:, :, 1:-1] = levels[:, :, 2:] - levels[:, :, :-2]
        if self.channels == 1:
            down, along = down[..., 0], along[..., 0]
        else:
            steepest = np.argmax(down**2 + along**2, axis=3)[..., None]
            down, along = (np.take_along_axis(x, steepest, axis=3)[..., 0] for x in (down, along))
        rows, columns = h // self.cell, w // self.cell
        inside = np.s_[:, : rows * self.cell, : columns * self.cell]
        gradient = (down[inside] + 255) * 511 + along[inside] + 255  # (n, h, w): number of the gradient
        bins, lengths = _gradients(self.orientations)
        cell = np.arange(rows * self.cell)[:, None] // self.cell * columns + np.arange(columns * self.cell) // self.cell
        place = (np.arange(n)[:, None, None] * rows * columns + cell) * self.orientations + bins[gradient]
        sums = np.bincount(place.ravel(), lengths[gradient].ravel(), minlength=n * rows * columns * self.orientations)
        return sums.reshape(n, rows, columns, self.orientations) / self.cell**2


@lru_cache(maxsize=8)
def _gradients(orientations: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Bin and length of every difference of levels, −255 … 255 down times −255 … 255 along: each (511 · 511,)."""
    down, along = np.divmod(np.arange(511 * 511), 511)
    degrees = np.rad2deg(np.arctan2(down - 255, along - 255)) % 180
    edges = 180 / orientations * np.arange(1, orientations)
    return np.searchsorted(edges, degrees, side="right"), np.hypot(down - 255, along - 255)


def _normalized(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale each block to Euclidean length 1, or less if it is almost flat: (…, block, block, orientations)."""
    squares = np.sum(blocks**2, axis=(-3, -2, -1), keepdims=True)
    lengths: NDArray[np.float64] = blocks / np.sqrt(squares + 1e-10)
    return lengths
