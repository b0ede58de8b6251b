"""Identification when the thing may be unknown: FNIR against FPIR (ISO/IEC 19795-1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class OpenSet:
    """What `open_set` found. Every threshold in it is chosen with hindsight, on the very probes it is applied to.

    Attributes
    ----------
    fpir, fnir : (points,) float64
        As the threshold rises.
    fnir_at_fpir : dict of float to (float or None)
        Lowest FNIR whose FPIR is at most the key; None where there are too few non-mated probes to measure it.
    mated, non_mated : int
        Number of probes.
    """

    fpir: NDArray[np.float64]
    fnir: NDArray[np.float64]
    fnir_at_fpir: dict[float, float | None]
    mated: int
    non_mated: int


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
    at = {rate: float(fnir[fpir <= rate].min()) if mated and rate * non_mated >= 1 else None for rate in fpirs}
    return OpenSet(fpir, fnir, at, mated, non_mated)
