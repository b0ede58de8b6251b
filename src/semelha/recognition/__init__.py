"""Identify, verify, calibrate, explain: functions of neighbors, distances and labels."""

from semelha.recognition.answer import Candidate, Identification, Match, Verification
from semelha.recognition.calibrate import Calibration, full_conformal, split_conformal
from semelha.recognition.choose import Choice, Trials, choose
from semelha.recognition.evidence import Evidence, Exhibit
from semelha.recognition.identify import decide, rank_subjects
from semelha.recognition.mismatch import Mismatch, mismatch
from semelha.recognition.occlusion import Heat, occlude
from semelha.recognition.probability import Probability
from semelha.recognition.rejections import Rejected, barred, decide_without
from semelha.recognition.scoring import NEAREST, SCORINGS, Scoring

__all__ = [
    "NEAREST",
    "SCORINGS",
    "Calibration",
    "Candidate",
    "Choice",
    "Evidence",
    "Exhibit",
    "Heat",
    "Identification",
    "Match",
    "Mismatch",
    "Probability",
    "Rejected",
    "Scoring",
    "Trials",
    "Verification",
    "barred",
    "choose",
    "decide",
    "decide_without",
    "full_conformal",
    "mismatch",
    "occlude",
    "rank_subjects",
    "split_conformal",
]
