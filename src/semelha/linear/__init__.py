"""Linear metric learning from vectors and labels, pairs or triplets: estimators of scikit-learn.

All learners but `BoostedSimilarity` and `SignedRankSVM` are a `LinearLearner`, which learns a Mahalanobis matrix.
"""

from semelha.linear.boosted import BoostedSimilarity
from semelha.linear.boostmetric import BoostMetric
from semelha.linear.discriminant import LDA, LFDA
from semelha.linear.itml import ITML
from semelha.linear.lmnn import LMNN
from semelha.linear.methods import METHODS, learner_named
from semelha.linear.moments import GMML, KISSME, XQDA
from semelha.linear.nca import NCA
from semelha.linear.ncmml import NCMML
from semelha.linear.ranksvm import RankSVM, SignedRankSVM
from semelha.linear.train import learned_metric, train_linear
from semelha.linear.whitening import RCA, PCAWhitening

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
