"""From a wanted rate of false positives to a decision, by conformal prediction.

A false positive is a stranger who is named as somebody enrolled (FPIR, ISO/IEC 19795-1). The p-value of a probe says
how often a stranger comes at least as near as it did; it is known where its p-value is at most the rate. Under the
stated assumption that holds in expectation for any distances whatever (Vovk, Gammerman & Shafer, 2005, chapter 2).
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

OWN = "strangers are assumed to resemble each other and the enrolled as much as the enrolled resemble each other"
GIVEN = "strangers to come are assumed to be like the pictures that the calibration was given"


@dataclass(frozen=True, eq=False)
class Calibration:
    """A rule that lets at most a part `fpir` of strangers pass.

    Attributes
    ----------
    kind : {"strangers", "subjects"}
        What it was learned from: given strangers (split-conformal), or the enrolled subjects, each left out in turn
        (full-conformal).
    fpir : float
        The rate that was asked for.
    non_mated : (n, depth) float64
        Distances of each stranger to its nearest subjects, ascending; or of each subject to its nearest other subjects,
        in the order of the subjects.
    scoring : Scoring
        How a score is made of such distances.
    uncertain : float or None
        The rate up to which answers are uncertain; None where none are.
    mated : (n,) float64 or None
        Distance of the example that stands in for each subject to the subject's other examples; infinite where it has
        none. Only for "subjects".
    neighbors : (n,) int64 or None
        The place of the nearest other subject of each; −1 where it has none here. Only for "subjects".
    stale : bool
        The gallery has changed since, and the scores are being worked out anew.
    choice : ScoringChoice or None
        How the scoring was chosen, where `Gallery.calibrate` has just done so.
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
        """Strangers or subjects that it rests on."""
        return len(self.non_mated)

    @property
    def assumption(self) -> str:
        """What must hold for the rate to hold."""
        return OWN if self.kind == "subjects" else GIVEN

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """(n,), of what stands in for strangers."""
        return self.scoring(self.non_mated)

    def p_values(self, distances: Distances, nearest: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """How often a stranger has as low a score.

        Parameters
        ----------
        distances : (probes,) or (probes, k) float
            To the nearest subject, or to the k nearest, ascending; k is at least the depth of the scoring, or there are
            no more subjects. Exact with all; where `scoring.reach` of them are given, what is left out is next to none.
        nearest : int64, of the shape of `distances`
            Which subjects these are, as places in `non_mated`, or −1 where they have none there. Only for "subjects":
            had the probe been enrolled, they would have had it as a neighbor. A subject without a place adds nothing.

        Returns
        -------
        (probes,) float64
            (1 + #{i: aᵢ ≤ a}) / (n + 1); from subjects aᵢ is the score that i has with the probe among its neighbors,
            as far from i as i is from the probe. Of the nearest example that is aᵢ, or a where i is nearest and aᵢ > a.
        """
        distances = np.asarray(distances, np.float64).reshape(len(distances), -1)
        scores = self.scoring(distances)
        lower = np.searchsorted(self._ascending, scores, side="right")
        if self.kind == "subjects":
            if nearest is None:
                raise UsageError("p-values from subjects need to know which subjects are nearest")
            lower = lower + self._own_terms(scores, distances, nearest.reshape(distances.shape))
        p: NDArray[np.float64] = (1 + lower) / (self.n + 1)
        return p

    def accepts(self, distances: Distances, nearest: NDArray[np.int64] | None = None) -> NDArray[np.bool_]:
        """(probes,) bool: known."""
        return self.p_values(distances, nearest) <= self.fpir

    def interval(self, *, strangers: int | None = None, confidence: float = 0.95) -> tuple[float, float]:
        """Where the rate of this very gallery lies; of all galleries calibrated so the mean is at most `fpir`.

        Parameters
        ----------
        strangers : int, optional
            Where the rate would be measured to lie on so many strangers; without, where it lies in the long run.
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
        """How probable it is, by the score, that the nearest subject is the right one.

        None where no subject has a second example, and where the strangers were given: nobody stands in for the
        enrolled then.
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
        """By how many aᵢ ≤ a there are more with the probe among the neighbors of i, for (probes,) scores a."""
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
    """Calibrate on pictures of things that are not enrolled, one of each thing.

    Parameters
    ----------
    non_mated : (n,) or (n, depth) float
        Distance of each stranger to the nearest subject, or to as many as the scoring needs, ascending.
    fpir : float
        Between 0 and 1.
    scoring : Scoring
    uncertain : float, optional
        Between `fpir` and 1: up to this rate an answer is uncertain.

    Raises
    ------
    CalibrationError
        So few strangers cannot support the rate: 1 / (n + 1) must not exceed it.
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
    """Calibrate on the enrolled subjects, each of them in turn the stranger.

    Parameters
    ----------
    non_mated : (n,) or (n, depth) float
        Distance of one example of each subject, drawn by chance, to the nearest other subject, or to as many as the
        scoring needs, ascending.
    fpir : float
        Between 0 and 1.
    scoring, uncertain
        As for `split_conformal`.
    mated, neighbors : (n,), optional
        As in `Calibration`; without them there is no `probability`, and `interval` takes subjects for independent.

    Raises
    ------
    CalibrationError
        So few subjects cannot support the rate: the smallest p-value of a probe, 2 / (n + 1), must not exceed it.
    """
    check_rates(fpir, uncertain)
    _check_sample_size(len(non_mated), fpir, "subjects")
    return Calibration("subjects", fpir, _rows(non_mated), scoring, uncertain, mated, neighbors)


def min_sample_size(fpir: float, kind: Kind) -> int:
    """How many strangers or enrolled subjects it takes to calibrate for a rate.

    The smallest p-value, 1 / (n + 1) from strangers and 2 / (n + 1) from subjects, must not exceed the rate.
    """
    return math.ceil(SMALLEST[kind] / fpir - 1e-9) - 1


def _rows(distances: Distances) -> Ranked:
    return np.asarray(distances, np.float64).reshape(len(distances), -1)


def check_rates(fpir: float, uncertain: float | None) -> None:
    """Raise `UsageError` where there are no such rates."""
    if not 0 < fpir < 1:
        raise UsageError(f"fpir is {fpir}: it lies between 0 and 1, such as 0.01 for one stranger in a hundred")
    if uncertain is not None and not fpir < uncertain < 1:
        raise UsageError(f"answers are uncertain up to a rate above fpir, {fpir:g}, and below 1: {uncertain:g} is not")


def _check_sample_size(n: int, fpir: float, kind: Kind) -> None:
    enough = min_sample_size(fpir, kind)
    if n < enough:
        lowest = math.ceil(1000 * SMALLEST[kind] / (n + 1) - 1e-9) / 1000  # rounded up, so that it is accepted
        other = f", or ask for a rate of {lowest:g} or more" if lowest < 1 else ""
        action = "enroll" if kind == "subjects" else "give pictures of"
        raise CalibrationError(
            f"a rate of {fpir:g} needs {enough} {kind} and there are {n}: {action} {enough - n} more{other}"
        )
