"""Compare embeddings on pictures of classes that they did not learn from, and choose the simplest that is not worse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from semelha.embedders import Model
from semelha.images import Dataset

RESAMPLES = 2000
PROBES = 4000
"""Pictures that are searched, at most, among any number."""
BLOCK = 1024
"""Of them, searched at a time."""
HALVES = 5
"""Draws of half of the classes, by which R@1 among more of them is extrapolated."""
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


Embed = Callable[[Rows, Rows], NDArray[np.float32]]
"""Learns from the pictures at some rows, and embeds those at others."""


@dataclass(frozen=True, eq=False)
class Found:
    """What was found by vectors that were learned without the classes that are searched.

    Attributes
    ----------
    hits : (pictures,)
        Among the classes of a fold.
    expected : (pictures,)
        Among as many classes as the data set has (`extrapolated`).
    across : (pictures,)
        The same, among pictures of other domains only, such as photos among those of a catalogue; all NaN without two.
    """

    hits: Hits
    expected: Hits
    across: Hits


@dataclass(frozen=True, eq=False)
class Candidate:
    """An embedding that was measured.

    Attributes
    ----------
    vectors : (d-dimensional, of the pictures `HeldOut.few`) float32
        By what was learned from the other classes.
    few : (pictures,)
        Hits among those pictures.
    all : Found, optional
        Of every picture, among half of the classes at a time; None for a network, which is trained once.
    seconds, milliseconds : float
        Of learning, and of embedding one picture.
    make : callable
        Writes the model, learned from all classes, to a folder.
    """

    name: str
    vectors: NDArray[np.float32]
    few: Hits
    all: Found | None
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


def measure_hits(vectors: NDArray[np.float32], dataset: Dataset, rows: Rows, groups: NDArray[Any] | None) -> Hits:
    """Search each picture at `rows` among the others; `vectors` (rows, d) are theirs, compared by cosine.

    Pictures of one group, (pictures,), never match. Those without another picture of their class are not searched; of
    many, about `PROBES` are, always the same ones.
    """
    x = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    classes = np.unique(dataset.labels[rows], return_inverse=True)[1]
    own = [None] * len(rows) if groups is None else groups[rows]
    numbers: dict[object, int] = {}
    apart = np.array([numbers.setdefault(object() if one is None else one, len(numbers)) for one in own])
    hits = np.full(len(dataset), np.nan)
    drawn = np.random.default_rng(0).random(len(dataset))[rows]
    probes = np.flatnonzero(drawn * len(rows) < PROBES)
    for first in range(0, len(probes), BLOCK):
        block = probes[first : first + BLOCK]
        similar = np.where(apart[block, None] != apart, x[block] @ x.T, -np.inf)
        match = (similar > -np.inf) & (classes[block, None] == classes)
        right = classes[similar.argmax(axis=1)] == classes[block]
        hits[rows[block]] = np.where(match.any(axis=1), right, np.nan)
    return hits


@dataclass(frozen=True)
class Rate:
    """A rate, or a difference of two, with its interval, by resampling the classes."""

    value: float
    low: float
    high: float

    def plus(self, difference: Rate) -> Rate:
        """With a difference that was measured elsewhere; between 0 and 1."""
        return Rate(*(a + b for a, b in zip(astuple(self), astuple(difference), strict=True))).bounded()

    def of_others(self, classes: int) -> Rate:
        """With the interval of the rate of as many other classes, which vary too: √2 times as wide.

        If so many classes are all right, or all wrong, others need not be so (Clopper and Pearson, 1934).
        """
        low, high = (self.value + 2**0.5 * (bound - self.value) for bound in (self.low, self.high))
        if low == high:
            least = (1 - CONFIDENCE) ** (1 / classes)
            low, high = min(low, least), max(high, 1 - least)
        return Rate(self.value, low, high).bounded()

    def bounded(self) -> Rate:
        """Between 0 and 1."""
        return Rate(*(min(1.0, max(0.0, value)) for value in astuple(self)))

    def to_json(self) -> dict[str, float]:
        """Rounded to four digits."""
        return {name: round(value, 4) for name, value in vars(self).items()}


def lead(one: Candidate, other: Candidate, labels: NDArray[np.str_], *, seed: int) -> Rate:
    """The R@1 of one candidate less that of another, over the pictures that were searched for both."""
    if one.all is not None and other.all is not None:
        return mean_rate(one.all.hits - other.all.hits, labels, seed=seed, confidence=SURE)
    return mean_rate(one.few - other.few, labels, seed=seed, confidence=SURE)


def measure_folds(held_out: HeldOut, dataset: Dataset, embed: Embed, *, seed: int) -> Found:
    """Search the pictures of each fold, by vectors that were learned without their classes."""
    found = Found(*(np.full(len(dataset), np.nan) for _ in range(3)))
    for learned, rows in held_out.folds:
        vectors = embed(learned, rows)
        hits = measure_hits(vectors, dataset, rows, dataset.groups)
        found.hits[rows] = hits[rows]
        found.expected[rows] = extrapolated(hits, vectors, dataset, rows, dataset.groups, seed=seed)[rows]
        if dataset.domains is not None:
            domains = dataset.domains.astype(str)
            hits = measure_hits(vectors, dataset, rows, domains)
            found.across[rows] = extrapolated(hits, vectors, dataset, rows, domains, seed=seed)[rows]
    return found


def extrapolated(
    hits: Hits,
    vectors: NDArray[np.float32],
    dataset: Dataset,
    rows: Rows,
    groups: NDArray[Any] | None,
    *,
    seed: int,
) -> NDArray[np.float64]:
    """What `measure_hits` would find among as many classes as the data set has; (pictures,), not only 0 and 1.

    R@1 is taken as linear in the logarithm of the number of classes (as Kemelmacher-Shlizerman et al., CVPR 2016, show
    it), by what it is among the classes of `rows` and among half of them, drawn `HALVES` times.
    """
    names = np.unique(dataset.labels[rows])
    sums, times = np.zeros(len(dataset)), np.zeros(len(dataset))
    for number in range(HALVES):
        order = np.random.default_rng([seed, 11, number]).permutation(len(names))
        first = np.isin(dataset.labels[rows], names[order[: len(names) // 2]])
        for part in (first, ~first):
            found = measure_hits(vectors[part], dataset, rows[part], groups)
            sums, times = sums + np.nan_to_num(found), times + ~np.isnan(found)
    with np.errstate(invalid="ignore"):
        among_half = sums / times
    return np.asarray(hits + np.log2(len(dataset.classes) / len(names)) * (hits - among_half), np.float64)


def best(candidates: Sequence[Candidate], labels: NDArray[np.str_], *, seed: int) -> int:
    """The place of the candidate to use, from the simplest to the most costly.

    A candidate replaces a simpler one if the interval of its lead is above 0, and no other simpler one leads it. The
    latter matters for networks, which are compared on other pictures than the simpler ones among each other.
    """
    chosen = 0
    for number, one in enumerate(candidates[1:], 1):
        leads = [lead(one, other, labels, seed=seed) for other in candidates[:number]]
        if leads[chosen].low > 0 and all(each.value > 0 for each in leads):
            chosen = number
    return chosen


def expected_rates(
    candidates: Sequence[Candidate], labels: NDArray[np.str_], *, seed: int, across: bool = False
) -> list[Rate]:
    """The R@1 of each candidate to expect among as many other classes, with 95% intervals.

    A network, which is measured on a few classes, gets that of the best other candidate and its lead over it. A lead
    among fewer than `MIN_CLASSES` may be less among more, down to none. `across`: among pictures of other domains only;
    no rate if none was searched so.
    """
    measured = [one for one in candidates if one.all is not None]
    reference = measured[best(measured, labels, seed=seed)]
    rates = []
    for one in candidates:
        found = one.all or reference.all
        assert found is not None
        values = found.across if across else found.expected
        if np.isnan(values).all():
            return []
        classes = len(np.unique(labels[~np.isnan(values)]))
        rate = mean_rate(values, labels, seed=seed).of_others(classes)
        if one.all is None:
            difference = lead(one, reference, labels, seed=seed)
            if len(np.unique(labels[~np.isnan(one.few)])) < MIN_CLASSES:
                difference = replace(difference, low=min(0.0, difference.low))
            rate = rate.plus(difference)
        rates.append(rate)
    return rates


def mean_rate(values: Hits, labels: NDArray[np.str_], *, seed: int, confidence: float = CONFIDENCE) -> Rate:
    """The mean of the values that are no NaN, one at least, and its interval.

    By resampling the classes, and as much wider as few of them vary less than all (Hesterberg, The American
    Statistician 2015). A single class says nothing.
    """
    known = ~np.isnan(values)
    classes = np.unique(labels[known], return_inverse=True)[1]
    sizes, sums = np.bincount(classes), np.bincount(classes, weights=values[known])
    number, value = len(sizes), float(sums.sum() / sizes.sum())
    if number == 1:
        return Rate(value, value - 1, value + 1)
    drawn = np.random.default_rng(seed).integers(0, number, (RESAMPLES, number))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    tail = (1 - confidence) / 2
    wider = stats.t.isf(tail, number - 1) / stats.norm.isf(tail) * (number / (number - 1)) ** 0.5
    low, high = (value + wider * (bound - value) for bound in np.quantile(means, [tail, 1 - tail]))
    return Rate(value, float(low), float(high))
