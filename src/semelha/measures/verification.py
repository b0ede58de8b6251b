"""Verification (1:1): the ROC over all pairs of pictures, and accuracy in folds as on Labeled Faces in the Wild."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from semelha.measures.open_set import is_measurable
from semelha.measures.pairs import BINS, PairCounts, count_pairs
from semelha.measures.search import Groups, Indices, Labels, Vectors
from semelha.metrics import Metric

RATES = (1e-1, 1e-2, 1e-3, 1e-4)
FOLDS = 10
PAIRS_PER_FOLD = 300  # of each kind
TRIES = 20  # draws for each pair wanted, because duplicates are dropped


@dataclass(frozen=True, eq=False)
class Verification:
    """The result of `verification`.

    Attributes
    ----------
    far, tar : (points,) float64
        False and true acceptance rate, as the threshold rises.
    thresholds : (points,) float64
        Largest accepted distance at each point.
    tar_at_far : dict of float to (float or None)
        None if the non-mated pairs are too few to measure the rate.
    eer : float
        Equal error rate: false acceptances and false rejections are equally frequent.
    """

    far: NDArray[np.float64]
    tar: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    tar_at_far: dict[float, float | None]
    eer: float
    auc: float
    mated: int
    non_mated: int


def verification(
    vectors: Vectors, labels: Labels, *, metric: Metric, groups: Groups = None, block: int = 1024, bins: int = BINS
) -> Verification:
    """Compute the ROC over all pairs of pictures, except pairs of one group: (n, d), (n,), (n,); None is no group.

    Distances are counted in `bins` equal steps between the smallest and the largest; ties within a step count half in
    the area under the curve. Two passes, memory O(block · n + bins). Raises `ValueError` if vectors and labels differ
    in number.
    """
    return roc(count_pairs(vectors, labels, metric=metric, groups=groups, bins=bins, block=block))


def roc(pairs: PairCounts) -> Verification:
    """The result of `verification` from counted pairs."""
    counts, edges = pairs.counts, pairs.edges
    mated, non_mated = (int(total) for total in counts.sum(axis=1))
    if not mated or not non_mated:
        nan, empty = float("nan"), np.empty(0)
        return Verification(empty, empty, empty, dict.fromkeys(RATES), nan, nan, mated, non_mated)
    rates = np.concatenate([np.zeros((2, 1)), np.cumsum(counts, axis=1) / [[mated], [non_mated]]], axis=1)
    kept = np.concatenate([[True], counts.any(axis=0)])
    tar, far, thresholds = rates[0, kept], rates[1, kept], edges[kept]
    at = {rate: float(np.interp(rate, far, tar)) if is_measurable(rate, non_mated) else None for rate in RATES}
    auc = float(np.trapezoid(tar, far))
    return Verification(far, tar, thresholds, at, equal_error_rate(far, tar), auc, mated, non_mated)


def equal_error_rate(far: NDArray[np.float64], tar: NDArray[np.float64]) -> float:
    """Interpolate the equal error rate of a ROC curve that begins at (0, 0)."""
    gap = far - (1 - tar)  # rises from −1 to 1
    after = int(np.argmax(gap >= 0))
    if after == 0:
        return float(far[0])
    step = gap[after] - gap[after - 1]
    part = -gap[after - 1] / step if step > 0 else 1.0
    return float(far[after - 1] + part * (far[after] - far[after - 1]))


@dataclass(frozen=True, eq=False)
class FoldAccuracy:
    """The result of `fold_accuracy`.

    Attributes
    ----------
    standard_error : float
        Standard deviation of the folds (n − 1) divided by the root of their number.
    accuracies, thresholds : (folds,) float64
        A pair is accepted if its distance is at most its fold's threshold.
    correct : (pairs,) bool
        Whether mated pairs were accepted and non-mated pairs rejected.
    """

    mean: float
    standard_error: float
    accuracies: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    correct: NDArray[np.bool_]


def fold_accuracy(
    distances: NDArray[np.floating[Any]], same: NDArray[np.bool_], fold: NDArray[np.int64]
) -> FoldAccuracy:
    """Compute verification accuracy with each fold's threshold chosen on the other folds (Huang et al., 2007, View 2).

    The threshold is the one of highest accuracy there, midway between two distances; the lowest of several. All arrays
    are (pairs,); `same` is True for mated pairs. Raises `ValueError` if they differ in length, or there is one fold.
    """
    if not len(distances) == len(same) == len(fold):
        raise ValueError("there must be one fold and one truth for each distance")
    names = np.unique(fold)
    if len(names) < 2:
        raise ValueError("there must be two folds or more")
    distances = np.asarray(distances, np.float64)
    correct = np.zeros(len(distances), bool)
    thresholds, accuracies = np.empty(len(names)), np.empty(len(names))
    for position, name in enumerate(names):
        inside = fold == name
        thresholds[position] = best_threshold(distances[~inside], same[~inside])
        correct[inside] = (distances[inside] <= thresholds[position]) == same[inside]
        accuracies[position] = correct[inside].mean()
    error = float(accuracies.std(ddof=1) / np.sqrt(len(names)))
    return FoldAccuracy(float(accuracies.mean()), error, accuracies, thresholds, correct)


def best_threshold(distances: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    """Find the lowest threshold of highest accuracy: midway between two neighboring distances, or −∞, or ∞."""
    values, positions = np.unique(distances, return_inverse=True)
    gain = np.bincount(positions, np.where(same, 1, -1), minlength=len(values))  # of accepting one distance more
    best = int(np.argmax(np.concatenate([[0], np.cumsum(gain)])))
    if best == 0:
        return -np.inf
    return np.inf if best == len(values) else float((values[best - 1] + values[best]) / 2)


class FoldPairs(NamedTuple):
    """Pairs of pictures: (pairs,) each."""

    first: Indices  # of the pictures
    second: Indices
    same: NDArray[np.bool_]
    fold: Indices


def draw_fold_pairs(
    labels: NDArray[Any], groups: NDArray[Any] | None, *, seed: int, folds: int = FOLDS, each: int = PAIRS_PER_FOLD
) -> FoldPairs | None:
    """Draw pairs as for View 2 of LFW (Huang, Ramesh, Berg and Learned-Miller, 2007, section 4).

    Subjects are divided among the folds, so that a threshold is never tested on the subjects that it was chosen on. In
    each fold, a mated pair is two pictures of a random subject, and a non-mated pair one picture each of two random
    subjects. No pair is drawn twice or lies in one group (None is no group). A fold has `each` pairs of either kind, or
    fewer, as many of one kind as of the other. None if a fold has no pairs of one kind.
    """
    random = np.random.default_rng([seed, 2])
    _, subject, counts = np.unique(labels, return_inverse=True, return_counts=True)
    pictures = _SubjectPictures(np.argsort(subject, kind="stable"), np.cumsum(counts) - counts, counts)
    parts = []
    for fold, members in enumerate(np.array_split(random.permutation(len(counts)), folds)):
        with_pairs = members[counts[members] > 1]
        if len(members) < 2 or not len(with_pairs):
            return None
        mated = pictures.draw_two(random.choice(with_pairs, TRIES * each), random)
        one, other = _two_below(np.full(TRIES * each, len(members)), random)
        non_mated = pictures.draw_one(members[one], random), pictures.draw_one(members[other], random)
        mated_rows, non_mated_rows = _distinct(mated, groups, each), _distinct(non_mated, groups, each)
        number = min(len(mated_rows), len(non_mated_rows))
        if not number:
            return None
        same = np.arange(2 * number) < number
        rows = np.concatenate([mated_rows[:number], non_mated_rows[:number]])
        parts.append((rows, same, np.full(2 * number, fold)))
    pairs, same, fold_of = (np.concatenate(column) for column in zip(*parts, strict=True))
    return FoldPairs(pairs[:, 0], pairs[:, 1], same, fold_of)


class _SubjectPictures(NamedTuple):
    """Indices sorted by subject, where each subject's start, and how many it has."""

    order: Indices
    starts: Indices
    counts: Indices

    def draw_one(self, subjects: Indices, random: np.random.Generator) -> Indices:
        """A picture of each subject."""
        return np.asarray(self.order[self.starts[subjects] + random.integers(0, self.counts[subjects])])

    def draw_two(self, subjects: Indices, random: np.random.Generator) -> tuple[Indices, Indices]:
        """Two pictures of each subject."""
        first, second = _two_below(self.counts[subjects], random)
        return self.order[self.starts[subjects] + first], self.order[self.starts[subjects] + second]


def _two_below(limits: Indices, random: np.random.Generator) -> tuple[Indices, Indices]:
    """Two different numbers below each limit: (n,) → (n,), (n,)."""
    first: Indices = random.integers(0, limits)
    second: Indices = random.integers(0, limits - 1)
    return first, second + (second >= first)


def _distinct(pairs: tuple[Indices, Indices], groups: NDArray[Any] | None, count: int) -> Indices:
    """The first `count` distinct pairs whose pictures are not of one group: (kept, 2)."""
    rows = np.sort(np.stack(pairs, axis=1), axis=1)
    if groups is not None:
        first, second = groups[rows[:, 0]], groups[rows[:, 1]]
        rows = rows[[a is None or a != b for a, b in zip(first, second, strict=True)]]
    _, unique = np.unique(rows[:, 0] << 32 | rows[:, 1], return_index=True)
    return np.asarray(rows[np.sort(unique)[:count]])
