"""Calibrate identification for a false-positive identification rate (FPIR), by conformal prediction.

A false positive is a stranger who is named as an enrolled subject (FPIR, ISO/IEC 19795-1). The p-value of a probe is
the rate at which strangers have a score at least as low; a probe is known if its p-value is at most the FPIR. Under the
stated assumption the rate holds in expectation for any distances (Vovk, Gammerman & Shafer, 2005, chapter 2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from semelha.errors import CalibrationError, UsageError
from semelha.recognition.intervals import design_effect, rate_interval
from semelha.recognition.probability import ProbabilityCurve, fit_probability
from semelha.recognition.scoring import NEAREST, Scoring, insert_sorted
from semelha.recognition.scoring_choice import ScoringChoice

Distances = NDArray[np.floating[Any]]
Ranked = NDArray[np.float64]
Kind = Literal["strangers", "subjects"]

SMALLEST = {"strangers": 1, "subjects": 2}  # numerator of the smallest p-value

FROM_SUBJECTS = (
    "strangers are assumed to resemble each other and the enrolled as much as the enrolled resemble each other"
)
FROM_STRANGERS = "strangers are assumed to be like those of the calibration"


@dataclass(frozen=True, eq=False)
class Calibration:
    """A decision rule that names at most a fraction `fpir` of strangers.

    Attributes
    ----------
    kind : {"strangers", "subjects"}
        Calibrated on pictures of strangers (split-conformal), or on the enrolled subjects, each left out in turn
        (full-conformal).
    fpir : float
        The requested rate.
    non_mated : (n, depth) float64
        Distances of each stranger to its nearest subjects, or of each subject to its nearest other subjects, ascending.
    scoring : Scoring
        Computes a score from such distances.
    uncertain : float or None
        The rate up to which a decision is "uncertain"; None if never.
    mated : (n,) float64 or None
        Distance of the example that probes for each subject to the subject's other examples; infinite if it has none.
        Only for "subjects".
    neighbors : (n,) int64 or None
        Row of the nearest other subject of each; −1 if it has none here. Only for "subjects".
    stale : bool
        Whether the gallery changed since, and the scores are being computed again.
    choice : ScoringChoice or None
        How the scoring was chosen, if `Gallery.calibrate` has just chosen it.
    """

    kind: Kind
    fpir: float
    non_mated: Ranked
    scoring: Scoring = NEAREST
    uncertain: float | None = None
    mated: NDArray[np.float64] | None = None
    neighbors: NDArray[np.int64] | None = None
    stale: bool = False
    choice: ScoringChoice | None = None

    @property
    def n(self) -> int:
        """Number of strangers or subjects in the calibration."""
        return len(self.non_mated)

    @property
    def assumption(self) -> str:
        """The assumption under which the rate holds."""
        return FROM_SUBJECTS if self.kind == "subjects" else FROM_STRANGERS

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """Scores of the non-mated probes: (n,)."""
        return self.scoring(self.non_mated)

    def p_values(self, distances: Distances, nearest: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Compute how often a stranger has as low a score.

        Parameters
        ----------
        distances : (probes,) or (probes, k) float
            To the nearest subject, or to the k nearest, ascending; k is at least the depth of the scoring, unless there
            are fewer subjects. Exact with all subjects; with `scoring.reach` of them the difference is negligible.
        nearest : int64, of the shape of `distances`
            Rows of these subjects in `non_mated`, or −1 if they have none. Only for "subjects": if the probe were
            enrolled, they would have it as a neighbor. A subject without a row adds nothing.

        Returns
        -------
        (probes,) float64
            (1 + #{i: aᵢ ≤ a}) / (n + 1). For "subjects", aᵢ is the score of i with the probe among its neighbors, as
            far from i as i is from the probe. For the scoring "nearest" that is aᵢ, or a if i is nearest and aᵢ > a.
        """
        distances = np.asarray(distances, np.float64).reshape(len(distances), -1)
        scores = self.scoring(distances)
        lower = np.searchsorted(self._ascending, scores, side="right")
        if self.kind == "subjects":
            if nearest is None:
                raise UsageError(
                    "nearest is missing: p-values of a calibration on subjects need the rows of the nearest subjects"
                )
            lower = lower + self._own_terms(scores, distances, nearest.reshape(distances.shape))
        p: NDArray[np.float64] = (1 + lower) / (self.n + 1)
        return p

    def accepts(self, distances: Distances, nearest: NDArray[np.int64] | None = None) -> NDArray[np.bool_]:
        """Whether probes are known: (probes,) bool."""
        return self.p_values(distances, nearest) <= self.fpir

    def interval(self, *, strangers: int | None = None, confidence: float = 0.95) -> tuple[float, float]:
        """Interval of the rate of this gallery; the mean over galleries calibrated like it is at most `fpir`.

        Parameters
        ----------
        strangers : int, optional
            Number of strangers on which the rate will be measured; the long-run rate by default.
        confidence : float

        Returns
        -------
        (float, float)
            As in `rate_interval`.
        """
        pairs = self.neighbors is not None and self.n
        effect = design_effect(self.scores, self.neighbors, self.fpir) if pairs else 1.0  # type: ignore[arg-type]
        return rate_interval(self.fpir, self.n, effect=effect, trials=strangers, confidence=confidence)

    @cached_property
    def probability(self) -> ProbabilityCurve | None:
        """Probability that the nearest subject is the right one, as a function of the score.

        None if no subject has a second example, and for a calibration on strangers, which has no mated probes.
        """
        if self.mated is None:
            return None
        some = np.isfinite(self.mated)
        mated = self.scoring(insert_sorted(self.non_mated[some], self.mated[some]))
        return fit_probability(mated, self.mated[some] < self.non_mated[some, 0], self.scores)

    @cached_property
    def _ascending(self) -> NDArray[np.float64]:
        return np.sort(self.scores)

    def _own_terms(
        self, scores: NDArray[np.float64], distances: Ranked, places: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """How many more aᵢ ≤ a there are with the probe among the neighbors of i, for scores a: (probes,)."""
        if not self.n:
            return np.zeros(len(scores), np.int64)
        before = self.scores[places]  # (probes, k)
        after = self.scoring(insert_sorted(self.non_mated[places], distances))
        more = (after <= scores[:, None]).astype(np.int64) - (before <= scores[:, None])
        added: NDArray[np.int64] = np.where(places >= 0, more, 0).sum(axis=1)
        return added


def split_conformal(
    non_mated: Distances, fpir: float, *, scoring: Scoring = NEAREST, uncertain: float | None = None
) -> Calibration:
    """Calibrate on pictures of strangers, one of each.

    Parameters
    ----------
    non_mated : (n,) or (n, depth) float
        Distances of each stranger to its nearest subjects, as many as the scoring needs, ascending.
    fpir : float
        Between 0 and 1.
    scoring : Scoring
    uncertain : float, optional
        Between `fpir` and 1: up to this rate a decision is "uncertain".

    Raises
    ------
    CalibrationError
        There are too few strangers for the rate: 1 / (n + 1) must not exceed it.
    UsageError
        A rate is out of range.
    """
    check_rates(fpir, uncertain)
    _check_sample_size(len(non_mated), fpir, "strangers")
    return Calibration("strangers", fpir, _rows(non_mated), scoring, uncertain)


def full_conformal(
    non_mated: Distances,
    fpir: float,
    *,
    scoring: Scoring = NEAREST,
    uncertain: float | None = None,
    mated: NDArray[np.float64] | None = None,
    neighbors: NDArray[np.int64] | None = None,
) -> Calibration:
    """Calibrate on the enrolled subjects, each in turn taken for a stranger.

    Parameters
    ----------
    non_mated : (n,) or (n, depth) float
        Distances of one random example of each subject to the nearest other subjects, as many as the scoring needs,
        ascending.
    fpir : float
        Between 0 and 1.
    scoring, uncertain
        As for `split_conformal`.
    mated, neighbors : (n,), optional
        As in `Calibration`; without them `probability` is None and `interval` assumes independent subjects.

    Raises
    ------
    CalibrationError
        There are too few subjects for the rate: the smallest p-value, 2 / (n + 1), must not exceed it.
    UsageError
        A rate is out of range.
    """
    check_rates(fpir, uncertain)
    _check_sample_size(len(non_mated), fpir, "subjects")
    return Calibration("subjects", fpir, _rows(non_mated), scoring, uncertain, mated, neighbors)


def min_sample_size(fpir: float, kind: Kind) -> int:
    """Smallest number of strangers or subjects with which a rate can be calibrated.

    The smallest p-value, 1 / (n + 1) from strangers and 2 / (n + 1) from subjects, must not exceed the rate.
    """
    return math.ceil(SMALLEST[kind] / fpir - 1e-9) - 1


def _rows(distances: Distances) -> Ranked:
    return np.asarray(distances, np.float64).reshape(len(distances), -1)


def check_rates(fpir: float, uncertain: float | None) -> None:
    """Raise `UsageError` if a rate is out of range."""
    if not 0 < fpir < 1:
        raise UsageError(f"fpir is {fpir}: it must lie between 0 and 1, such as 0.01 for one stranger in a hundred")
    if uncertain is not None and not fpir < uncertain < 1:
        raise UsageError(f"uncertain is {uncertain:g}: it must lie between fpir, {fpir:g}, and 1")


def _check_sample_size(n: int, fpir: float, kind: Kind) -> None:
    enough = min_sample_size(fpir, kind)
    if n < enough:
        lowest = math.ceil(1000 * SMALLEST[kind] / (n + 1) - 1e-9) / 1000  # rounded up, so that it is accepted
        other = f", or ask for a rate of {lowest:g} or more" if lowest < 1 else ""
        action = "enroll" if kind == "subjects" else "add pictures of"
        raise CalibrationError(
            f"a rate of {fpir:g} needs {enough} {kind} and there are {n}: {action} {enough - n} more{other}"
        )
