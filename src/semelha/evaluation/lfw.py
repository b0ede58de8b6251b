"""Pairs for verification in folds, drawn as those of Labeled Faces in the Wild were."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FOLDS = 10
EACH = 300
TRIES = 20  # draws for each pair that is wanted: where there are no more, some come twice

Places = NDArray[np.int64]


class FoldPairs(NamedTuple):
    """Pairs of pictures: (pairs,) each.

    Attributes
    ----------
    first, second : int64
    same : bool
    fold : int64
    """

    first: Places
    second: Places
    same: NDArray[np.bool_]
    fold: Places


def draw_fold_pairs(
    labels: NDArray[Any], groups: NDArray[Any] | None, *, seed: int, folds: int = FOLDS, each: int = EACH
) -> FoldPairs | None:
    """Draw the pairs of View 2 (Huang, Ramesh, Berg and Learned-Miller, 2007, section 4).

    Subjects are divided among the folds, so that a threshold is never judged on whom it was chosen on. In each fold a
    mated pair is two pictures of a subject drawn among those that have two, a non-mated pair one picture each of two
    subjects; no pair twice, none of one group, and as many of the one kind as of the other.

    Parameters
    ----------
    labels : (n,)
    groups : (n,), optional
        None in them belongs to no group.
    seed : int
    folds : int
    each : int
        Pairs of either kind in a fold; fewer where a fold has fewer.

    Returns
    -------
    FoldPairs or None
        None where there is a fold without pairs of both kinds.
    """
    random = np.random.default_rng([seed, 2])
    _, subject, counts = np.unique(labels, return_inverse=True, return_counts=True)
    pictures = _Pictures(np.argsort(subject, kind="stable"), np.cumsum(counts) - counts, counts)
    parts = []
    for fold, members in enumerate(np.array_split(random.permutation(len(counts)), folds)):
        several = members[counts[members] > 1]
        if len(members) < 2 or not len(several):
            return None
        who = random.choice(several, TRIES * each)
        mated = _kept(pictures.two(who, random), groups, each)
        one, other = _two_of(np.full(TRIES * each, len(members)), random)
        apart = _kept((pictures.one(members[one], random), pictures.one(members[other], random)), groups, each)
        number = min(len(mated), len(apart))
        if not number:
            return None
        same = np.arange(2 * number) < number
        parts.append((np.concatenate([mated[:number], apart[:number]]), same, np.full(2 * number, fold)))
    pairs, same, fold_of = (np.concatenate(column) for column in zip(*parts, strict=True))
    return FoldPairs(pairs[:, 0], pairs[:, 1], same, fold_of)


class _Pictures(NamedTuple):
    """Those of each subject: places in the data set, where each subject's begin, and how many."""

    order: Places
    starts: Places
    counts: Places

    def one(self, who: Places, random: np.random.Generator) -> Places:
        """One picture of each."""
        place: Places = self.starts[who] + random.integers(0, self.counts[who])
        one: Places = self.order[place]
        return one

    def two(self, who: Places, random: np.random.Generator) -> tuple[Places, Places]:
        """Two pictures of each."""
        first, second = _two_of(self.counts[who], random)
        return self.order[self.starts[who] + first], self.order[self.starts[who] + second]


def _two_of(numbers: Places, random: np.random.Generator) -> tuple[Places, Places]:
    """Two different numbers below each: (n,) → (n,), (n,)."""
    first: Places = random.integers(0, numbers)
    second: Places = random.integers(0, numbers - 1)
    return first, second + (second >= first)


def _kept(pairs: tuple[Places, Places], groups: NDArray[Any] | None, each: int) -> Places:
    """The first so many different pairs of which not both pictures are of one group: (kept, 2)."""
    both = np.sort(np.stack(pairs, axis=1), axis=1)
    if groups is not None:
        first, second = groups[both[:, 0]], groups[both[:, 1]]
        both = both[[a is None or a != b for a, b in zip(first, second, strict=True)]]
    _, places = np.unique(both[:, 0] << 32 | both[:, 1], return_index=True)
    kept: Places = both[np.sort(places)[:each]]
    return kept
