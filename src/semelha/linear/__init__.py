"""Linear metric learning from vectors and labels, pairs or triplets: estimators of scikit-learn.

All learners but `BoostedSimilarity` and `SignedRankSVM` are a `LinearLearner`, which learns a Mahalanobis matrix.
"""

from semelha.linear.boosting import BoostedSimilarity, BoostMetric
from semelha.linear.closed_form import GMML, KISSME, LDA, LFDA, RCA, XQDA, PCAWhitening
from semelha.linear.itml import ITML
from semelha.linear.lmnn import LMNN
from semelha.linear.nca import NCA, NCMML
from semelha.linear.ranksvm import RankSVM, SignedRankSVM
from semelha.linear.train import METHODS, learned_metric, learner_named, train_linear

__all__ = [
    "GMML",
    "ITML",
    "KISSME",
    "LDA",
    "LFDA",
    "LMNN",
    "METHODS",
    "NCA",
    "NCMML",
    "RCA",
    "XQDA",
    "BoostMetric",
    "BoostedSimilarity",
    "PCAWhitening",
    "RankSVM",
    "SignedRankSVM",
    "learned_metric",
    "learner_named",
    "train_linear",
]
