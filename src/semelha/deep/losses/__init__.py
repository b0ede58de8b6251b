"""Losses: modules of (embeddings, labels), with O(batch²) memory. No pair or triplet is listed."""

from semelha.deep.losses.average_precision import FastAP, SmoothAP
from semelha.deep.losses.composite import CrossBatchMemory, WeightedSum
from semelha.deep.losses.distances import Pairs, References
from semelha.deep.losses.infonce import InfoNCE, NPair, NTXent, SupCon
from semelha.deep.losses.margin_softmax import (
    ArcFace,
    CosFace,
    CrossEntropy,
    MarginSoftmax,
    NoMargin,
    SoftmaxMargin,
    SphereFace,
    adacos_scale,
    dynamic_margins,
)
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
from semelha.deep.losses.pair_loss import (
    Circle,
    Contrastive,
    GeneralizedLifted,
    LiftedStructure,
    MarginLoss,
    MultiSimilarity,
    PairLoss,
)
from semelha.deep.losses.proxies import CenterLoss, ProxyAnchor, ProxyNCA, SoftTriple
from semelha.deep.losses.triplet import Quadruplet, Triplet

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
