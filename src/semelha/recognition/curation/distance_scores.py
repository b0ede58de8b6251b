"""Score near-duplicates under different subjects, and outliers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semelha.recognition.curation.enrolled import FEW, EnrolledExamples, Rows

NEARER = 10  # times nearer than usual, at which a pair has the score one half
TO_DEVIATION = 1.4826  # from the median absolute deviation to the standard deviation, under normality


def near_duplicates(enrolled: EnrolledExamples) -> tuple[Rows, NDArray[np.float64]]:
    """Score pairs of examples of different subjects that are nearer than examples of one subject usually are.

    Returns
    -------
    pairs : (pairs, 2) int64
        Rows; the lower first, each pair once.
    score : (pairs,) float64
        w / (w + 10 d): d is their distance, w the median distance from an example to the nearest other example of its
        subject, or of any subject if no subject has two. One half if d is a tenth of w.
    """
    usual = _usual_distance(enrolled)
    others = np.where(enrolled.neighbors >= 0, enrolled.subjects[enrolled.neighbors], -1)
    foreign = (others >= 0) & (others != enrolled.subjects[:, None]) & (enrolled.distances <= usual)
    rows, places = np.nonzero(foreign)
    neighbors = enrolled.neighbors[rows, places]
    pairs = np.stack([np.minimum(rows, neighbors), np.maximum(rows, neighbors)], axis=1)
    pairs, once = np.unique(pairs, axis=0, return_index=True)
    distances = enrolled.distances[rows, places][once]
    score: NDArray[np.float64] = usual / (usual + NEARER * distances) if usual > 0 else np.ones(len(pairs))
    return pairs, score


def _usual_distance(enrolled: EnrolledExamples) -> float:
    """Median distance from an example to the nearest other one of its subject."""
    found = enrolled.nearest_own
    found = found[np.isfinite(found)]
    if not len(found):
        found = enrolled.distances[:, :1]
        found = found[np.isfinite(found)]
    return float(np.median(found)) if len(found) else 0.0


def outliers(enrolled: EnrolledExamples) -> NDArray[np.float64]:
    """Score how much farther each example is from all others than is usual: (n,) within [0, 1].

    The logarithm of the mean distance to its nearest examples of any subject (Ramaswamy, Rastogi & Shim, 2000) is
    standardized by median and median absolute deviation. The score is the probability that none of n normal draws is as
    large: at one half, every second gallery of this size would have such an example at random.
    """
    from scipy.special import log_ndtr

    near = enrolled.distances[:, :FEW]
    if not near.size or not np.isfinite(near).all():
        return np.zeros(len(enrolled))
    far = np.log(np.maximum(near.mean(axis=1), np.finfo(np.float64).tiny))
    middle = np.median(far)
    deviation = TO_DEVIATION * np.median(np.abs(far - middle))
    if not deviation > 0:
        return np.zeros(len(enrolled))
    score: NDArray[np.float64] = np.exp(len(far) * log_ndtr((far - middle) / deviation))
    return score
