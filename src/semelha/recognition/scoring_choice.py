"""Which scoring serves a gallery best, by its own examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semelha.errors import CalibrationError
from semelha.recognition.scoring import SCORINGS, Pooling, Scoring, insert_sorted

LOOSEST = 0.3  # the highest rate that is looked at
RATES = 7
LEAST = 20  # subjects


@dataclass(frozen=True, eq=False)
class LeaveOneOutDistances:
    """Examples that probe the gallery, each without itself: once as its subject, and once as a stranger.

    Attributes
    ----------
    subjects : (n,) int64
        Whose example each is.
    mated : (n,) float64
        Distance to the other examples of its subject.
    non_mated : (n, k) float64
        Distances to its nearest other subjects, ascending.
    """

    subjects: NDArray[np.int64]
    mated: NDArray[np.float64]
    non_mated: NDArray[np.float64]


@dataclass(frozen=True)
class ScoringChoice:
    """What was chosen, and why.

    Attributes
    ----------
    scoring : Scoring
    fnir : dict of str to float
        Of each scoring by its name: the part of the probes that are not named rightly (FNIR), the mean over rates of
        strangers from that wanted to 0.3.
    subjects : int
        Whose examples were probes.
    """

    scoring: Scoring
    fnir: dict[str, float]
    subjects: int


def choose_scoring(trials: Mapping[Pooling, LeaveOneOutDistances], fpir: float) -> ScoringChoice:
    """The simplest scoring that is no more than a standard error from the best (Breiman et al., 1984, section 3.4.3).

    Each probe is left out of the examples that it is compared with, so that what is measured was not learned from; a
    scoring has nothing else to learn. The error is that of the difference to the best, over subjects.

    Parameters
    ----------
    trials : mapping of pooling to LeaveOneOutDistances
        The same probes by each pooling.
    fpir : float
        Rate of strangers that is wanted.

    Raises
    ------
    CalibrationError
        The probes are of fewer than 20 subjects.
    """
    (some, *_) = trials.values()
    _, whose = np.unique(some.subjects, return_inverse=True)
    count = int(whose.max(initial=-1)) + 1
    if count < LEAST:
        raise CalibrationError(
            f"choosing a scoring takes {LEAST} subjects of two examples or more, besides those that stand in for "
            f"strangers, and there are {count}: enroll more, or name a scoring"
        )
    rates = np.geomspace(max(fpir, 1 / len(whose)), LOOSEST, RATES) if fpir < LOOSEST else np.array([fpir])
    misses = {scoring: _misses(trials[scoring.pooling], scoring, rates, whose) for scoring in SCORINGS}
    best = min(misses.values(), key=lambda each: float(each.mean()))
    near = {scoring: each - best for scoring, each in misses.items()}
    simplest = next(one for one, apart in near.items() if apart.mean() <= apart.std(ddof=1) / np.sqrt(count))
    return ScoringChoice(simplest, {one.name: float(each.mean()) for one, each in misses.items()}, count)


def _misses(
    trials: LeaveOneOutDistances, scoring: Scoring, rates: NDArray[np.float64], whose: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(subjects,), the mean over their probes and over the rates."""
    strangers = np.sort(scoring(trials.non_mated))
    mated = scoring(insert_sorted(trials.non_mated, trials.mated))
    right = trials.mated < trials.non_mated[:, 0]
    thresholds = strangers[np.maximum(np.ceil(rates * len(strangers)).astype(int) - 1, 0)]
    missed = 1 - (right[:, None] & (mated[:, None] <= thresholds)).mean(axis=1)
    found: NDArray[np.float64] = np.bincount(whose, weights=missed) / np.bincount(whose)
    return found
