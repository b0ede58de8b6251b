"""Arrays in, numbers out; everything in blocks, nothing of size N × N."""

from semelha.evaluation.measures.open_set import OpenSet, open_set
from semelha.evaluation.measures.retrieval import Retrieval, retrieval
from semelha.evaluation.measures.verification import Verification, verification

__all__ = ["OpenSet", "Retrieval", "Verification", "open_set", "retrieval", "verification"]
