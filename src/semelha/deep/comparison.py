"""Compare embeddings on pictures of classes that they did not learn from, and choose the simplest that is not worse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import Model
from semelha.images import Dataset
from semelha.measures import retrieval
from semelha.metrics import Cosine

RESAMPLES = 2000
CONFIDENCE = 0.95
"""Of the interval of a rate."""
SURE = 0.9
"""Of the interval of a difference: its lower end is exceeded with a probability of 95%."""
FEW = 0.1
"""Of the classes, held out from the training of a network; but at least `MIN_CLASSES`, or a quarter if that is less."""
MIN_CLASSES = 12

Rows = NDArray[np.int64]
Hits = NDArray[np.float64]
"""(pictures,): 1 if the nearest other picture is of the same class, 0 if not, NaN if the picture was not searched."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """An embedding that was measured.

    Attributes
    ----------
    vectors : (d-dimensional, of the pictures `HeldOut.few`) float32
        By what was learned from the other classes.
    few : (pictures,)
        Hits among those pictures.
    all : (pictures,), optional
        Hits of every picture, among half of the classes at a time; None for a network, which is trained once.
    seconds, milliseconds : float
        Of learning, and of embedding one picture.
    make : callable
        Writes the model, learned from all classes, to a folder.
    """

    name: str
    vectors: NDArray[np.float32]
    few: Hits
    all: Hits | None
    seconds: float
    milliseconds: float
    make: Callable[[Path], Model]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Which pictures are measured: half of the classes at a time, and for networks fewer; rows of pictures."""

    folds: tuple[tuple[Rows, Rows], ...]  # learned from, measured
    few: Rows

    @classmethod
    def of(cls, dataset: Dataset, seed: int) -> HeldOut:
        """The split val where there is one; no fold if there are too few classes with two pictures."""
        validation = np.flatnonzero(dataset.is_validation)
        if validation.size:
            return cls(((np.flatnonzero(~dataset.is_validation), validation),), validation)
        counts = dataset.counts()
        paired = np.array([name for name, count in counts.items() if count > 1])
        if len(paired) < 4:
            return cls((), np.empty(0, np.int64))
        order = np.random.default_rng([seed, 7]).permutation(sorted(paired))
        number = max(2, round(FEW * len(order)), min(MIN_CLASSES, len(order) // 4))
        half = np.isin(dataset.labels, order[: len(order) // 2])
        one, other = np.flatnonzero(half), np.flatnonzero(~half)
        return cls(((one, other), (other, one)), np.flatnonzero(np.isin(dataset.labels, order[:number])))


def measure_hits(vectors: NDArray[np.float32], dataset: Dataset, rows: NDArray[np.int64]) -> Hits:
    """Search each picture at `rows` among the others; `vectors` (rows, d) are theirs, compared by cosine.

    Pictures of one group never match. Those without another picture of their class are not searched.
    """
    hits = np.full(len(dataset), np.nan)
    classes = np.unique(dataset.labels[rows], return_inverse=True)[1]
    groups = None if dataset.groups is None else dataset.groups[rows]
    found = retrieval(vectors, classes, metric=Cosine(), query_groups=groups, ks=(1,))
    right = classes[found.nearest[:, 0]] == classes
    hits[rows[found.has_match]] = right[found.has_match]
    return hits


@dataclass(frozen=True)
class Rate:
    """A rate, or a difference of two, with its interval, by resampling the classes."""

    value: float
    low: float
    high: float

    def plus(self, difference: Rate) -> Rate:
        """The rate with a difference that was measured elsewhere, between 0 and 1."""
        return Rate(*(min(1.0, max(0.0, a + b)) for a, b in zip(astuple(self), astuple(difference), strict=True)))

    def to_json(self) -> dict[str, float]:
        """Rounded to four digits."""
        return {name: round(value, 4) for name, value in vars(self).items()}


def lead(one: Candidate, other: Candidate, labels: NDArray[np.str_], *, seed: int) -> Rate:
    """The R@1 of one candidate less that of another, over the pictures that were searched for both."""
    if one.all is not None and other.all is not None:
        return mean_rate(one.all - other.all, labels, seed=seed, confidence=SURE)
    return mean_rate(one.few - other.few, labels, seed=seed, confidence=SURE)


def hits_by_fold(held_out: HeldOut, dataset: Dataset, vectors: Callable[[Rows, Rows], NDArray[np.float32]]) -> Hits:
    """Hits of the pictures of each fold, by vectors that were learned without their classes."""
    hits = np.full(len(dataset), np.nan)
    for learned, measured in held_out.folds:
        found = measure_hits(vectors(learned, measured), dataset, measured)
        hits = np.where(np.isnan(found), hits, found)
    return hits


def best(candidates: Sequence[Candidate], labels: NDArray[np.str_], *, seed: int) -> int:
    """The place of the candidate to use, from the simplest to the most costly.

    A candidate replaces a simpler one if its R@1 is higher, and the interval of the difference is above 0.
    """
    chosen = 0
    for number in range(1, len(candidates)):
        if lead(candidates[number], candidates[chosen], labels, seed=seed).low > 0:
            chosen = number
    return chosen


def mean_rate(values: Hits, labels: NDArray[np.str_], *, seed: int, confidence: float = CONFIDENCE) -> Rate:
    """The mean of the values that are no NaN, one at least, and its interval."""
    known = ~np.isnan(values)
    classes = np.unique(labels[known], return_inverse=True)[1]
    sizes, sums = np.bincount(classes), np.bincount(classes, weights=values[known])
    drawn = np.random.default_rng(seed).integers(0, len(sizes), (RESAMPLES, len(sizes)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Rate(float(sums.sum() / sizes.sum()), float(low), float(high))
