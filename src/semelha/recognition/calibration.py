"""Calibrate identification for a false-positive identification rate (FPIR), by conformal prediction.

A false positive is a stranger who is named as an enrolled subject (FPIR, ISO/IEC 19795-1). The p-value of a probe is
the rate at which strangers have a score at least as low; a probe is known if its p-value is at most the FPIR. Under the
stated assumption the rate holds in expectation for any distances (Vovk, Gammerman & Shafer, 2005, chapter 2).

Subjects that were enrolled after the rule had called them unknown are *screened*: none of them is near an earlier
subject, as a stranger may be. So a subject is not compared with the screened subjects that came after it, and counts
for as many as it should have been compared with: see docs/calibration.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from semelha.errors import CalibrationError, UsageError
from semelha.recognition.probability import ProbabilityCurve, fit_probability
from semelha.recognition.scoring import NEAREST, Scoring, ScoringChoice, insert_sorted

Distances = NDArray[np.floating[Any]]
Ranked = NDArray[np.float64]
Kind = Literal["strangers", "subjects"]

SIGNIFICANCE = 0.01  # of a mismatch
SMALLEST = {"strangers": 1, "subjects": 2}  # the smallest p-value, times n + 1

MOST = 1e18  # scores that a rate may need

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
    non_mated : (n, depth) float64
        Distances of each stranger to its nearest subjects, or of each subject to its nearest other subjects, ascending.
    uncertain : float or None
        The rate up to which a decision is "uncertain"; None if never.
    mated : (n,) float64 or None
        Distance of the example that probes for each subject to the subject's other examples; infinite if it has none.
        Only for "subjects".
    neighbors : (n,) int64 or None
        Row of the nearest other subject of each; −1 if it has none here. Only for "subjects".
    weights : (n,) float64 or None
        For how many each score counts: the other subjects divided by those that it is compared with. None if all count
        for one.
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
    weights: NDArray[np.float64] | None = None
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
        """Compute how often a stranger has as low a score a: (1 + #{i: aᵢ ≤ a}) / (n + 1), (probes,) float64.

        With weights it is (w + Σ wᵢ [aᵢ ≤ a]) / (n + 1), where w is the largest.
        For "subjects", aᵢ is the score of i with the probe among its neighbors, as far from i as i is from the probe.
        For the scoring "nearest" that is aᵢ, or a if i is nearest and aᵢ > a.

        Parameters
        ----------
        distances : (probes,) or (probes, k) float
            To the nearest subject, or to the k nearest, ascending; k is at least the depth of the scoring, unless there
            are fewer subjects. Exact with all subjects; with `scoring.reach` of them the difference is negligible.
        nearest : int64, of the shape of `distances`
            Rows of these subjects in `non_mated`, or −1 if they have none. Only for "subjects": if the probe were
            enrolled, they would have it as a neighbor. A subject without a row adds nothing.
        """
        distances = np.asarray(distances, np.float64).reshape(len(distances), -1)
        scores = self.scoring(distances)
        lower = self._weight_up_to[np.searchsorted(self._ascending, scores, side="right")]
        if self.kind == "subjects":
            if nearest is None:
                raise UsageError(
                    "nearest is missing: p-values of a calibration on subjects need the rows of the nearest subjects"
                )
            lower = lower + self._own_terms(scores, distances, nearest.reshape(distances.shape))
        return np.asarray((self.largest_weight + lower) / (self.n + 1))

    def accepts(self, distances: Distances, nearest: NDArray[np.int64] | None = None) -> NDArray[np.bool_]:
        """Whether probes are known: (probes,) bool."""
        return self.p_values(distances, nearest) <= self.fpir

    def interval(self, *, strangers: int | None = None, confidence: float = 0.95) -> tuple[float, float]:
        """Interval of the rate of this gallery; the mean over galleries calibrated like it is at most `fpir`.

        Of the rate measured on that many `strangers`, or by default in the long run: see `rate_interval`.
        """
        pairs = self.neighbors is not None and self.n
        effect = design_effect(self.scores, self.neighbors, self.fpir) if pairs else 1.0  # type: ignore[arg-type]
        rate = min(self.fpir / self.largest_weight, self._rate_below_ties)
        low, high = rate_interval(rate, self.n, effect=effect, trials=strangers, confidence=confidence)
        return low * self.largest_weight, min(1.0, high * self.largest_weight)

    @property
    def _rate_below_ties(self) -> float:
        """The rate of the rule if scores are tied at its threshold, as those of exact duplicates are, or else 1.

        The rule accepts scores below the k-th. If others are equal to the k-th, it accepts only what is below them all.
        """
        place = min(self.n, int(self.fpir * (self.n + 1) + 1e-9)) - 1
        if place < 0 or self.weights is not None:
            return 1.0
        below = int(np.searchsorted(self._ascending, self._ascending[place]))
        return (below + 1) / (self.n + 1) if below < place else 1.0

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

    @property
    def largest_weight(self) -> float:
        """The largest of the weights, which a stranger counts for too."""
        return _largest(self.weights)

    @cached_property
    def _ascending(self) -> NDArray[np.float64]:
        return np.sort(self.scores)

    @cached_property
    def _weight_up_to(self) -> NDArray[np.float64]:
        """Sum of the weights of the lowest scores, by their number: (n + 1,)."""
        weights = np.ones(self.n) if self.weights is None else self.weights[np.argsort(self.scores)]
        return np.concatenate([[0.0], np.cumsum(weights)])

    def _own_terms(
        self, scores: NDArray[np.float64], distances: Ranked, places: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Weight of the aᵢ that are ≤ a only with the probe among the neighbors of i, for scores a: (probes,)."""
        if not self.n:
            return np.zeros(len(scores))
        before = self.scores[places]  # (probes, k)
        after = self.scoring(insert_sorted(self.non_mated[places], distances))
        more = (after <= scores[:, None]).astype(np.float64) - (before <= scores[:, None])
        if self.weights is not None:
            more *= self.weights[places]
        return np.asarray(np.where(places >= 0, more, 0.0).sum(axis=1))


def split_conformal(
    non_mated: Distances,
    fpir: float,
    *,
    scoring: Scoring = NEAREST,
    uncertain: float | None = None,
    weights: NDArray[np.float64] | None = None,
) -> Calibration:
    """Calibrate on pictures of strangers, one of each.

    `non_mated`, (n,) or (n, depth), are the distances of each stranger to its nearest subjects, as many as the scoring
    needs, ascending; 0 < `fpir` < `uncertain` < 1. Raises `CalibrationError` if there are too few strangers for the
    rate, which must be at least w / (n + 1) for the largest weight w, and `UsageError` if a rate is out of range.
    """
    check_rates(fpir, uncertain)
    _check_sample_size(len(non_mated), fpir, "strangers", weights)
    return Calibration("strangers", fpir, _rows(non_mated), scoring, uncertain, weights=weights)


def full_conformal(
    non_mated: Distances,
    fpir: float,
    *,
    scoring: Scoring = NEAREST,
    uncertain: float | None = None,
    mated: NDArray[np.float64] | None = None,
    neighbors: NDArray[np.int64] | None = None,
    weights: NDArray[np.float64] | None = None,
) -> Calibration:
    """Calibrate on the enrolled subjects, each in turn taken for a stranger.

    `non_mated`, (n,) or (n, depth), are the distances of one random example of each subject to the nearest other
    subjects, as many as the scoring needs, ascending. `mated` and `neighbors` are as in `Calibration`; without them
    `probability` is None and `interval` assumes independent subjects. Raises `CalibrationError` if there are too few
    subjects for the rate, which must be at least 2w / (n + 1) for the largest weight w, and `UsageError` if a rate is
    out of range.
    """
    check_rates(fpir, uncertain)
    _check_sample_size(len(non_mated), fpir, "subjects", weights)
    return Calibration("subjects", fpir, _rows(non_mated), scoring, uncertain, mated, neighbors, weights)


def min_sample_size(fpir: float, kind: Kind, weight: float = 1.0) -> int:
    """Smallest number of strangers or subjects whose smallest p-value, 1 / (n + 1) or 2 / (n + 1), reaches the rate.

    `weight` is the largest of the weights; the smallest p-value is that many times as large.
    """
    return math.ceil(min(weight * SMALLEST[kind] / fpir, MOST) - 1e-9) - 1


def _rows(distances: Distances) -> Ranked:
    return np.asarray(distances, np.float64).reshape(len(distances), -1)


def check_rates(fpir: float, uncertain: float | None) -> None:
    if not 0 < fpir < 1:
        raise UsageError(f"fpir is {fpir}: it must lie between 0 and 1, such as 0.01 for one stranger in a hundred")
    if uncertain is not None and not fpir < uncertain < 1:
        raise UsageError(f"uncertain is {uncertain:g}: it must lie between fpir, {fpir:g}, and 1")


def _largest(weights: NDArray[np.float64] | None) -> float:
    return 1.0 if weights is None else float(weights.max(initial=1.0))


def _check_sample_size(n: int, fpir: float, kind: Kind, weights: NDArray[np.float64] | None) -> None:
    enough = min_sample_size(fpir, kind)
    with_weights = min_sample_size(fpir, kind, _largest(weights))
    if enough <= n < with_weights:
        raise CalibrationError(
            f"a rate of {fpir:g} needs {with_weights} {kind} and {n} count, because the gallery had called others "
            f"unknown before they were enrolled: calibrate with at least {min_sample_size(fpir, 'strangers')} strangers"
        )
    if n < enough:
        lowest = math.ceil(1000 * SMALLEST[kind] / (n + 1) - 1e-9) / 1000  # rounded up, so that it is accepted
        other = f", or ask for a rate of {lowest:g} or more" if lowest < 1 else ""
        action = "enroll" if kind == "subjects" else "add pictures of"
        raise CalibrationError(
            f"a rate of {fpir:g} needs {enough} {kind} and there are {n}: {action} {enough - n} more{other}"
        )


def rate_interval(
    rate: float, n: int, *, effect: float = 1.0, trials: int | None = None, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of the false-positive rate of a conformal rule: of `trials` strangers, or in the long run.

    With n independent scores the rule accepts scores below the k-th, k = rate · (n + 1), and its rate is distributed as
    Beta(k, n + 1 − k) (Vovk, ACML 2012, section 2). For dependent scores n is divided by the design effect (Kish,
    1965). The lower end is that of k − 1, as in the Clopper–Pearson interval, because p-values are discrete.
    """
    from scipy.special import betaincinv  # here, because identification does not need it

    size = 1 / (effect / n + (1 / trials if trials else 0))
    k = rate * (size + 1)
    tail = (1 - confidence) / 2
    low = float(betaincinv(k - 1, size + 2 - k, tail)) if k > 1 else 0.0
    return low, float(betaincinv(k, size + 1 - k, 1 - tail))


def design_effect(scores: NDArray[np.float64], neighbors: NDArray[np.int64], rate: float) -> float:
    """Design effect of scores (n,) of subjects, of which some come in pairs: the variance relative to independent ones.

    Two subjects that are each other's nearest (`neighbors`, −1 for none) have nearly the same score. The effect is 1 +
    the fraction of such pairs among the scores that the rate accepts.
    """
    low = np.argsort(scores, kind="stable")[: max(1, int(rate * (len(scores) + 1) + 1e-9))]
    mutual = (neighbors[low] >= 0) & (neighbors[neighbors[low]] == low)
    return 1 + float(np.mean(mutual & (scores[neighbors[low]] <= scores[low].max())))


@dataclass(frozen=True)
class Mismatch:
    """The result of testing a calibration with labelled probes.

    Attributes
    ----------
    probes : int
        Number of probes, each of another subject or stranger and compared with all other subjects.
    achieved : float
        The fraction of probes that would be named as another subject.
    low, high : float
        95% Clopper–Pearson interval of `achieved`.
    p_value : float
        Of the two-sample Kolmogorov–Smirnov test that probes and calibration have the same distribution.
    verdict : {"alike", "nearer", "farther"}
        Whether the probes are as near to other subjects as the pictures of the calibration, or nearer (more strangers
        are named), or farther (fewer are named, and more enrolled subjects are missed than necessary).
    """

    probes: int
    fpir: float
    achieved: float
    low: float
    high: float
    p_value: float
    verdict: str

    @property
    def message(self) -> str:
        """The result and its consequence, in a sentence or two."""
        measured = (
            f"of {self.probes} probes {self.achieved:.1%} would be named as another subject (95% interval "
            f"{self.low:.1%}–{self.high:.1%}); the calibrated rate is {self.fpir:.1%}"
        )
        if self.verdict == "alike":
            return f"Probes and gallery agree: {measured}."
        effect = "the rate may differ from the calibrated one"
        if self.low > self.fpir:
            effect = "the rate is exceeded"
        elif self.high < self.fpir:
            effect = "the rate is below the calibrated one"
        return (
            f"Probes come {self.verdict} than the gallery's own pictures (p = {self.p_value:.2g}), and {effect}: "
            f"{measured}. Calibrate with strangers or confirmed pictures that are taken like the probes."
        )


def measure_mismatch(p_values: NDArray[np.float64], calibration: Calibration, *, seed: int) -> Mismatch:
    """Test whether conformal p-values of strangers are uniform, as they are if the assumption holds.

    All p-values are computed from the same n scores, so that their distance to the uniform distribution has the
    distribution of the two-sample statistic, with effective size m · n / (m + n) (Smirnov, 1948).

    The p-values are of probes compared without their own subject. They are multiples of 1 / (n + 1), times the weights,
    and are spread at random between them (Vovk, Gammerman & Shafer, 2005, section 2.2).
    """
    from scipy.special import betaincinv  # here, because identification does not need SciPy
    from scipy.stats import kstest, kstwo

    n, count = len(p_values), int((p_values <= calibration.fpir).sum())
    step = calibration.largest_weight / (calibration.n + 1)
    smooth = p_values - step * np.random.default_rng(seed).random(n)
    size = n * calibration.n / (n + calibration.n)
    p_value = float(kstwo.sf(kstest(smooth, "uniform").statistic, max(1, round(size))))
    verdict = "alike" if p_value >= SIGNIFICANCE else "nearer" if np.mean(smooth) < 0.5 else "farther"
    return Mismatch(
        n,
        calibration.fpir,
        count / n,
        float(betaincinv(count, n - count + 1, 0.025)) if count else 0.0,
        float(betaincinv(count + 1, n - count, 0.975)) if count < n else 1.0,
        p_value,
        verdict,
    )
