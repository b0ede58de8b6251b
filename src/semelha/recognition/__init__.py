"""Identify, verify, calibrate, explain: functions of neighbors, distances and labels."""

from semelha.recognition.answer import Candidate, Identification, Match, Verification
from semelha.recognition.calibrate import Calibration, full_conformal, split_conformal
from semelha.recognition.evidence import Evidence, Exhibit
from semelha.recognition.identify import decide, rank_subjects
from semelha.recognition.occlusion import Heat, occlude
from semelha.recognition.rejections import Rejected, barred, decide_without

__all__ = [
    "Calibration",
    "Candidate",
    "Evidence",
    "Exhibit",
    "Heat",
    "Identification",
    "Match",
    "Rejected",
    "Verification",
    "barred",
    "decide",
    "decide_without",
    "full_conformal",
    "occlude",
    "rank_subjects",
    "split_conformal",
]
