"""Distances of vectors to subjects, and the probabilities of subjects by a softmax of these distances."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semelha.measures.search import SearchTask, SubjectDistances, search_subjects
from semelha.metrics import Metric

MAX_TRIALS = 1000  # examples that fit the temperature
SHARPEST = 1e4  # the largest inverse temperature, times the mean distance

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]


def distances_to_subjects(
    queries: Vectors, examples: Vectors, codes: Rows, metric: Metric, *, without: Rows | None = None
) -> Floats:
    """Distance of each query to the nearest example of each subject: (n, d), (m, d), (m,) codes from 0 → (n, subjects).

    `without` (n,): the row of an example with which a query is not compared. Infinite if a subject has no other.
    """
    found = np.empty((len(queries), int(codes.max(initial=-1)) + 1))
    groups = np.full(len(queries), -1) if without is None else without
    unlabelled = np.full(len(queries), -1)
    task = SearchTask(examples, unlabelled, groups, codes, np.arange(len(examples)), leave_one_out=False)

    def visit(block: SubjectDistances) -> None:
        found[block.rows] = block.subjects

    search_subjects(queries, task, visit, metric=metric)
    return found


def subject_shares(distances: Floats, sharpness: float) -> Floats:
    """Softmax of −sharpness · distances: (n, subjects) → (n, subjects), each row sums to 1."""
    weights = np.exp(-sharpness * _above_nearest(distances))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def fit_inverse_temperature(distances: Floats, codes: Rows) -> float:
    """The sharpness of `subject_shares` by maximum likelihood: distances (n, subjects), right subjects (n,).

    The targets are smoothed as those of Platt (1999, section 2.2), so that the result is finite.
    """
    from scipy.optimize import minimize_scalar  # here, because importing it takes a while

    n, subjects = distances.shape
    above = _above_nearest(distances)
    largest = above[np.isfinite(above)].max(initial=0.0)
    if subjects == 1 or largest == 0:
        return 1.0
    scale = float(np.minimum(above, largest).mean())
    above = np.minimum(above, largest) / scale
    target = np.full((n, subjects), 1 / (n + 2) / (subjects - 1))
    target[np.arange(n), codes] = (n + 1) / (n + 2)
    linear = float((target * above).sum(axis=1).mean())

    def loss(sharpness: float) -> float:
        return sharpness * linear + float(np.log(np.exp(-sharpness * above).sum(axis=1)).mean())

    found = minimize_scalar(loss, bounds=(0, SHARPEST), method="bounded")
    return float(found.x) / scale


def _above_nearest(distances: Floats) -> Floats:
    """Distances minus that to the nearest subject; 0 where all are infinite."""
    nearest = distances.min(axis=1, keepdims=True)
    return np.where(np.isfinite(nearest), distances, 0.0) - np.where(np.isfinite(nearest), nearest, 0.0)
