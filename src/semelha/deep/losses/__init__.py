"""Losses: modules of (embeddings, labels), with O(batch²) memory. No pair or triplet is listed."""

from semelha.deep.losses.average_precision import FastAP, SmoothAP
from semelha.deep.losses.contrastive import Contrastive
from semelha.deep.losses.cross_batch_memory import CrossBatchMemory
from semelha.deep.losses.infonce import InfoNCE, NPair, NTXent, SupCon
from semelha.deep.losses.lifted import GeneralizedLifted, LiftedStructure
from semelha.deep.losses.margin_loss import MarginLoss
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
from semelha.deep.losses.multi_similarity import Circle, MultiSimilarity
from semelha.deep.losses.pair_loss import PairLoss
from semelha.deep.losses.pairs import Pairs, References
from semelha.deep.losses.proxies import CenterLoss, ProxyAnchor, ProxyNCA, SoftTriple
from semelha.deep.losses.quadruplet import Quadruplet
from semelha.deep.losses.triplet import Triplet
from semelha.deep.losses.weighted_sum import WeightedSum

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
