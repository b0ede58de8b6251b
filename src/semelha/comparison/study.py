"""The pictures of a comparison: their division into classes, and their vectors, which are computed once and kept."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import Extractor, embed_all, milliseconds_each
from semelha.errors import DatasetError, SemelhaError
from semelha.files import atomic_write
from semelha.images import Dataset, Progress, Remark, paired_classes
from semelha.linear.train import Reduced, reduce
from semelha.metrics import Metric

FOLDS = 3
SELECTION, LEARNED = -1, -2
"""In place of the number of a test fold: classes for choices; classes without two pictures that may match."""
MIN_CLASSES = 2 * (FOLDS + 1)
FEWEST = 8
"""Classes to learn from, at least, in the first rounds."""

BATCH = 32
"""Pictures that are embedded at a time."""

Rows = NDArray[np.int64]
Vectors = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Source:
    """What computes vectors of pictures. `key` names its file; `size` is in bytes."""

    key: str
    extractor: Extractor
    dim: int
    size: int


@dataclass(frozen=True, eq=False)
class Base:
    """Vectors that methods start from: columns of those of a source.

    `alone` computes these columns alone. `own_scales`: the numbers differ in their units.
    """

    name: str
    source: Source
    metric: Metric
    start: int = 0
    stop: int | None = None
    own_scales: bool = False
    alone: Extractor | None = None

    def embed(self, pictures: Dataset) -> Vectors:
        """Compute the vectors of pictures anew, (pictures, dim)."""
        if self.alone is not None:
            return embed_all(self.alone, pictures, self.source.dim, batch_size=BATCH, progress=None)
        found = embed_all(self.source.extractor, pictures, self.source.dim, batch_size=BATCH, progress=None)
        return found[:, self.start : self.stop]


@dataclass(eq=False)
class Study:
    """Pictures with groups, and how their classes are divided.

    Attributes
    ----------
    fold : (pictures,) int64
        The test fold of each picture, or `SELECTION` or `LEARNED`.
    spent : float
        Seconds that the comparison has taken so far, in all its runs: the sum of what its files say.
    """

    pictures: Dataset
    fold: Rows
    folder: Path
    seed: int
    spent: float = 0.0
    _known: dict[str, tuple[NDArray[Any], float]] = field(default_factory=dict)
    _milliseconds: dict[str, float] = field(default_factory=dict)
    _reduced: dict[tuple[str, bytes], tuple[Reduced, float]] = field(default_factory=dict)

    def learned(self, fold: int, share: float = 1.0) -> Rows:
        """Rows to learn from in a fold: all classes but its own and those for selection, or a share of them."""
        rows = np.flatnonzero((self.fold != fold) & (self.fold != SELECTION))
        if share >= 1:
            return rows
        names = np.unique(self.pictures.labels[rows])
        number = max(round(share * len(names)), min(FEWEST, len(names)))
        some = np.random.default_rng([self.seed, 21]).permutation(names)[:number]
        return rows[np.isin(self.pictures.labels[rows], some)]

    def measured(self, fold: int) -> Rows:
        """Rows of a test fold, or of the selection classes."""
        return np.flatnonzero(self.fold == fold)

    def classes(self, rows: Rows) -> int:
        """The number of classes of some pictures."""
        return len(np.unique(self.pictures.labels[rows]))

    def vectors(self, base: Base, rows: Rows) -> Vectors:
        """The vectors of some pictures, (rows, dim)."""
        found = self.prepare(base.source)[0][rows, base.start : base.stop]
        return np.asarray(found, np.float32)

    def reduced(self, base: Base, rows: Rows) -> tuple[Reduced, float]:
        """What `reduce` gives for these vectors, and the seconds that it took if it was known already, or else 0."""
        key = base.name, rows.tobytes()
        if key in self._reduced:
            return self._reduced[key]
        start = time.monotonic()
        found = reduce(self.vectors(base, rows), own_scales=base.own_scales)
        self._reduced[key] = found, time.monotonic() - start
        return found, 0.0

    def milliseconds(self, base: Base) -> float:
        """Of embedding one picture that is in memory."""
        if base.alone is None:
            return self.prepare(base.source)[1]
        if base.name not in self._milliseconds:
            self._milliseconds[base.name] = milliseconds_each(base.alone)
        return self._milliseconds[base.name]

    def prepare(self, source: Source, progress: Progress | None = None) -> tuple[NDArray[Any], float]:
        """Vectors of all pictures, and milliseconds of one: from the folder, or computed and kept there."""
        if source.key in self._known:
            return self._known[source.key]
        file = self.folder / "vectors" / f"{source.key}.npz"
        shape = (len(self.pictures), source.dim)
        if not file.exists():
            start = time.monotonic()
            vectors = embed_all(source.extractor, self.pictures, source.dim, batch_size=BATCH, progress=progress)
            each = milliseconds_each(source.extractor)
            with atomic_write(file) as opened:
                kept = {"vectors": vectors, "milliseconds": each, "seconds": time.monotonic() - start}
                np.savez(opened, **kept)  # type: ignore[arg-type]  # numpy's types take no bytes of a file
        try:
            with np.load(file) as content:
                vectors, each, seconds = content["vectors"], float(content["milliseconds"]), float(content["seconds"])
        except (OSError, ValueError, KeyError, EOFError) as problem:
            raise SemelhaError(f"{file} is damaged: remove it, and compare again with resume") from problem
        if vectors.shape != shape:
            raise SemelhaError(f"{file} has vectors {vectors.shape}, and {shape} are needed: remove it")
        self.spent += seconds
        self._known[source.key] = vectors, each
        return self._known[source.key]


def divide(pictures: Dataset, seed: int) -> Rows:
    """The fold of each picture: classes are drawn, a quarter for selection and the others for three test folds.

    Raises `DatasetError` if fewer than eight classes have two pictures that may match.
    """
    names = sorted(paired_classes(pictures.labels, pictures.groups))
    if len(names) < MIN_CLASSES:
        raise DatasetError(
            f"{pictures.name} has {len(names)} classes with two pictures that may match: a comparison needs "
            f"{MIN_CLASSES}, some to learn from, some for choices, and some to measure on"
        )
    order = np.random.default_rng([seed, 20]).permutation(names)
    number = round(len(order) / (FOLDS + 1))
    parts = {SELECTION: order[:number], **dict(enumerate(np.array_split(order[number:], FOLDS)))}
    of = {str(name): fold for fold, some in parts.items() for name in some}
    return np.array([of.get(label, LEARNED) for label in pictures.labels.tolist()], np.int64)


def some_classes(pictures: Dataset, most: int, seed: int) -> Dataset:
    """Classes drawn at random, with about `most` pictures, and a remark that says so; all if they are no more.

    There are always enough classes with two pictures that may match for `divide`.
    """
    if len(pictures) <= most:
        return pictures
    counts, names = pictures.counts(), pictures.classes
    order = [names[number] for number in np.random.default_rng([seed, 22]).permutation(len(names))]
    total = np.cumsum([counts[name] for name in order])
    is_paired = np.isin(order, paired_classes(pictures.labels, pictures.groups))
    needed = int(np.searchsorted(np.cumsum(is_paired), MIN_CLASSES)) + 1
    kept = set(order[: max(needed, int(np.searchsorted(total, most)))])
    text = (
        f"{len(kept):,} of {len(names):,} classes were drawn: the features of all pictures would take more than their "
        "part of the budget"
    )
    some = pictures.select([row for row, one in enumerate(pictures) if one.label in kept])
    return replace(some, remarks=(*some.remarks, Remark("used", text, len(kept))))


def chosen_queries(fold: Rows, most: int, seed: int) -> Rows:
    """Rows of pictures whose neighbors are shown: at most so many of the test folds, in their order."""
    rows = np.flatnonzero(fold >= 0)
    return np.sort(np.random.default_rng([seed, 23]).permutation(rows)[:most])
