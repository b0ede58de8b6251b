"""Identify, verify, calibrate: functions of neighbors, distances and labels."""

from semelha.recognition.answer import Candidate, Identification, Match, Verification
from semelha.recognition.calibrate import Calibration, full_conformal, split_conformal
from semelha.recognition.choose import Choice, Trials, choose
from semelha.recognition.identify import decide, rank_subjects
from semelha.recognition.mismatch import Mismatch, mismatch
from semelha.recognition.probability import Probability
from semelha.recognition.scoring import NEAREST, SCORINGS, Scoring

__all__ = [
    "NEAREST",
    "SCORINGS",
    "Calibration",
    "Candidate",
    "Choice",
    "Identification",
    "Match",
    "Mismatch",
    "Probability",
    "Scoring",
    "Trials",
    "Verification",
    "choose",
    "decide",
    "full_conformal",
    "mismatch",
    "rank_subjects",
    "split_conformal",
]
