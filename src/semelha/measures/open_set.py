"""Identification when the thing may be unknown: FNIR against FPIR (ISO/IEC 19795-1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.measures.resolution import measurable


@dataclass(frozen=True, eq=False)
class OpenSet:
    """What `open_set` found. Every threshold in it is chosen with hindsight, on the very probes it is applied to.

    Attributes
    ----------
    fpir, fnir : (points,) float64
        The DET curve, as the threshold rises.
    thresholds : (points,) float64
        Distance up to which a probe is accepted at each point.
    fnir_at_fpir : dict of float to (float or None)
        Lowest FNIR whose FPIR is at most the key; None where there are too few non-mated probes to measure it.
    mated, non_mated : int
        Number of probes.
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
    mated_distances: NDArray[np.floating[Any]],
    mated_right: NDArray[np.bool_],
    non_mated_distances: NDArray[np.floating[Any]],
    *,
    fpirs: Sequence[float] = (0.1, 0.01),
) -> OpenSet:
    """False-positive and false-negative identification rates over all thresholds on the nearest distance.

    Parameters
    ----------
    mated_distances : (m,) float
        Of probes of enrolled subjects, to the nearest subject.
    mated_right : (m,) bool
        That subject is the right one. A mated probe is a false negative where it is not, or where it is not accepted.
    non_mated_distances : (n,) float
        Of probes of subjects not enrolled, to the nearest subject.
    fpirs : sequence of float
    """
    right = np.sort(np.asarray(mated_distances, float)[mated_right])
    strangers = np.sort(np.asarray(non_mated_distances, float))
    mated, non_mated = len(mated_distances), len(strangers)
    thresholds = np.unique(np.concatenate([[-np.inf], right, strangers]))
    accepted = np.searchsorted(right, thresholds, side="right")
    fnir = 1 - accepted / max(mated, 1)
    fpir = np.searchsorted(strangers, thresholds, side="right") / max(non_mated, 1)
    at = {rate: float(fnir[fpir <= rate].min()) if mated and measurable(rate, non_mated) else None for rate in fpirs}
    return OpenSet(fpir, fnir, thresholds, at, mated, non_mated)
