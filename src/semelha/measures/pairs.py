"""All pairs of pictures in bounded memory: a histogram of their distances, and a stratified sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from semelha.measures.search import Groups, Indices, Labels, SearchTask, Vectors
from semelha.metrics import Metric

BINS = 1 << 16
STRATA = 512
PAIRS_PER_STRATUM = 512
PAIRS_IN_MEMORY = 1 << 22


@dataclass(frozen=True, eq=False)
class PairCounts:
    """A histogram of the distances of all pairs."""

    edges: NDArray[np.float64]  # (bins + 1,), in equal steps from the smallest distance to the largest
    counts: NDArray[np.int64]  # (2, bins): mated pairs, and non-mated

    def bins_of(self, distances: NDArray[np.float32]) -> Indices:
        """The bin of each distance."""
        number = self.counts.shape[1]
        bins = ((distances - self.edges[0]) * (number / (self.edges[-1] - self.edges[0]))).astype(np.int64)
        return np.asarray(np.clip(bins, 0, number - 1), np.int64)


def count_pairs(
    vectors: Vectors, labels: Labels, *, metric: Metric, groups: Groups, bins: int = BINS, block: int = 1024
) -> PairCounts:
    """Count the pairs of pictures by distance, without pairs of one group, in two passes. See `verification`."""
    low, high = np.inf, -np.inf
    for part in _pair_blocks(vectors, labels, metric, groups, block):
        values = part.distances[part.mated | part.non_mated]
        if len(values):
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    if not np.isfinite(low):
        low, high = 0.0, 0.0
    found = PairCounts(np.linspace(low, high if high > low else low + 1e-6, bins + 1), np.zeros((2, bins), np.int64))
    for part in _pair_blocks(vectors, labels, metric, groups, block):
        for row, kind in zip(found.counts, (part.mated, part.non_mated), strict=True):
            row += np.bincount(found.bins_of(part.distances[kind]), minlength=bins)
    return found


@dataclass(frozen=True, eq=False)
class PairSample:
    """Pairs in strata of distance: all mated pairs, and a sample of the non-mated pairs of each stratum."""

    mated: Any  # (strata, subjects) sparse float64: number of mated pairs
    non_mated: Indices  # (strata,) number of non-mated pairs
    first: Indices  # (sampled,) subjects of the sampled non-mated pairs, stratum after stratum
    second: Indices
    starts: Indices  # (strata + 1,) start of each stratum in `first` and `second`


def sample_pairs(
    counts: PairCounts,
    vectors: Vectors,
    subjects: Indices,
    *,
    metric: Metric,
    groups: Groups,
    random: np.random.Generator,
    strata: int = STRATA,
    pairs_per_stratum: int = PAIRS_PER_STRATUM,
) -> PairSample:
    """Divide counted pairs into strata of distance, and sample the non-mated pairs of each.

    Strata are narrow at the distances where few non-mated pairs lie, and where few mated pairs are missed. Subjects are
    numbered from 0. Both numbers are approximate: fewer strata if fewer bins have pairs, and all pairs of small strata.
    """
    stratum_of = _strata(counts.counts, strata)
    n_strata = int(stratum_of[-1]) + 1
    non_mated = np.bincount(stratum_of, counts.counts[1], minlength=n_strata).astype(np.int64)
    probability = np.minimum(1.0, pairs_per_stratum / np.maximum(non_mated, 1))
    mated = sparse.csr_array((n_strata, int(subjects.max(initial=0)) + 1))
    sampled: list[tuple[Indices, Indices, Indices]] = []
    block = max(1, PAIRS_IN_MEMORY // max(1, len(vectors)))
    for part in _pair_blocks(vectors, subjects, metric, groups, block):
        rows, _ = np.nonzero(part.mated)
        stratum = stratum_of[counts.bins_of(part.distances[part.mated])]
        ones = (np.ones(len(rows)), (stratum, subjects[part.start + rows]))
        mated = mated + sparse.coo_array(ones, shape=mated.shape).tocsr()
        stratum = stratum_of[counts.bins_of(part.distances[part.non_mated])]
        kept = np.flatnonzero(random.random(len(stratum), np.float32) < probability[stratum])
        rows, columns = np.divmod(np.flatnonzero(part.non_mated)[kept], part.non_mated.shape[1])
        sampled.append((stratum[kept], subjects[part.start + rows], subjects[columns]))
    stratum, first, second = (np.concatenate(column) for column in zip(*sampled, strict=True))
    order = np.argsort(stratum, kind="stable")
    starts = np.searchsorted(stratum[order], np.arange(n_strata + 1))
    return PairSample(mated, non_mated, first[order], second[order], starts)


def _strata(counts: NDArray[np.int64], strata: int) -> Indices:
    """The stratum of each bin: (2, bins) → (bins,), rising from 0.

    A quarter of the bounds each: non-mated pairs counted in steps of equal ratio, and in equal steps; mated pairs in
    equal steps; and missed mated pairs in steps of equal ratio.
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
    starts = np.zeros(counts.shape[1], np.int64)
    starts[ends + 1] = 1
    return np.cumsum(starts)


class _PairBlock(NamedTuple):
    """Distances of some pictures, from row `start` on, to all; every pair is marked once, as mated or non-mated."""

    start: int
    distances: NDArray[np.float32]
    mated: NDArray[np.bool_]
    non_mated: NDArray[np.bool_]


def _pair_blocks(vectors: Vectors, labels: Labels, metric: Metric, groups: Groups, block: int) -> Iterator[_PairBlock]:
    task = SearchTask.build(vectors, labels, query_groups=groups)
    columns = np.arange(len(vectors))[None, :]
    for start in range(0, len(vectors), block):
        rows = np.arange(start, min(start + block, len(vectors)))
        distances = np.asarray(metric.pairwise(vectors[rows], vectors), np.float32)
        counted = task.is_allowed(rows, columns) & (columns > rows[:, None])
        same = task.is_same_class(rows, columns)
        yield _PairBlock(start, distances, counted & same, counted & ~same)
