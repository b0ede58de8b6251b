"""Arrays in, numbers out; everything in blocks, nothing of size N × N."""

from semelha.evaluation.measures.balanced import Balanced, balanced
from semelha.evaluation.measures.bootstrap import Interval
from semelha.evaluation.measures.cmc import cmc, subject_ranks
from semelha.evaluation.measures.folds import FoldAccuracy, fold_accuracy
from semelha.evaluation.measures.open_set import OpenSet, open_set
from semelha.evaluation.measures.oscr import Oscr, auroc, oscr
from semelha.evaluation.measures.reliability import Reliability, reliability
from semelha.evaluation.measures.retrieval import Retrieval, retrieval
from semelha.evaluation.measures.verification import Verification, verification

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
