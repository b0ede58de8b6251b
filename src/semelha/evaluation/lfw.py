"""Verification pairs in ten folds, drawn as those of Labeled Faces in the Wild (LFW) were."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FOLDS = 10
PAIRS_PER_FOLD = 300  # of each kind
TRIES = 20  # draws for each pair wanted, because duplicates are dropped

Rows = NDArray[np.int64]


class FoldPairs(NamedTuple):
    """Pairs of pictures: (pairs,) each."""

    first: Rows  # of the pictures
    second: Rows
    same: NDArray[np.bool_]
    fold: Rows


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
    """Rows sorted by subject, where each subject's start, and how many it has."""

    order: Rows
    starts: Rows
    counts: Rows

    def draw_one(self, subjects: Rows, random: np.random.Generator) -> Rows:
        """A picture of each subject."""
        rows: Rows = self.order[self.starts[subjects] + random.integers(0, self.counts[subjects])]
        return rows

    def draw_two(self, subjects: Rows, random: np.random.Generator) -> tuple[Rows, Rows]:
        """Two pictures of each subject."""
        first, second = _two_below(self.counts[subjects], random)
        return self.order[self.starts[subjects] + first], self.order[self.starts[subjects] + second]


def _two_below(limits: Rows, random: np.random.Generator) -> tuple[Rows, Rows]:
    """Two different numbers below each limit: (n,) → (n,), (n,)."""
    first: Rows = random.integers(0, limits)
    second: Rows = random.integers(0, limits - 1)
    return first, second + (second >= first)


def _distinct(pairs: tuple[Rows, Rows], groups: NDArray[Any] | None, count: int) -> Rows:
    """The first `count` distinct pairs whose pictures are not of one group: (kept, 2)."""
    rows = np.sort(np.stack(pairs, axis=1), axis=1)
    if groups is not None:
        first, second = groups[rows[:, 0]], groups[rows[:, 1]]
        rows = rows[[a is None or a != b for a, b in zip(first, second, strict=True)]]
    _, unique = np.unique(rows[:, 0] << 32 | rows[:, 1], return_index=True)
    kept: Rows = rows[np.sort(unique)[:count]]
    return kept
