"""Score examples: wrong labels, near-duplicates under different subjects, and outliers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semelha.recognition.curation.enrolled import FEW, EnrolledExamples, Rows
from semelha.recognition.curation.fault_probability import fault_probability

SIMULATED = 4000  # wrong labels
NEARER = 10  # times nearer than usual, at which a pair has the score one half
TO_DEVIATION = 1.4826  # from the median absolute deviation to the standard deviation, under normality


def mislabel_probabilities(enrolled: EnrolledExamples, seed: int) -> tuple[NDArray[np.float64], Rows]:
    """Estimate for each example the probability that it shows another subject, and which.

    The statistic is log(distance to its own subject / distance to the nearest other subject), each the mean over the
    nearest examples. Wrong labels are simulated: examples get the label of another subject, drawn at random.

    The probability (n,) of the only example of a subject is 0. The nearest other subject (n,) is −1 if none is among
    the neighbors.
    """
    others, far = enrolled.nearest_other_subject
    probability, own = np.zeros(len(enrolled)), enrolled.own_distance
    judged = np.flatnonzero(np.isfinite(own) & np.isfinite(far))
    if not len(judged) or len(enrolled.rows_of) < 2:
        return probability, others
    observed = _log_ratio(own[judged], far[judged])
    probability[judged] = fault_probability(observed, _simulated_mislabels(enrolled, judged, seed))
    probability[others < 0] = 0.0
    return probability, others


def _simulated_mislabels(enrolled: EnrolledExamples, judged: Rows, seed: int) -> NDArray[np.float64]:
    """The statistic of examples under a wrong label: (simulated,)."""
    random, subjects = np.random.default_rng(seed), len(enrolled.rows_of)
    rows = random.permutation(judged)[:SIMULATED]
    wrong = (enrolled.subjects[rows] + random.integers(1, subjects, len(rows))) % subjects
    under_wrong = np.array(
        [enrolled.distance_to_subject(*pair) for pair in zip(rows.tolist(), wrong.tolist(), strict=True)]
    )
    _, far = enrolled.nearest_subject_except(rows, np.stack([enrolled.subjects[rows], wrong], axis=1))
    right = np.minimum(far, enrolled.own_distance[rows])  # its true subject is now another one, usually the nearest
    return _log_ratio(under_wrong, right)


def _log_ratio(own: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    tiny = np.finfo(np.float64).tiny
    return np.asarray(np.log(np.maximum(own, tiny)) - np.log(np.maximum(other, tiny)))


def near_duplicates(enrolled: EnrolledExamples) -> tuple[Rows, NDArray[np.float64]]:
    """Score pairs of examples of different subjects that are nearer than examples of one subject usually are.

    Returns each pair of rows once, the lower first, (pairs, 2), and its score (pairs,), w / (w + 10 d): d is their
    distance, w the usual one. One half if d is a tenth of w.
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
    """Median distance from an example to the nearest other one of its subject, or of any if no subject has two."""
    for found in (enrolled.nearest_own, enrolled.distances[:, :1]):
        finite = found[np.isfinite(found)]
        if len(finite):
            return float(np.median(finite))
    return 0.0


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
