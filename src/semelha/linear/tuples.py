"""Learners that need no labels: pairs of the same and of different classes, or triplets, say enough."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semelha.linear.base import Learner, LinearLearner, Tuples, check_same, check_tuples
from semelha.linear.span import Matrix, Span


class PairLearner(LinearLearner):
    """A learner of a Mahalanobis distance from pairs."""

    @abstractmethod
    def _learn_pairs(self, x: Matrix, pairs: Tuples, same: NDArray[np.bool_], notes: list[str]) -> Matrix:
        """L (k, r) from centered examples (n, r), pairs (m, 2) of its rows and whether each is of one class, (m,)."""

    def fit_pairs(self, X: ArrayLike, pairs: ArrayLike, same: ArrayLike) -> Self:
        """Learn from pairs.

        Parameters
        ----------
        X : (n, d)
            Vectors, each once.
        pairs : (m, 2) int
            Rows of X.
        same : (m,) bool
            Whether the two are of the same class. Both kinds are needed.

        Raises
        ------
        VectorsError
            NaN, infinity, rows that X does not have, pairs of one kind only.

        Warns
        -----
        RankDeficiencyWarning
            As in `fit`.
        """
        x = self._checked(X)
        tuples, alike = check_tuples(pairs, 2, len(x)), check_same(same, pairs)
        self._in_span(x, lambda inside, span, notes: self._set(self._learn_pairs(inside, tuples, alike, notes), span))
        return self


class TripletLearner(Learner):
    """A learner of a distance from triplets."""

    @abstractmethod
    def _keep_triplets(self, x: Matrix, triplets: Tuples, span: Span, notes: list[str]) -> None:
        """Learn from centered examples (n, r) and triplets (m, 3) of its rows, and keep what was learned."""

    def fit_triplets(self, X: ArrayLike, triplets: ArrayLike) -> Self:
        """Learn from triplets (anchor, one that is to be nearer, one that is to be farther).

        Parameters
        ----------
        X : (n, d)
            Vectors, each once.
        triplets : (m, 3) int
            Rows of X.

        Raises
        ------
        VectorsError
            NaN, infinity, rows that X does not have.

        Warns
        -----
        RankDeficiencyWarning
            As in `fit`.
        """
        x = self._checked(X)
        tuples = check_tuples(triplets, 3, len(x))
        self._in_span(x, lambda inside, span, notes: self._keep_triplets(inside, tuples, span, notes))
        return self
