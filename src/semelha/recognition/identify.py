"""From neighbors to subjects, and from distances to a decision."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from semelha.recognition.answer import Candidate, Identification, Match
from semelha.recognition.calibrate import Calibration

UNCALIBRATED = "the gallery is not calibrated: calibrate(fpir=…) lets it say unknown"


def rank_subjects(
    ids: NDArray[np.int64], distances: NDArray[np.float64], of: Mapping[int, tuple[str, str]], k: int
) -> tuple[Candidate, ...]:
    """The k nearest subjects of one probe, each once, with its examples among the neighbors.

    Parameters
    ----------
    ids : (neighbors,) int64
        Examples, nearest first; −1 where there are no more.
    distances : (neighbors,) float64
    of : mapping of int to (str, str)
        Subject and source of each example.
    k : int
    """
    found: dict[str, list[Match]] = {}
    for example, distance in zip(ids.tolist(), distances.tolist(), strict=True):
        if example >= 0:
            subject, source = of[example]
            found.setdefault(subject, []).append(Match(example, source, distance))
    ranked = [Candidate(subject, matches[0].distance, tuple(matches)) for subject, matches in found.items()]
    return tuple(ranked[:k])


def decide(
    candidates: tuple[Candidate, ...], calibration: Calibration | None, place: Mapping[str, int]
) -> Identification:
    """Known, unknown, or uncalibrated.

    Parameters
    ----------
    candidates : tuple of Candidate
        Nearest first.
    calibration : Calibration or None
    place : mapping of str to int
        The place of each subject in the calibration's scores.
    """
    if not candidates:
        return Identification("unknown", None, None, None, (), "nothing is enrolled")
    best = candidates[0]
    if calibration is None:
        return Identification("uncalibrated", best.subject, best.distance, None, candidates, UNCALIBRATED)
    nearest = np.array([place.get(best.subject, -1)])
    p_value = float(calibration.p_values(np.array([best.distance]), nearest)[0])
    known = p_value <= calibration.fpir
    return Identification(
        "known" if known else "unknown",
        best.subject if known else None,
        best.distance,
        p_value,
        candidates,
        f"FPIR {calibration.fpir:g}: {calibration.assumption}",
    )
