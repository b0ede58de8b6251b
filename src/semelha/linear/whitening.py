"""Learners that need one matrix of covariance: PCA whitening and relevant component analysis."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from sklearn.utils import Tags

from semelha.errors import VectorsError
from semelha.linear.base import Labels, LinearLearner, Tuples, width
from semelha.linear.pairs import class_scatter
from semelha.linear.subspace import Matrix, invertible, root
from semelha.linear.tuples import PairLearner


class PCAWhitening(LinearLearner):
    """Principal components, each divided by its standard deviation: M is the inverse covariance. Needs no labels.

    Where the examples do not span the space, M is the pseudo-inverse: directions that never vary count for nothing.

    Parameters
    ----------
    n_components : int, optional
        Only the so many directions of the largest variance. All if not given.

    References
    ----------
    Mahalanobis, "On the generalised distance in statistics" (1936); as whitening for retrieval: Jégou and Chum, ECCV
    2012.
    """

    min_classes = 1

    def __init__(self, n_components: int | None = None) -> None:
        self.n_components = n_components

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Learn from vectors (n, d); y is not looked at. Raises and warns as every learner does."""
        x = self._checked(X)
        nobody = np.zeros(len(x), np.intp)
        self._learn_in_subspace(x, lambda inside, subspace, notes: self._keep(inside, nobody, subspace, notes))
        return self

    def _learn(self, x: Matrix, labels: Labels, notes: list[str]) -> Matrix:
        values, vectors = np.linalg.eigh(x.T @ x / (len(x) - 1))
        kept = slice(None, -width(self.n_components, len(values)) - 1, -1)
        return np.asarray(vectors[:, kept].T / np.sqrt(values[kept, None]))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        return tags


class RCA(PairLearner):
    """Relevant component analysis: M is the inverse of the covariance within classes (or chunklets).

    From pairs, a chunklet is what a chain of same pairs connects; pairs of different classes are not used.

    Parameters
    ----------
    n_components : int, optional
        Reduce first to the so many directions in which the chunklets' means differ most (Fisher's criterion).
    ridge : float
        Part of the mean variance that is added to the diagonal of a singular covariance within classes.

    References
    ----------
    Bar-Hillel, Hertz, Shental and Weinshall, "Learning a Mahalanobis metric from equivalence constraints", JMLR 6
    (2005), equation 1.
    """

    min_classes = 1

    def __init__(self, n_components: int | None = None, *, ridge: float = 1e-3) -> None:
        self.n_components = n_components
        self.ridge = ridge

    def _learn(self, x: Matrix, labels: Labels, notes: list[str]) -> Matrix:
        inside, _ = class_scatter(x, labels)
        shared = np.bincount(labels)[labels] > 1
        if not shared.any():
            raise VectorsError("no class has two examples, so there is no pair of the same class")
        within = invertible(inside / shared.sum(), "covariance within classes", ridge=self.ridge, notes=notes)
        inverse = np.asarray(np.linalg.inv(within), np.float64)
        if self.n_components is None:
            return root(inverse)
        whiten = root(inverse)
        _, vectors = np.linalg.eigh(whiten @ (x.T @ x) @ whiten.T)
        kept = slice(None, -width(self.n_components, len(within)) - 1, -1)
        return np.asarray(vectors[:, kept].T @ whiten)

    def _learn_pairs(self, x: Matrix, pairs: Tuples, same: NDArray[np.bool_], notes: list[str]) -> Matrix:
        left, right = pairs[same].T
        links = sparse.coo_matrix((np.ones(len(left)), (left, right)), shape=(len(x), len(x)))
        return self._learn(x, connected_components(links, directed=False)[1], notes)
