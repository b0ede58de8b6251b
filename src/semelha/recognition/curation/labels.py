"""Examples that seem to bear the name of another subject."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semelha.recognition.curation.chance import chance_of_fault
from semelha.recognition.curation.enrolled import Enrolled, Rows

MADE = 4000  # labels that are wrong on purpose


def wrong_labels(enrolled: Enrolled, seed: int) -> tuple[NDArray[np.float64], Rows]:
    """How likely each example is of another subject than it is enrolled under, and of which.

    What is looked at is the logarithm of how far it is from its own subject, by how far it is from the nearest other:
    means over few nearest examples. What a wrong label looks like is seen where examples are given the name of another
    subject, drawn by chance.

    Parameters
    ----------
    enrolled : Enrolled
    seed : int
        Of the draws.

    Returns
    -------
    chance : (n,) float64
        0 where an example is the only one of its subject: there is nothing to compare with.
    other : (n,) int64
        The subject that it is nearest to beside its own; −1 where none is among its neighbors.
    """
    others, far = enrolled.nearest_other
    chance, own = np.zeros(len(enrolled)), enrolled.to_own
    judged = np.flatnonzero(np.isfinite(own) & np.isfinite(far))
    if not len(judged) or len(enrolled.rows_of) < 2:
        return chance, others
    observed = _ratio(own[judged], far[judged])
    chance[judged] = chance_of_fault(observed, made_wrong(enrolled, judged, seed))
    chance[others < 0] = 0.0  # nobody else's example is near
    return chance, others


def made_wrong(enrolled: Enrolled, judged: Rows, seed: int) -> NDArray[np.float64]:
    """The statistic of examples under a wrong name: (made,)."""
    random, subjects = np.random.default_rng(seed), len(enrolled.rows_of)
    rows = random.permutation(judged)[:MADE]
    wrong = (enrolled.subjects[rows] + random.integers(1, subjects, len(rows))) % subjects
    under_wrong = np.array([enrolled.to_subject(*pair) for pair in zip(rows.tolist(), wrong.tolist(), strict=True)])
    _, far = enrolled.nearest_but(rows, np.stack([enrolled.subjects[rows], wrong], axis=1))
    right = np.minimum(far, enrolled.to_own[rows])  # its true subject is another now, mostly the nearest
    return _ratio(under_wrong, right)


def _ratio(own: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    tiny = np.finfo(np.float64).tiny
    return np.asarray(np.log(np.maximum(own, tiny)) - np.log(np.maximum(other, tiny)))
