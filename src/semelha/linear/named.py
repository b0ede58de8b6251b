"""The learners by the names that cards and command lines have for them."""

from __future__ import annotations

import inspect

from semelha.errors import UsageError
from semelha.linear.base import LinearLearner
from semelha.linear.boosted import BoostedSimilarity
from semelha.linear.boostmetric import BoostMetric
from semelha.linear.discriminant import LDA, LFDA
from semelha.linear.itml import ITML
from semelha.linear.lmnn import LMNN
from semelha.linear.moments import GMML, KISSME, XQDA
from semelha.linear.nca import NCA
from semelha.linear.ncmml import NCMML
from semelha.linear.ranksvm import RankSVM
from semelha.linear.whitening import RCA, PCAWhitening

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
"""Every learner whose distance an index can serve."""


def learner_named(name: str, *, seed: int = 0) -> LinearLearner | BoostedSimilarity:
    """The learner with its default settings. Raises `UsageError` where there is none of that name."""
    if name not in METHODS:
        raise UsageError(f"no method is called {name!r}: there are {', '.join(METHODS)}")
    kind = METHODS[name]
    return kind(random_state=seed) if "random_state" in inspect.signature(kind).parameters else kind()
