"""Arrays in, numbers out; everything in blocks, nothing of size N × N."""

from semelha.measures.balanced import Balanced, balanced
from semelha.measures.bootstrap import Interval
from semelha.measures.cmc import cmc, subject_ranks
from semelha.measures.folds import FoldAccuracy, fold_accuracy
from semelha.measures.open_set import OpenSet, open_set
from semelha.measures.oscr import Oscr, auroc, oscr
from semelha.measures.reliability import Reliability, reliability
from semelha.measures.retrieval import Retrieval, retrieval
from semelha.measures.verification import Verification, verification

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
