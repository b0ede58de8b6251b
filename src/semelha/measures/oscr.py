"""Knowns against strangers: the OSCR curve, and how well the nearest distance parts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.measures.open_set import open_set

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
    curve = open_set(mated_distances, mated_right, non_mated_distances)
    both = curve.mated and curve.non_mated
    return Oscr(curve.fpir, curve.tpir, float(np.trapezoid(curve.tpir, curve.fpir)) if both else None)


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
