"""Generalized eigenvectors of scatter between against scatter within: LDA and its local version, LFDA."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from semelha.linear.base import Labels, LinearLearner, width
from semelha.linear.pairs import BLOCK, class_scatter, nearest
from semelha.linear.subspace import Matrix, invertible


class LDA(LinearLearner):
    """Fisher's linear discriminant analysis: directions in which classes differ most for their inner variance.

    Scaled so that the covariance within classes is the identity, as scikit-learn's `solver="eigen"` does.

    Parameters
    ----------
    n_components : int, optional
        At most the number of classes less one, which is the default.
    ridge : float
        Part of the mean variance that is added to the diagonal of a singular covariance within classes.

    References
    ----------
    Fisher, "The use of multiple measurements in taxonomic problems" (1936); Rao (1948).
    """

    def __init__(self, n_components: int | None = None, *, ridge: float = 1e-3) -> None:
        self.n_components = n_components
        self.ridge = ridge

    def _learn(self, x: Matrix, labels: Labels, notes: list[str]) -> Matrix:
        inside, means = class_scatter(x, labels)
        within = invertible(inside / len(x), "covariance within classes", ridge=self.ridge, notes=notes)
        centers = means * np.sqrt(np.bincount(labels) / len(x))[:, None]  # (classes, d)
        most = min(x.shape[1], len(means) - 1)
        return _leading(centers.T @ centers, within, width(self.n_components, most))[1]


class LFDA(LinearLearner):
    """Local Fisher discriminant analysis: as LDA, but distant examples of one class need not come together.

    Good where a class has several clusters; more directions than classes are possible.

    Parameters
    ----------
    n_components : int, optional
        All dimensions if not given.
    n_neighbors : int
        The distance to the so-manieth neighbor of its class is the scale of an example.
    ridge : float
        Where the local scatter within classes cannot be inverted: the part of its mean variance added to its diagonal.

    References
    ----------
    Sugiyama, "Dimensionality reduction of multimodal labeled data by local Fisher discriminant analysis", JMLR 8
    (2007), equations 9 to 12; affinity by local scaling (Zelnik-Manor and Perona, 2004); eigenvectors weighted by the
    root of their eigenvalues, as in section 3.3.
    """

    def __init__(self, n_components: int | None = None, *, n_neighbors: int = 7, ridge: float = 1e-3) -> None:
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.ridge = ridge

    def _learn(self, x: Matrix, labels: Labels, notes: list[str]) -> Matrix:
        local, mixture = self._local_scatters(x, labels)
        within = invertible(local, "local scatter within classes", ridge=self.ridge, notes=notes)
        values, directions = _leading(mixture - local, within, width(self.n_components, x.shape[1]))
        return np.asarray(directions * np.sqrt(np.clip(values, 0, None))[:, None])

    def _local_scatters(self, x: Matrix, labels: Labels) -> tuple[Matrix, Matrix]:
        """Local scatter within classes, and local mixture scatter (within plus between): (d, d) each.

        Between and within have the same affinity inside a class, 1/n and 1/n_c of it; across classes the affinity is
        one, so that the rest of the mixture is the plain scatter of everything less that of all pairs inside classes.
        """
        n, d = x.shape
        within, inner = np.zeros((d, d)), np.zeros((d, d))
        everyone = np.arange(n)
        far = nearest(x, labels, everyone, self.n_neighbors, same=True)[:, -1]
        scale = np.sqrt(((x - x[far]) ** 2).sum(axis=1))
        for label in range(labels.max() + 1):
            members = np.flatnonzero(labels == label)
            part, sigma = x[members], scale[members]
            weighted = np.zeros((d, d))  # Σ_{i<j} a (xᵢ − xⱼ)(xᵢ − xⱼ)ᵀ
            for rows in np.array_split(np.arange(len(part)), max(1, len(part) ** 2 // BLOCK)):
                affinity = _affinity(part[rows], part, sigma[rows], sigma)
                weighted += part[rows].T @ (affinity.sum(axis=1)[:, None] * part[rows] - affinity @ part)
            within += weighted / len(members)
            centered = part - part.mean(axis=0)
            inner += weighted / n - len(members) / n * (centered.T @ centered)
        everything = x - x.mean(axis=0)
        return within, everything.T @ everything + inner


def _affinity(left: Matrix, right: Matrix, left_scale: Matrix, right_scale: Matrix) -> Matrix:
    """exp(−‖xᵢ − xⱼ‖² / σᵢσⱼ): (m, n). Where a scale is 0, for many duplicates, 1 for equal points and else 0."""
    squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)
    distances = np.clip(squares - 2 * left @ right.T, 0, None)
    scales = left_scale[:, None] * right_scale
    positive = scales > 0
    return np.asarray(np.where(positive, np.exp(-distances / np.where(positive, scales, 1)), distances <= 0))


def _leading(between: Matrix, within: Matrix, count: int) -> tuple[Matrix, Matrix]:
    """The `count` largest generalized eigenvalues (count,) and their vectors as rows (count, d), vᵀ `within` v = 1."""
    d = len(within)
    values, vectors = eigh(between, within, subset_by_index=[d - count, d - 1])
    return values[::-1], np.ascontiguousarray(vectors[:, ::-1].T)
