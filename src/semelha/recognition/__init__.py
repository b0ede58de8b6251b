"""Identify, verify, calibrate: functions of neighbors, distances and labels."""

from semelha.recognition.answer import Candidate, Identification, Match, Verification
from semelha.recognition.calibrate import Calibration, full_conformal, split_conformal
from semelha.recognition.identify import decide, rank_subjects

__all__ = [
    "Calibration",
    "Candidate",
    "Identification",
    "Match",
    "Verification",
    "decide",
    "full_conformal",
    "rank_subjects",
    "split_conformal",
]
