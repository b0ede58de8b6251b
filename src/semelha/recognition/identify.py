"""Turn neighbors into ranked subjects, and distances into a decision."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from semelha.recognition.answer import Candidate, Decision, Identification, Match
from semelha.recognition.calibration import Calibration

UNCALIBRATED = "the gallery is not calibrated: call calibrate(fpir=…) so that it can answer unknown"
STALE = "; the gallery changed since, and its calibration is being updated"


def rank_subjects(
    ids: NDArray[np.int64], distances: NDArray[np.float64], of: Mapping[int, tuple[str, str]], k: int
) -> tuple[Candidate, ...]:
    """Rank the k nearest subjects of one probe, with their examples among the neighbors.

    Parameters
    ----------
    ids : (neighbors,) int64
        Examples, nearest first; −1 if there are no more.
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
    """Decide whether a probe is known, uncertain or unknown.

    Parameters
    ----------
    candidates : tuple of Candidate
        Nearest first; as many as the `reach` of the calibration's scoring, or all. Further ones change nothing.
    calibration : Calibration or None
    place : mapping of str to int
        Row of each subject in the calibration's scores.
    """
    if not candidates:
        return Identification("unknown", None, None, None, (), "nothing is enrolled")
    best = candidates[0]
    if calibration is None:
        return Identification("uncalibrated", best.subject, best.distance, None, candidates, UNCALIBRATED)
    reached = candidates[: calibration.scoring.reach]
    distances = np.array([[candidate.distance for candidate in reached]])
    places = np.array([[place.get(candidate.subject, -1) for candidate in reached]])
    p_value = float(calibration.p_values(distances, places)[0])
    decision = decision_for(p_value, calibration)
    curve = calibration.probability
    return Identification(
        decision,
        best.subject if decision == "known" else None,
        best.distance,
        p_value,
        candidates,
        f"FPIR {calibration.fpir:g}: {calibration.assumption}" + STALE * calibration.stale,
        None if curve is None else float(curve(calibration.scoring(distances))[0]),
    )


def decision_for(p_value: float, calibration: Calibration) -> Decision:
    """Known up to the first rate, uncertain up to the second if there is one, and unknown above."""
    if p_value <= calibration.fpir:
        return "known"
    return "uncertain" if calibration.uncertain is not None and p_value <= calibration.uncertain else "unknown"
