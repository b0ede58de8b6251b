"""Evaluation protocols: `evaluate` measures a model on a data set; `report` shows the result as HTML."""

from semelha.evaluation.protocol import Protocol
from semelha.evaluation.rerank import KReciprocal, QueryExpansion
from semelha.evaluation.result import Evaluation
from semelha.evaluation.run import evaluate

__all__ = ["Evaluation", "KReciprocal", "Protocol", "QueryExpansion", "evaluate"]
