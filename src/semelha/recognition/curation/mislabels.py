"""Estimate the probability that examples are enrolled under the wrong subject."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semelha.recognition.curation.enrolled import EnrolledExamples, Rows
from semelha.recognition.curation.fault_probability import fault_probability

SIMULATED = 4000  # wrong labels


def mislabel_probabilities(enrolled: EnrolledExamples, seed: int) -> tuple[NDArray[np.float64], Rows]:
    """Estimate for each example the probability that it shows another subject, and which.

    The statistic is log(distance to its own subject / distance to the nearest other subject), each the mean over the
    nearest examples. Wrong labels are simulated: examples get the label of another subject, drawn at random.

    Parameters
    ----------
    enrolled : EnrolledExamples
    seed : int
        Of the random draws.

    Returns
    -------
    probability : (n,) float64
        0 for the only example of a subject, which has no other to compare with.
    other : (n,) int64
        The nearest other subject; −1 if none is among the neighbors.
    """
    others, far = enrolled.nearest_other_subject
    probability, own = np.zeros(len(enrolled)), enrolled.own_distance
    judged = np.flatnonzero(np.isfinite(own) & np.isfinite(far))
    if not len(judged) or len(enrolled.rows_of) < 2:
        return probability, others
    observed = _log_ratio(own[judged], far[judged])
    probability[judged] = fault_probability(observed, simulated_mislabels(enrolled, judged, seed))
    probability[others < 0] = 0.0
    return probability, others


def simulated_mislabels(enrolled: EnrolledExamples, judged: Rows, seed: int) -> NDArray[np.float64]:
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
