"""Open-set identification: FNIR against FPIR (ISO/IEC 19795-1), OSCR, AUROC, and balanced accuracy (BAKS, BAUS)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Distances = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class OpenSet:
    """The result of `open_set`. Its thresholds are chosen with hindsight, on the probes they are applied to.

    Attributes
    ----------
    fpir, fnir : (points,) float64
        The DET curve, as the threshold rises.
    thresholds : (points,) float64
        Largest accepted distance at each point.
    fnir_at_fpir : dict of float to (float or None)
        Lowest FNIR whose FPIR is at most the key; None if the non-mated probes are too few to measure it.
    """

    fpir: NDArray[np.float64]
    fnir: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    fnir_at_fpir: dict[float, float | None]
    mated: int
    non_mated: int

    @property
    def tpir(self) -> NDArray[np.float64]:
        """True-positive identification rate of each point: 1 − FNIR."""
        return 1 - self.fnir


def open_set(
    mated_distances: Distances,
    mated_correct: NDArray[np.bool_],
    non_mated_distances: Distances,
    *,
    fpirs: Sequence[float] = (0.1, 0.01),
) -> OpenSet:
    """Compute false-positive and false-negative identification rates at every threshold on the nearest distance.

    Distances are to the nearest subject: (m,) of mated probes, (n,) of non-mated ones, whose subject is not enrolled.
    A mated probe is a false negative if its nearest subject is not the right one (`mated_correct`, (m,)), or if the
    threshold rejects it.
    """
    correct = np.sort(np.asarray(mated_distances, float)[mated_correct])
    non_mated = np.sort(np.asarray(non_mated_distances, float))
    n_mated, n_non_mated = len(mated_distances), len(non_mated)
    thresholds = np.unique(np.concatenate([[-np.inf], correct, non_mated]))
    fnir = 1 - np.searchsorted(correct, thresholds, side="right") / max(n_mated, 1)
    fpir = np.searchsorted(non_mated, thresholds, side="right") / max(n_non_mated, 1)
    at = {
        rate: float(fnir[fpir <= rate].min()) if n_mated and is_measurable(rate, n_non_mated) else None
        for rate in fpirs
    }
    return OpenSet(fpir, fnir, thresholds, at, n_mated, n_non_mated)


def is_measurable(rate: float, trials: int) -> bool:
    """Whether a rate can be measured: whether one error in the trials is a rate of at most `rate`, trials ≥ 1 / rate.

    With fewer trials only the threshold that accepts nothing keeps the rate.
    """
    return rate * trials >= 1 - 1e-9


@dataclass(frozen=True, eq=False)
class Oscr:
    """The result of `oscr`.

    Attributes
    ----------
    fpr, ccr : (points,) float64
        As the threshold rises: the fraction of non-mated probes accepted; the fraction of mated probes accepted and
        correctly identified.
    area : float or None
        Area under the curve; None without probes of both kinds. At most the closed-set accuracy.
    """

    fpr: NDArray[np.float64]
    ccr: NDArray[np.float64]
    area: float | None


def oscr(mated_distances: Distances, mated_correct: NDArray[np.bool_], non_mated_distances: Distances) -> Oscr:
    """Compute the open-set classification rate (Dhamija, Günther and Boult, NeurIPS 2018, section 3).

    The correct classification rate is 1 − FNIR and the false positive rate is FPIR: the curve is that of `open_set` on
    other axes. Its area is the probability that a mated probe is correctly identified and nearer than a non-mated one;
    equal distances count half, as in the area under ROC. Takes the arrays of `open_set`.
    """
    curve = open_set(mated_distances, mated_correct, non_mated_distances)
    has_both = curve.mated and curve.non_mated
    return Oscr(curve.fpir, curve.tpir, float(np.trapezoid(curve.tpir, curve.fpir)) if has_both else None)


def auroc(mated_distances: Distances, non_mated_distances: Distances) -> float | None:
    """Compute the area under ROC of mated against non-mated probes, whatever subject is nearest.

    Takes the distances of `open_set`, infinite for a probe that may match nothing. None without probes of both kinds.
    """
    return oscr(mated_distances, np.ones(len(mated_distances), bool), non_mated_distances).area


@dataclass(frozen=True)
class Balanced:
    """The result of `balanced`: accuracy on known and on unknown subjects; None without any."""

    baks: float | None
    baus: float | None

    @property
    def geometric_mean(self) -> float | None:
        """√(BAKS · BAUS), by which AnimalCLEF ranks; None without both."""
        return None if self.baks is None or self.baus is None else float(np.sqrt(self.baks * self.baus))


def balanced(labels: NDArray[Any], correct: NDArray[np.bool_], non_mated: NDArray[np.bool_]) -> Balanced:
    """Compute BAKS and BAUS, as the WildlifeDatasets toolkit defines them: each subject counts once.

    BAKS is the fraction of a subject's probes that are correctly identified, averaged over enrolled subjects. BAUS is
    the fraction of a subject's probes that are called unknown, averaged over the subjects that are not enrolled.

    Takes (n,) arrays, else raises `ValueError`: of each probe its label, whether the answer was correct (the name for a
    mated probe, "unknown" for a non-mated one), and whether its subject is not enrolled.
    """
    if not len(labels) == len(correct) == len(non_mated):
        raise ValueError("there must be one answer for each label")
    return Balanced(
        _class_mean(labels[~non_mated], correct[~non_mated]), _class_mean(labels[non_mated], correct[non_mated])
    )


def _class_mean(labels: NDArray[Any], correct: NDArray[np.bool_]) -> float | None:
    if not len(labels):
        return None
    _, subject = np.unique(labels, return_inverse=True)
    return float(np.mean(np.bincount(subject, correct) / np.bincount(subject)))
