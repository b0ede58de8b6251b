"""Base classes of learners from pairs (same or different) and from triplets, without labels."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semelha.linear.base import Learner, LinearLearner, Tuples, check_same, check_tuples
from semelha.linear.subspace import Matrix, Subspace


class PairLearner(LinearLearner):
    """A learner of a Mahalanobis distance from pairs."""

    @abstractmethod
    def _learn_pairs(self, x: Matrix, pairs: Tuples, same: NDArray[np.bool_], notes: list[str]) -> Matrix:
        """Return L (k, r) from centered examples (n, r), pairs of rows (m, 2), and whether each is same (m,)."""

    def fit_pairs(self, X: ArrayLike, pairs: ArrayLike, same: ArrayLike) -> Self:
        """Learn from pairs of examples.

        Parameters
        ----------
        X : (n, d)
            Vectors, each once.
        pairs : (m, 2) int
            Rows of X.
        same : (m,) bool
            Whether the two are of the same class. Both kinds are required.

        Raises
        ------
        VectorsError
            NaN, infinity, rows that X does not have, or pairs of one kind only.

        Warns
        -----
        RankDeficiencyWarning
            As in `fit`.
        """
        x = self._checked(X)
        tuples, alike = check_tuples(pairs, 2, len(x)), check_same(same, pairs)
        self._learn_in_subspace(
            x, lambda inside, subspace, notes: self._set(self._learn_pairs(inside, tuples, alike, notes), subspace)
        )
        return self


class TripletLearner(Learner):
    """A learner of a distance from triplets."""

    @abstractmethod
    def _keep_triplets(self, x: Matrix, triplets: Tuples, subspace: Subspace, notes: list[str]) -> None:
        """Learn from centered examples (n, r) and triplets (m, 3) of rows, and set the learned attributes."""

    def fit_triplets(self, X: ArrayLike, triplets: ArrayLike) -> Self:
        """Learn from triplets (anchor, positive, negative): the positive shall be nearer to the anchor.

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
        self._learn_in_subspace(x, lambda inside, subspace, notes: self._keep_triplets(inside, tuples, subspace, notes))
        return self
