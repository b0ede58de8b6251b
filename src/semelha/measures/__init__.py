"""Evaluation measures: arrays in, numbers out, in blocks, without any N × N array."""

from semelha.measures.bootstrap import Interval
from semelha.measures.open_set import Balanced, OpenSet, Oscr, auroc, balanced, open_set, oscr
from semelha.measures.reliability import Reliability, reliability
from semelha.measures.retrieval import Retrieval, cmc, retrieval, subject_ranks
from semelha.measures.verification import FoldAccuracy, Verification, fold_accuracy, verification

__all__ = [
    "Balanced",
    "FoldAccuracy",
    "Interval",
    "OpenSet",
    "Oscr",
    "Reliability",
    "Retrieval",
    "Verification",
    "auroc",
    "balanced",
    "cmc",
    "fold_accuracy",
    "open_set",
    "oscr",
    "reliability",
    "retrieval",
    "subject_ranks",
    "verification",
]
