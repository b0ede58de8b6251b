"""Find near-duplicates, pictures of one class that show the same moment, by their vectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

OTHER_CLASS = 0.01
"""Near-duplicates are nearer than this quantile of the distances from pictures to the nearest one of another class.

99% of the pictures have no picture of another class so near. The smallest of these distances would not do: one picture
under a wrong label would set it.
"""
OWN_CLASS = 0.1
"""Near-duplicates are also nearer than this part of the usual distance within a class.

Vectors that tell classes apart well put all pictures of a class nearer together than any two classes. Without this
limit the classes themselves would be bursts, and the better a model, the fewer of its pictures would be compared.
A tenth of the cosine distance is a third of the distance between the unit vectors.
"""
USUAL = 0.75
"""The usual distance from a picture to others of its class is this quantile, and the median over the pictures.

In a class of two bursts, up to half of the distances are within a burst, and this one is not.
"""
SAMPLE = 2000  # pictures whose distances to all others set the limits; up to twice as many
BLOCK = 512  # pictures whose distances are computed at a time
PRECISION = 1e-6  # of a distance

Rows = NDArray[np.int64]


def near_duplicates(vectors: NDArray[np.floating[Any]], labels: NDArray[np.str_]) -> Iterator[list[int]]:
    """Find the pictures of one class that near-duplicates connect: lists of two or more rows.

    Near-duplicates are two pictures of a class whose cosine distance is below the limits `OTHER_CLASS` and `OWN_CLASS`,
    which are the same for all classes; copies always are. Nothing is found without two classes, without two pictures of
    a class, or if vectors of different classes are equal. Distances are computed in blocks of bounded memory.

    Parameters
    ----------
    vectors : (n, d) float
        Of any length. A vector of zeros, or with numbers that are not finite, has no near-duplicate.
    labels : (n,) str
        "" is no class.
    """
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # infinite by infinite
        unit = np.nan_to_num(vectors / np.where(norms > 0, norms, 1)).astype(np.float32)
    classes, codes = np.unique(labels, return_inverse=True)
    limit = _limit(unit, codes)
    if np.isnan(limit):
        return
    order = np.argsort(codes, kind="stable")
    for label, rows in zip(classes, np.split(order, np.cumsum(np.bincount(codes))[:-1]), strict=True):
        if label:
            yield from _near(unit[rows], rows, limit)


def connected(number: int, first: Rows, second: Rows) -> Rows:
    """Number the parts of a graph: (number,), equal for nodes that edges from `first` to `second` connect."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(number, number))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _limit(unit: NDArray[np.float32], codes: Rows) -> float:
    """The distance below which two pictures of a class are near-duplicates; NaN without classes to compare."""
    order = np.lexsort((unit.sum(axis=1), codes))  # so that the sample does not depend on the order of the pictures
    sample = order[:: max(1, len(order) // SAMPLE)]
    to_other, within = [], []
    for start in range(0, len(sample), BLOCK):
        rows = sample[start : start + BLOCK]
        distances = _distances(unit[rows], unit)
        is_own = codes[rows, None] == codes
        distances[np.arange(len(rows)), rows] = np.nan
        to_other.append(np.where(is_own, np.inf, distances).min(axis=1))
        within += [
            np.nanquantile(each[own], USUAL) for each, own in zip(distances, is_own, strict=True) if own.sum() > 1
        ]
    nearest = np.concatenate(to_other) if to_other else np.empty(0)
    if not within or not np.isfinite(nearest).all():
        return np.nan
    other = float(np.quantile(nearest, OTHER_CLASS))
    return max(PRECISION, min(other, OWN_CLASS * float(np.median(within)))) if other > PRECISION else np.nan


def _near(unit: NDArray[np.float32], rows: Rows, limit: float) -> Iterator[list[int]]:
    """Rows that are connected, of the pictures of one class: unit (m, d) and rows (m,)."""
    places = np.arange(len(rows))
    numbers = places
    for start in range(0, len(rows), BLOCK):
        first, second = np.nonzero(_distances(unit[start : start + BLOCK], unit) < limit)
        known = connected(len(rows), np.concatenate([places, first + start]), np.concatenate([numbers, second]))
        numbers = np.unique(known, return_index=True)[1][known]  # the first place of each part
    for number in np.flatnonzero(np.bincount(numbers) > 1):
        yield rows[numbers == number].tolist()


def _distances(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine distances: (a, d), (b, d) of unit length → (a, b)."""
    return np.asarray(1 - first @ second.T, np.float32)
