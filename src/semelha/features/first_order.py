"""First-order statistics: features of the distribution of intensities, without their positions.

Pixels have levels from 0 to 255. Each statistic is a function of the counts of the 256 levels, so pictures are read
once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semelha.arguments import check_choice, check_float, check_pair
from semelha.errors import UsageError
from semelha.features.base import Features, check_dim
from semelha.features.histogram import CHANNELS, COLORS, Color, channels_of, counts_in_cells

BLOCK = 256  # cells computed at a time; their counts fit into the cache of a core

_LEVELS = np.arange(256.0)


class FirstOrder(Features):
    """The 19 first-order statistics of PyRadiomics, relative smoothness and third moment, per channel and cell.

    Definitions of PyRadiomics (van Griethuysen et al., Cancer Research 77, 2017; its page "Radiomic Features", First
    Order Features) without a shift: over N pixels X, energy Σ X²; total energy, that times the area of a pixel; entropy
    −Σ p log₂ p and uniformity Σ p² of bins of `bin_width` from 0; percentiles interpolated linearly; mean absolute
    deviation from the mean, and the robust one among the pixels within the 10th and 90th percentile, both included;
    standard deviation and variance over N; skewness μ₃ / σ³ and kurtosis μ₄ / σ⁴, 3 for a normal distribution. A flat
    cell has skewness and kurtosis 0. The robust deviation is 0 where no pixel is within the percentiles.

    Of Gonzalez & Woods (Digital Image Processing, 3rd edition, section 11.3.3): smoothness R = 1 − 1 / (1 + σ²) with σ²
    over 255², and the third moment μ₃ over 255², as in their table 11.2.

    The statistics differ in scale by orders of magnitude: standardize them before a distance is taken.

    Parameters
    ----------
    color : {"grey", "rgb", "hsv", "lab"}
        Channels, each on 0..255: see `channels_of`.
    grid : (rows, columns)
        Cells of the picture; (1, 1) is the whole.
    bin_width : float
        Of entropy and uniformity, above 0; 25 by default, as in PyRadiomics.
    pixel_area : float
        For total energy.
    statistics : sequence of str, optional
        Some of `STATISTICS`, in that order; all by default.
    """

    name = "first-order"
    one_unit = False

    def __init__(
        self,
        color: Color = "grey",
        *,
        grid: tuple[int, int] = (1, 1),
        bin_width: float = 25.0,
        pixel_area: float = 1.0,
        statistics: Sequence[str] | None = None,
    ) -> None:
        self.color: Color = check_choice("color", color, COLORS)
        self.grid = check_pair("grid", grid, 1, 64)
        self.bin_width = check_float("bin_width", bin_width, 1e-3, 256)
        self.pixel_area = check_float("pixel_area", pixel_area, 0, 1e12)
        chosen = STATISTICS if statistics is None else statistics
        if not isinstance(chosen, list | tuple) or not chosen:
            raise UsageError("statistics must be a list of some of semelha.features.STATISTICS")
        self.statistics = tuple(check_choice("a statistic", one, STATISTICS) for one in chosen)
        if len(set(self.statistics)) < len(self.statistics):
            raise UsageError("a statistic is named twice")
        self.dim = check_dim(self.grid[0] * self.grid[1] * len(CHANNELS[self.color]) * len(self.statistics))

    @property
    def columns(self) -> list[str]:
        """Names of the numbers of a vector: "row,column/channel/statistic", cells counted from 0."""
        return [
            f"{y},{x}/{channel}/{statistic}"
            for y in range(self.grid[0])
            for x in range(self.grid[1])
            for channel in CHANNELS[self.color]
            for statistic in self.statistics
        ]

    def _vectors(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        out = np.empty((len(pixels), self.dim), np.float32)
        step = max(1, BLOCK // (self.grid[0] * self.grid[1] * len(CHANNELS[self.color])))
        for start in range(0, len(pixels), step):
            part = channels_of(pixels[start : start + step], self.color)
            counts = counts_in_cells(part, 256, self.grid)  # (n, cells, channels, 256)
            found = statistics_of(counts, bin_width=self.bin_width, pixel_area=self.pixel_area)
            chosen = np.stack([found[name] for name in self.statistics], axis=-1)  # (n, cells, channels, statistics)
            out[start : start + step] = chosen.reshape(len(part), self.dim)
        return out


def statistics_of(
    counts: NDArray[np.int64], *, bin_width: float = 25.0, pixel_area: float = 1.0
) -> dict[str, NDArray[np.float64]]:
    """Compute the statistics from the counts of the levels: (…, 256) → (…). No row is all zero."""
    total = counts.sum(axis=-1)  # (…)
    p = counts / total[..., None]
    energy = counts @ _LEVELS**2
    mean = p @ _LEVELS
    away = _LEVELS - mean[..., None]  # (…, 256)
    second, third, fourth = ((p * away**power).sum(axis=-1) for power in (2, 3, 4))
    flat = second == 0
    spread = np.where(flat, 1.0, second)

    first = np.searchsorted(np.floor(_LEVELS / bin_width), np.unique(np.floor(_LEVELS / bin_width)))
    bins = np.add.reduceat(p, first, axis=-1)

    below = counts.cumsum(axis=-1)
    tenth, quarter, median, three_quarters, ninetieth = (
        _percentile(below, total, percent) for percent in (10, 25, 50, 75, 90)
    )
    some = counts > 0
    least = np.argmax(some, axis=-1).astype(float)
    most = 255.0 - np.argmax(some[..., ::-1], axis=-1)

    middle = np.where((tenth[..., None] <= _LEVELS) & (ninetieth[..., None] >= _LEVELS), counts, 0)
    count = np.maximum(middle.sum(axis=-1), 1)
    middle_mean = middle @ _LEVELS / count
    robust = (middle * np.abs(_LEVELS - middle_mean[..., None])).sum(axis=-1) / count

    return {
        "energy": energy,
        "total-energy": energy * pixel_area,
        "entropy": -(bins * np.log2(np.where(bins > 0, bins, 1.0))).sum(axis=-1) + 0.0,
        "minimum": least,
        "10th-percentile": tenth,
        "90th-percentile": ninetieth,
        "maximum": most,
        "mean": mean,
        "median": median,
        "interquartile-range": three_quarters - quarter,
        "range": most - least,
        "mean-absolute-deviation": (p * np.abs(away)).sum(axis=-1),
        "robust-mean-absolute-deviation": robust,
        "root-mean-squared": np.sqrt(energy / total),
        "standard-deviation": np.sqrt(second),
        "skewness": np.where(flat, 0.0, third / spread**1.5),
        "kurtosis": np.where(flat, 0.0, fourth / spread**2),
        "variance": second,
        "uniformity": (bins**2).sum(axis=-1),
        "smoothness": 1 - 1 / (1 + second / 255**2),
        "third-moment": third / 255**2,
    }


def _percentile(below: NDArray[np.int64], total: NDArray[np.int64], percent: float) -> NDArray[np.float64]:
    """Percentiles with linear interpolation, as `numpy.percentile`: (…, 256), (…) → (…).

    `below` has the number of pixels at each level or lower.
    """
    place = (total - 1) * (percent / 100)
    low = np.floor(place)
    lower = (below <= low[..., None]).sum(axis=-1)
    upper = (below <= np.minimum(low + 1, total - 1)[..., None]).sum(axis=-1)
    found: NDArray[np.float64] = lower + (upper - lower) * (place - low)
    return found


STATISTICS = tuple(statistics_of(np.ones(256, np.int64)))
"""Names of the statistics: the 19 of PyRadiomics in its order, then two of Gonzalez & Woods."""
