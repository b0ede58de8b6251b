"""Examples that are too near to those of another subject, and examples that are far from everything."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semelha.recognition.curation.enrolled import FEW, Enrolled, Rows

NEARER = 10  # times nearer than usual, from which on a pair is rather one picture twice
TO_DEVIATION = 1.4826  # from the median of absolute deviations to the standard deviation, where all is normal


def near_duplicates(enrolled: Enrolled) -> tuple[Rows, NDArray[np.float64]]:
    """Pairs of examples of different subjects, and how much nearer they are than examples of one subject usually are.

    Returns
    -------
    pairs : (pairs, 2) int64
        Rows, the lower first, each pair once.
    score : (pairs,) float64
        w / (w + 10 d): d is their distance, w the median distance from an example to the nearest other of its
        subject; where no subject has two, to the nearest of all. One half where they are ten times nearer than that.
    """
    usual = _usual(enrolled)
    others = np.where(enrolled.neighbors >= 0, enrolled.subjects[enrolled.neighbors], -1)
    foreign = (others >= 0) & (others != enrolled.subjects[:, None]) & (enrolled.distances <= usual)
    rows, places = np.nonzero(foreign)
    neighbors = enrolled.neighbors[rows, places]
    pairs = np.stack([np.minimum(rows, neighbors), np.maximum(rows, neighbors)], axis=1)
    pairs, once = np.unique(pairs, axis=0, return_index=True)
    distances = enrolled.distances[rows, places][once]
    score: NDArray[np.float64] = usual / (usual + NEARER * distances) if usual > 0 else np.ones(len(pairs))
    return pairs, score


def _usual(enrolled: Enrolled) -> float:
    """How far an example usually is from the nearest other of its subject."""
    found = enrolled.nearest_own
    found = found[np.isfinite(found)]
    if not len(found):
        found = enrolled.distances[:, :1]
        found = found[np.isfinite(found)]
    return float(np.median(found)) if len(found) else 0.0


def outliers(enrolled: Enrolled) -> NDArray[np.float64]:
    """How surely each example is farther from everything than the others are: (n,) within 0 and 1.

    The mean distance to its few nearest examples of any subject (Ramaswamy, Rastogi & Shim 2000), as a logarithm, is
    compared with its median over all and its median absolute deviation. The score is the probability that of as many
    normal draws none is as far: at one half, every second gallery of this size would have such an example by chance.
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
