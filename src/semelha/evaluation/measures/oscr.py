"""Knowns against strangers: the OSCR curve, and how well the nearest distance parts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Distances = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Oscr:
    """What `oscr` found.

    Attributes
    ----------
    fpr, ccr : (points,) float64
        As the threshold rises: part of the strangers that is accepted; part of the known that is accepted and rightly
        named.
    area : float or None
        Under the curve; None without probes of both kinds. At most the accuracy of the closed set.
    """

    fpr: NDArray[np.float64]
    ccr: NDArray[np.float64]
    area: float | None


def oscr(mated_distances: Distances, mated_right: NDArray[np.bool_], non_mated_distances: Distances) -> Oscr:
    """Open-set classification rate (Dhamija, Günther and Boult, NeurIPS 2018, section 3).

    The correct classification rate is 1 − FNIR, and the false positive rate is FPIR: the curve is that of `open_set`
    in other axes. Its area is the chance that a known thing is rightly named and nearer than a stranger; of equal
    distances half count, as in the area under ROC.

    Parameters
    ----------
    mated_distances : (m,) float
        Of probes of enrolled subjects, to the nearest subject.
    mated_right : (m,) bool
        That subject is the right one.
    non_mated_distances : (n,) float
        Of probes of strangers, to the nearest subject.
    """
    right = np.sort(np.asarray(mated_distances, float)[mated_right])
    strangers = np.sort(np.asarray(non_mated_distances, float))
    mated, non_mated = len(mated_distances), len(strangers)
    thresholds = np.unique(np.concatenate([[-np.inf], right, strangers]))
    ccr = np.searchsorted(right, thresholds, side="right") / max(mated, 1)
    fpr = np.searchsorted(strangers, thresholds, side="right") / max(non_mated, 1)
    return Oscr(fpr, ccr, float(np.trapezoid(ccr, fpr)) if mated and non_mated else None)


def auroc(mated_distances: Distances, non_mated_distances: Distances) -> float | None:
    """Area under ROC of known against unknown, by the nearest distance, whatever name it gives.

    Parameters
    ----------
    mated_distances, non_mated_distances : (m,), (n,) float
        Infinite for a probe that may match nothing.

    Returns
    -------
    float or None
        None without probes of both kinds.
    """
    return oscr(mated_distances, np.ones(len(mated_distances), bool), non_mated_distances).area
