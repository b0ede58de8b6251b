"""Learners by the names that model cards and the command line use."""

from __future__ import annotations

import inspect

from semelha.errors import UsageError
from semelha.linear.base import LinearLearner
from semelha.linear.boosting import BoostedSimilarity, BoostMetric
from semelha.linear.closed_form import GMML, KISSME, LDA, LFDA, RCA, XQDA, PCAWhitening
from semelha.linear.itml import ITML
from semelha.linear.lmnn import LMNN
from semelha.linear.nca import NCA, NCMML
from semelha.linear.ranksvm import RankSVM

METHODS: dict[str, type[LinearLearner | BoostedSimilarity]] = {
    "pca-whitening": PCAWhitening,
    "lda": LDA,
    "rca": RCA,
    "lfda": LFDA,
    "kissme": KISSME,
    "xqda": XQDA,
    "gmml": GMML,
    "itml": ITML,
    "nca": NCA,
    "lmnn": LMNN,
    "ncmml": NCMML,
    "boostmetric": BoostMetric,
    "ranksvm": RankSVM,
    "boosted-similarity": BoostedSimilarity,
}
"""Learners by name whose distance an index can search."""


def learner_named(name: str, *, seed: int = 0) -> LinearLearner | BoostedSimilarity:
    """A learner with default settings. Raises `UsageError` for an unknown name."""
    if name not in METHODS:
        raise UsageError(f"method is {name!r}: it must be one of {', '.join(METHODS)}")
    kind = METHODS[name]
    return kind(random_state=seed) if "random_state" in inspect.signature(kind).parameters else kind()
