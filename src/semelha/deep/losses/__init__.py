"""Losses: small modules of (embeddings, labels). Masks and rows, no lists of triplets; memory O(batch²)."""

from semelha.deep.losses.contrastive import Contrastive
from semelha.deep.losses.infonce import NTXent, SupCon
from semelha.deep.losses.margin_softmax import ArcFace, CosFace, CrossEntropy, Margin, MarginSoftmax, NoMargin
from semelha.deep.losses.together import Together
from semelha.deep.losses.triplet import All, BatchHard, Hard, Mining, SemiHard, Triplet

__all__ = [
    "All",
    "ArcFace",
    "BatchHard",
    "Contrastive",
    "CosFace",
    "CrossEntropy",
    "Hard",
    "Margin",
    "MarginSoftmax",
    "Mining",
    "NTXent",
    "NoMargin",
    "SemiHard",
    "SupCon",
    "Together",
    "Triplet",
]
