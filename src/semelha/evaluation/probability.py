"""Calibration of identification probabilities: predicted from the enrolled pictures alone, compared with outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.evaluation.protocol import take
from semelha.language import Message
from semelha.measures import Reliability, reliability
from semelha.measures.search import SearchTask, SubjectDistances, search_subjects
from semelha.metrics import Metric
from semelha.recognition import full_conformal

MIN_SUBJECTS = 20  # with two enrolled pictures
EXAMPLES = 2  # of each subject, if the protocol does not choose the enrolled pictures

Vectors = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ProbePredictions:
    """Predicted probability that a probe's nearest subject is the right one, if half of the probes are non-mated."""

    mated: Floats  # (m,)
    non_mated: Floats  # (n,)
    correct: NDArray[np.bool_]  # (m,) whether the nearest subject is the right one
    mated_subject: Rows  # (m,) numbers among all classes
    non_mated_subject: Rows  # (n,)


@dataclass(frozen=True, eq=False)
class ProbabilityCalibration:
    """Predicted probabilities compared with outcomes; mated and non-mated probes have half of the weight each."""

    reliability: Reliability | None  # None if the subjects are too few to measure it
    predictions: ProbePredictions | None
    note: str  # what it was learned from, or why it is not measured


def measure_probability(
    vectors: Vectors,
    metric: Metric,
    classes: Rows,
    groups: NDArray[Any] | None,
    subjects: Rows,
    gallery: Rows | None,
    probes: Rows,
    seed: int,
) -> ProbabilityCalibration:
    """Enroll the classes `subjects`, learn the probability from their enrolled pictures, and predict it for the probes.

    `gallery` has the rows of the pictures to enroll. Without it two random pictures of each subject with three or more
    are enrolled, and subjects with fewer are left out. A probe never matches its group; learning ignores groups, as a
    gallery does.
    """
    random = np.random.default_rng([seed, 7])
    is_enrolled = np.isin(classes, subjects)
    rows = random.permutation(np.flatnonzero(is_enrolled) if gallery is None else gallery)
    order = _order_in_class(classes[rows])
    if gallery is None:
        chosen = (np.bincount(classes)[classes[rows]] > EXAMPLES) & (order < EXAMPLES)
        rows, order = rows[chosen], order[chosen]
    n_subjects = int((order == 1).sum())
    if n_subjects < MIN_SUBJECTS:
        key = "probability.few" if gallery is None else "probability.few_enrolled"
        note = Message(key, n=n_subjects, needed=MIN_SUBJECTS)
        return ProbabilityCalibration(None, None, note)
    left_out = np.flatnonzero(order == 0)  # one picture of each subject takes the part of a probe
    enrolled, enrolled_classes = vectors[rows], classes[rows]
    task = SearchTask.build(
        enrolled[left_out],
        enrolled_classes[left_out],
        enrolled,
        enrolled_classes,
        left_out,  # each picture is its own group, so that it does not match itself
        np.arange(len(rows)),
    )
    own, other = _own_and_other(enrolled[left_out], task, metric)
    probability = full_conformal(other, 0.5, mated=own).probability
    if probability is None:
        return ProbabilityCalibration(None, None, Message("probability.infinite"))
    rest = np.setdiff1d(probes, rows)
    rest = rest[~is_enrolled[rest] | np.isin(classes[rest], enrolled_classes)]
    task = SearchTask.build(
        vectors[rest], classes[rest], enrolled, enrolled_classes, take(groups, rest), take(groups, rows)
    )
    own, other = _own_and_other(vectors[rest], task, metric)
    nearest = np.minimum(own, other)
    has_nearest = np.isfinite(nearest)
    mated, non_mated = has_nearest & (task.relevant_counts() > 0), has_nearest & ~is_enrolled[rest]
    if not mated.any() or not non_mated.any():
        key = "probability.no_non_mated" if mated.any() else "probability.no_mated"
        return ProbabilityCalibration(None, None, Message(key))
    predictions = ProbePredictions(
        mated=probability(nearest[mated]),
        non_mated=probability(nearest[non_mated]),
        correct=own[mated] < other[mated],
        mated_subject=classes[rest][mated],
        non_mated_subject=classes[rest][non_mated],
    )
    note = Message(
        "probability.learned" if gallery is None else "probability.learned_enrolled",
        n=n_subjects,
        method=probability.method,
        mated=len(predictions.mated),
        non_mated=len(predictions.non_mated),
    )
    counts = [len(predictions.mated), len(predictions.non_mated)]
    measured = reliability(
        np.concatenate([predictions.mated, predictions.non_mated]),
        np.concatenate([predictions.correct, np.zeros(counts[1], bool)]),
        np.repeat([0.5 / count for count in counts], counts),
    )
    return ProbabilityCalibration(measured, predictions, note)


def _order_in_class(classes: Rows) -> Rows:
    """How many of its class come before each: (n,) → (n,)."""
    order = np.argsort(classes, kind="stable")
    _, starts, counts = np.unique(classes[order], return_index=True, return_counts=True)
    ranks = np.empty(len(classes), np.int64)
    ranks[order] = np.arange(len(classes)) - np.repeat(starts, counts)
    return ranks


def _own_and_other(queries: Vectors, task: SearchTask, metric: Metric) -> tuple[Floats, Floats]:
    """Distance of each query to its own subject and to the nearest other, infinite without one: (n,) each."""
    own, other = np.full(len(queries), np.inf), np.full(len(queries), np.inf)
    columns = np.unique(task.reference_labels)

    def visit(found: SubjectDistances) -> None:
        label = task.query_labels[found.rows]
        column = np.searchsorted(columns, label).clip(max=len(columns) - 1)
        has_own = columns[column] == label
        cells = np.flatnonzero(has_own), column[has_own]
        own[found.rows[has_own]] = found.subjects[cells]
        found.subjects[cells] = np.inf
        other[found.rows] = found.subjects.min(axis=1)

    search_subjects(queries, task, visit, metric=metric)
    return own, other
