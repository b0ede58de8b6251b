"""Losses: small modules of (embeddings, labels). Masks and rows, no lists of triplets; memory O(batch²)."""

from semelha.deep.losses.center import CenterLoss
from semelha.deep.losses.contrastive import Contrastive
from semelha.deep.losses.infonce import InfoNCE, NPair, NTXent, SupCon
from semelha.deep.losses.lifted import GeneralizedLifted, LiftedStructure
from semelha.deep.losses.margin import MarginLoss
from semelha.deep.losses.margin_softmax import CrossEntropy, MarginSoftmax
from semelha.deep.losses.margins import (
    ArcFace,
    CosFace,
    NoMargin,
    SoftmaxMargin,
    SphereFace,
    adacos_scale,
    dynamic_margins,
)
from semelha.deep.losses.memory import CrossBatchMemory
from semelha.deep.losses.mining import (
    AllPairs,
    BatchHard,
    DistanceWeighted,
    EasyPositive,
    Hard,
    Mining,
    MultiSimilarityMining,
    SemiHard,
)
from semelha.deep.losses.pair_loss import PairLoss
from semelha.deep.losses.pairs import Pairs, References
from semelha.deep.losses.proxies import ProxyAnchor, ProxyNCA, SoftTriple
from semelha.deep.losses.quadruplet import Quadruplet
from semelha.deep.losses.ranking import FastAP, SmoothAP
from semelha.deep.losses.similarity import Circle, MultiSimilarity
from semelha.deep.losses.together import WeightedSum
from semelha.deep.losses.triplet import Triplet

__all__ = [
    "AllPairs",
    "ArcFace",
    "BatchHard",
    "CenterLoss",
    "Circle",
    "Contrastive",
    "CosFace",
    "CrossBatchMemory",
    "CrossEntropy",
    "DistanceWeighted",
    "EasyPositive",
    "FastAP",
    "GeneralizedLifted",
    "Hard",
    "InfoNCE",
    "LiftedStructure",
    "MarginLoss",
    "MarginSoftmax",
    "Mining",
    "MultiSimilarity",
    "MultiSimilarityMining",
    "NPair",
    "NTXent",
    "NoMargin",
    "PairLoss",
    "Pairs",
    "ProxyAnchor",
    "ProxyNCA",
    "Quadruplet",
    "References",
    "SemiHard",
    "SmoothAP",
    "SoftTriple",
    "SoftmaxMargin",
    "SphereFace",
    "SupCon",
    "Triplet",
    "WeightedSum",
    "adacos_scale",
    "dynamic_margins",
]
