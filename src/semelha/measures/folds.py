"""Verification as on Labeled Faces in the Wild: ten folds, each judged by a threshold of the other nine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class FoldAccuracy:
    """What `fold_accuracy` found.

    Attributes
    ----------
    mean : float
        Of the folds' accuracies.
    standard_error : float
        Their standard deviation (n − 1) divided by the root of their number.
    accuracies, thresholds : (folds,) float64
        A pair is called the same where its distance is at most its fold's threshold.
    right : (pairs,) bool
        The pair was called what it is.
    """

    mean: float
    standard_error: float
    accuracies: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    right: NDArray[np.bool_]


def fold_accuracy(
    distances: NDArray[np.floating[Any]], same: NDArray[np.bool_], fold: NDArray[np.int64]
) -> FoldAccuracy:
    """Accuracy of verification, with the threshold of each fold chosen on the others (Huang et al., 2007, View 2).

    The threshold is the one of highest accuracy there, in the middle between two distances; of several the lowest.

    Parameters
    ----------
    distances : (pairs,) float
    same : (pairs,) bool
    fold : (pairs,) int64
        Two folds or more.

    Raises
    ------
    ValueError
        The three differ in number, or there is one fold.
    """
    if not len(distances) == len(same) == len(fold):
        raise ValueError("there must be one fold and one truth for each distance")
    names = np.unique(fold)
    if len(names) < 2:
        raise ValueError("there must be two folds or more")
    distances = np.asarray(distances, np.float64)
    right = np.zeros(len(distances), bool)
    thresholds, accuracies = np.empty(len(names)), np.empty(len(names))
    for place, name in enumerate(names):
        inside = fold == name
        thresholds[place] = best_threshold(distances[~inside], same[~inside])
        right[inside] = (distances[inside] <= thresholds[place]) == same[inside]
        accuracies[place] = right[inside].mean()
    error = float(accuracies.std(ddof=1) / np.sqrt(len(names)))
    return FoldAccuracy(float(accuracies.mean()), error, accuracies, thresholds, right)


def best_threshold(distances: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    """The lowest of the thresholds of highest accuracy: the middle between two neighboring distances, or −∞, or ∞."""
    values, places = np.unique(distances, return_inverse=True)
    gain = np.bincount(places, np.where(same, 1, -1), minlength=len(values))  # of accepting one distance more
    best = int(np.argmax(np.concatenate([[0], np.cumsum(gain)])))
    if best == 0:
        return -np.inf
    return np.inf if best == len(values) else float((values[best - 1] + values[best]) / 2)
