"""Scores of probes, smaller is nearer, and the choice of a scoring by leave-one-out.

Pooling turns the distances to the examples of one subject into one distance; normalization sets the distances to the
other subjects, the cohort, against it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from semelha.errors import CalibrationError, UsageError
from semelha.metrics import Metric

Pooling = Literal["nearest", "best", "mean"]
Normalization = Literal["none", "margin", "cohort"]

POOLINGS: tuple[Pooling, ...] = ("nearest", "best", "mean")
NORMALIZATIONS: tuple[Normalization, ...] = ("none", "margin", "cohort")
N_BEST = 3  # nearest examples whose mean distance "best" takes
REACH = 32  # nearest subjects whose scores a probe may change noticeably
COHORT = 10  # subjects after the nearest in the cohort
MAX_FPIR = 0.3  # highest rate at which misses are measured
RATES = 7
MIN_SUBJECTS = 20


@dataclass(frozen=True)
class Scoring:
    """Computes the score of a probe from its distances.

    Parameters
    ----------
    pooling : {"nearest", "best", "mean"}
        Distance to a subject: to its nearest example, the mean of its three nearest, or to the mean of its examples
        (its prototype; Snell, Swersky & Zemel, 2017).
    normalization : {"none", "margin", "cohort"}
        The score: the distance d₁ to the nearest subject; the margin d₁ − d₂ to the second; or d₁ divided by the
        mean of d₂ to d₁₁, the next ten subjects (like the T-norm of Auckenthaler, Carey & Lloyd-Thomas, 2000, but
        as a quotient, because distances have no sign).
    """

    pooling: Pooling = "nearest"
    normalization: Normalization = "none"

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS or self.normalization not in NORMALIZATIONS:
            names = ", ".join(scoring.name for scoring in SCORINGS)
            raise UsageError(f"there is no scoring {self.name!r}: there are {names}")

    @classmethod
    def from_name(cls, name: str) -> Scoring:
        """The scoring of a name such as "nearest" or "mean-margin". Raises `UsageError`."""
        pooling, _, normalization = name.partition("-")
        return cls(pooling, normalization or "none")  # type: ignore[arg-type]

    @property
    def name(self) -> str:
        """Pooling and normalization, such as "mean-margin"; without "none"."""
        return self.pooling if self.normalization == "none" else f"{self.pooling}-{self.normalization}"

    @property
    def depth(self) -> int:
        """Number of nearest subjects whose distances the score needs."""
        return {"none": 1, "margin": 2, "cohort": 1 + COHORT}[self.normalization]

    @property
    def reach(self) -> int:
        """Number of nearest subjects of a probe to search for: those whose own scores the probe may change.

        Without normalization this is 1.
        """
        return self.depth if self.normalization == "none" else REACH

    def references(self, examples: NDArray[Any]) -> NDArray[np.float64]:
        """Vectors of a subject with which a probe is compared: its examples (n, d), or their mean (1, d)."""
        stored = np.asarray(examples, np.float64)
        return stored.mean(axis=0, keepdims=True) if self.pooling == "mean" else stored

    def pool(self, metric: Metric, probe: NDArray[Any], subjects: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Distances of a probe (d,) to subjects, given the `references` of each: (subjects,)."""
        distances = metric.pairwise(np.asarray(probe, np.float64)[None], np.concatenate(subjects))[0]
        few = N_BEST if self.pooling == "best" else 1
        ends = np.cumsum([len(one) for one in subjects])[:-1]
        return np.array([np.sort(own)[:few].mean() for own in np.split(distances, ends)])

    def __call__(self, ranked: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Compute the scores of probes from the distances to their nearest subjects: (..., k) → (...) float64.

        The distances are ascending, infinite if there are no more; those after `depth` are ignored. A score is infinite
        without any subject; without a second subject the margin is 0 and the quotient 1.
        """
        first = np.asarray(ranked[..., 0], np.float64)
        if self.normalization == "none":
            return first
        rest = np.asarray(ranked[..., 1 : self.depth], np.float64)
        some = np.isfinite(rest)
        others = np.where(some, rest, 0).sum(axis=-1) / np.maximum(some.sum(axis=-1), 1)
        others = np.where(some.any(axis=-1), others, first)
        with np.errstate(divide="ignore", invalid="ignore"):
            score = first - others if self.normalization == "margin" else first / others
        at_zero = 1.0 if self.normalization == "cohort" else 0.0
        return np.where(np.isfinite(first), np.where(others == 0, at_zero, score), np.inf)


NEAREST = Scoring()
SCORINGS = tuple(Scoring(pooling, normalization) for normalization, pooling in product(NORMALIZATIONS, POOLINGS))


def insert_sorted(ranked: NDArray[np.float64], distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Insert a distance (...) into each ascending list (..., k), and drop the largest: (..., k)."""
    longer = np.sort(np.concatenate([ranked, distances[..., None]], axis=-1), axis=-1)
    return longer[..., : ranked.shape[-1]]


@dataclass(frozen=True, eq=False)
class LeaveOneOutDistances:
    """Distances of examples that probe the gallery without themselves, as mated and as non-mated probes."""

    subjects: NDArray[np.int64]  # (n,), of each example
    mated: NDArray[np.float64]  # (n,), to the other examples of the same subject
    non_mated: NDArray[np.float64]  # (n, k), to the nearest other subjects, ascending


@dataclass(frozen=True)
class ScoringChoice:
    """The chosen scoring and the miss rates of all.

    Attributes
    ----------
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

    The best misses the fewest probes at the rate `fpir` of strangers and above. The standard error is that of the
    difference to it, over subjects. `trials` has the distances of the same probes with each pooling. Raises
    `CalibrationError` if the probes are of fewer than 20 subjects.
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
    return np.bincount(whose, weights=missed) / np.bincount(whose)
