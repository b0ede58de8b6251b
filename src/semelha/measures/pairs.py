"""All pairs of pictures, without keeping them: counted by distance, or some of them drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from semelha.measures.blocks import Block, Groups, Labels, blocks
from semelha.metrics import Metric

BINS = 1 << 16
STRATA = 512
EACH = 512  # pairs drawn of a stratum
FOUND = 1 << 22  # pairs in memory at a time

Vectors = NDArray[np.floating[Any]]
Places = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PairCounts:
    """How many pairs there are at which distance.

    Attributes
    ----------
    edges : (bins + 1,) float64
        Of equal steps from the smallest distance to the largest.
    counts : (2, bins) int64
        Mated pairs, and non-mated.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]

    def bins(self, distances: NDArray[np.float32]) -> Places:
        """The bin of each distance."""
        number = self.counts.shape[1]
        place = ((distances - self.edges[0]) * (number / (self.edges[-1] - self.edges[0]))).astype(np.int64)
        return np.asarray(np.clip(place, 0, number - 1), np.int64)


def count_pairs(
    vectors: Vectors, labels: Labels, *, metric: Metric, groups: Groups, bins: int = BINS, block: int = 1024
) -> PairCounts:
    """Count the pairs of pictures that are not of one group, in two passes: (n, d), (n,) → `PairCounts`."""
    low, high = np.inf, -np.inf
    for part, counted in _each(vectors, labels, metric, groups, block):
        values = part.distances[counted]
        if len(values):
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    if not np.isfinite(low):
        low, high = 0.0, 0.0
    found = PairCounts(np.linspace(low, high if high > low else low + 1e-6, bins + 1), np.zeros((2, bins), np.int64))
    for part, counted in _each(vectors, labels, metric, groups, block):
        for row, kind in zip(found.counts, (counted & part.same, counted & ~part.same), strict=True):
            row += np.bincount(found.bins(part.distances[kind]), minlength=bins)
    return found


@dataclass(frozen=True, eq=False)
class PairSample:
    """Pairs by strata of distance: all mated ones, and of the non-mated some of each stratum.

    Attributes
    ----------
    mated : (strata, subjects) sparse array of float64
        How many mated pairs each subject has in each stratum.
    non_mated : (strata,) int64
        How many non-mated pairs there are in each.
    first, second : (drawn,) int64
        The subjects of those that were drawn, stratum after stratum.
    starts : (strata + 1,) int64
        Where each stratum begins in them.
    """

    mated: Any
    non_mated: Places
    first: Places
    second: Places
    starts: Places


def draw_pairs(
    counts: PairCounts,
    vectors: Vectors,
    subjects: Places,
    *,
    metric: Metric,
    groups: Groups,
    random: np.random.Generator,
    strata: int = STRATA,
    each: int = EACH,
) -> PairSample:
    """Divide what was counted into strata, dense where few impostors are and where few pairs are mated, and draw.

    Parameters
    ----------
    counts : PairCounts
        Of these vectors.
    vectors, subjects : (n, d), (n,)
        Subjects as numbers from 0.
    metric, groups
        As in `count_pairs`.
    random : Generator
    strata : int
        About so many; one for each bin that has pairs where those are fewer.
    each : int
        Non-mated pairs that are wanted of each stratum: about so many are drawn, or all.
    """
    of_bin = _strata(counts.counts, strata)
    number = int(of_bin[-1]) + 1
    non_mated = np.bincount(of_bin, counts.counts[1], minlength=number).astype(np.int64)
    chance = np.minimum(1.0, each / np.maximum(non_mated, 1))
    size = int(subjects.max(initial=0)) + 1
    mated = sparse.csr_array((number, size))
    drawn: list[tuple[Places, Places, Places]] = []
    block = max(1, FOUND // max(1, len(vectors)))
    for part, counted in _each(vectors, subjects, metric, groups, block):
        rows, _ = np.nonzero(counted & part.same)
        stratum = of_bin[counts.bins(part.distances[counted & part.same])]
        once = (np.ones(len(rows)), (stratum, subjects[part.start + rows]))
        mated = mated + sparse.coo_array(once, shape=mated.shape).tocsr()
        apart = counted & ~part.same
        stratum = of_bin[counts.bins(part.distances[apart])]
        kept = np.flatnonzero(random.random(len(stratum), np.float32) < chance[stratum])
        rows, columns = np.divmod(np.flatnonzero(apart)[kept], apart.shape[1])
        drawn.append((stratum[kept], subjects[part.start + rows], subjects[columns]))
    stratum, first, second = (np.concatenate(column) for column in zip(*drawn, strict=True))
    order = np.argsort(stratum, kind="stable")
    starts = np.searchsorted(stratum[order], np.arange(number + 1))
    return PairSample(mated, non_mated, first[order], second[order], starts)


def _strata(counts: NDArray[np.int64], strata: int) -> Places:
    """The stratum of each bin: (2, bins) → (bins,), rising from 0.

    A quarter of the bounds each: where the non-mated are so and so many in steps of equal ratio, non-mated in equal
    steps, mated in equal steps, and mated that are missing in steps of equal ratio.
    """
    if np.count_nonzero(counts.any(axis=0)) <= strata:
        return np.cumsum(counts.any(axis=0)).clip(1) - 1
    mated, non_mated = np.cumsum(counts, axis=1)
    quarter = strata // 4
    bounds = [
        np.searchsorted(total, wanted)
        for total, wanted in (
            (non_mated, np.geomspace(1, max(1, non_mated[-1]), quarter)),
            (non_mated, np.linspace(0, non_mated[-1], quarter)),
            (mated, np.linspace(0, mated[-1], quarter)),
            (mated, mated[-1] + 1 - np.geomspace(1, max(1, mated[-1]), quarter)),
        )
    ]
    ends = np.unique(np.concatenate(bounds).clip(0, counts.shape[1] - 2))  # last bins of strata
    begins = np.zeros(counts.shape[1], np.int64)
    begins[ends + 1] = 1
    return np.cumsum(begins)


def _each(
    vectors: Vectors, labels: Labels, metric: Metric, groups: Groups, block: int
) -> Iterator[tuple[Block, NDArray[np.bool_]]]:
    """Blocks of all pairs, and which of each block are counted: every pair once."""
    for part in blocks(vectors, labels, None, None, metric=metric, query_groups=groups, size=block):
        rows = part.start + np.arange(len(part.distances))
        yield part, part.allowed & (np.arange(part.distances.shape[1])[None, :] > rows[:, None])
