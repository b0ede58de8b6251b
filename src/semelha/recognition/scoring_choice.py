"""Choose the scoring that misses the fewest examples of a gallery, by leave-one-out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semelha.errors import CalibrationError
from semelha.recognition.scoring import SCORINGS, Pooling, Scoring, insert_sorted

MAX_FPIR = 0.3  # highest rate at which misses are measured
RATES = 7
MIN_SUBJECTS = 20


@dataclass(frozen=True, eq=False)
class LeaveOneOutDistances:
    """Distances of examples that probe the gallery without themselves, as mated and as non-mated probes.

    Attributes
    ----------
    subjects : (n,) int64
        Subject of each example.
    mated : (n,) float64
        Distance to the other examples of the same subject.
    non_mated : (n, k) float64
        Distances to the nearest other subjects, ascending.
    """

    subjects: NDArray[np.int64]
    mated: NDArray[np.float64]
    non_mated: NDArray[np.float64]


@dataclass(frozen=True)
class ScoringChoice:
    """The chosen scoring and the miss rates of all.

    Attributes
    ----------
    scoring : Scoring
    fnir : dict of str to float
        By the name of the scoring: the fraction of probes that are not named correctly (FNIR), averaged over rates of
        strangers from the requested one to 0.3.
    subjects : int
        Number of subjects whose examples were probes.
    """

    scoring: Scoring
    fnir: dict[str, float]
    subjects: int


def choose_scoring(trials: Mapping[Pooling, LeaveOneOutDistances], fpir: float) -> ScoringChoice:
    """Choose the simplest scoring within one standard error of the best (Breiman et al., 1984, section 3.4.3).

    Each probe is left out of the examples with which it is compared. The standard error is that of the difference to
    the best scoring, over subjects.

    Parameters
    ----------
    trials : mapping of pooling to LeaveOneOutDistances
        Distances of the same probes with each pooling.
    fpir : float
        Requested rate of strangers that are named.

    Raises
    ------
    CalibrationError
        The probes are of fewer than 20 subjects.
    """
    (some, *_) = trials.values()
    _, whose = np.unique(some.subjects, return_inverse=True)
    count = int(whose.max(initial=-1)) + 1
    if count < MIN_SUBJECTS:
        raise CalibrationError(
            f"choosing a scoring takes {MIN_SUBJECTS} subjects of two examples or more, besides those that calibrate, "
            f"and there are {count}: enroll more, or pass a scoring"
        )
    rates = np.geomspace(max(fpir, 1 / len(whose)), MAX_FPIR, RATES) if fpir < MAX_FPIR else np.array([fpir])
    misses = {scoring: _misses(trials[scoring.pooling], scoring, rates, whose) for scoring in SCORINGS}
    best = min(misses.values(), key=lambda each: float(each.mean()))
    near = {scoring: each - best for scoring, each in misses.items()}
    simplest = next(one for one, apart in near.items() if apart.mean() <= apart.std(ddof=1) / np.sqrt(count))
    return ScoringChoice(simplest, {one.name: float(each.mean()) for one, each in misses.items()}, count)


def _misses(
    trials: LeaveOneOutDistances, scoring: Scoring, rates: NDArray[np.float64], whose: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Fraction of missed probes of each subject, averaged over the rates: (subjects,)."""
    strangers = np.sort(scoring(trials.non_mated))
    mated = scoring(insert_sorted(trials.non_mated, trials.mated))
    right = trials.mated < trials.non_mated[:, 0]
    thresholds = strangers[np.maximum(np.ceil(rates * len(strangers)).astype(int) - 1, 0)]
    missed = 1 - (right[:, None] & (mated[:, None] <= thresholds)).mean(axis=1)
    found: NDArray[np.float64] = np.bincount(whose, weights=missed) / np.bincount(whose)
    return found
