"""Identify, verify, calibrate and explain: functions of neighbors, distances and labels."""

from semelha.recognition.answer import Candidate, Identification, KeptPictures, Match, Verification
from semelha.recognition.calibration import Calibration, Mismatch, full_conformal, measure_mismatch, split_conformal
from semelha.recognition.evidence import Evidence, MatchedExample
from semelha.recognition.identify import (
    RejectedPictures,
    decide,
    decide_excluding,
    excluded_subjects,
    rank_subjects,
)
from semelha.recognition.probability import ProbabilityCurve
from semelha.recognition.saliency import SaliencyMaps, occlusion_saliency
from semelha.recognition.scoring import (
    NEAREST,
    SCORINGS,
    LeaveOneOutDistances,
    Scoring,
    ScoringChoice,
    choose_scoring,
)

__all__ = [
    "NEAREST",
    "SCORINGS",
    "Calibration",
    "Candidate",
    "Evidence",
    "Identification",
    "KeptPictures",
    "LeaveOneOutDistances",
    "Match",
    "MatchedExample",
    "Mismatch",
    "ProbabilityCurve",
    "RejectedPictures",
    "SaliencyMaps",
    "Scoring",
    "ScoringChoice",
    "Verification",
    "choose_scoring",
    "decide",
    "decide_excluding",
    "excluded_subjects",
    "full_conformal",
    "measure_mismatch",
    "occlusion_saliency",
    "rank_subjects",
    "split_conformal",
]
