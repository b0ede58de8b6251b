"""Learners in closed form, from covariances: PCA whitening, RCA, LDA, LFDA, KISSME, XQDA and GMML."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.linalg import cholesky, eigh, solve_triangular
from scipy.sparse.csgraph import connected_components
from sklearn.utils import Tags

from semelha.errors import UsageError
from semelha.linear.base import Labels, LinearLearner, PairLearner, Tuples, width
from semelha.linear.pairs import BLOCK, class_scatter, mean_outer_products, nearest, scatter, with_partner
from semelha.linear.subspace import Matrix, invertible, root

MIN_SHRINKAGE = 1e-6
"""With which a covariance of any vectors is surely positive definite, rounded to float64."""


class PCAWhitening(LinearLearner):
    """Principal components, each divided by its standard deviation: M is the inverse covariance. Needs no labels.

    If the examples do not span the space, M is the pseudo-inverse: directions without variance are ignored.

    Parameters
    ----------
    n_components : int, optional
        Number of directions of the largest variance to keep; all by default.

    References
    ----------
    Mahalanobis, "On the generalised distance in statistics" (1936); as whitening for retrieval: Jégou and Chum, ECCV
    2012.
    """

    min_classes = 1

    def __init__(self, n_components: int | None = None) -> None:
        self.n_components = n_components

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Learn from vectors (n, d); y is ignored. Raises and warns as the `fit` of every learner."""
        x = self._checked(X)
        unlabeled = np.zeros(len(x), np.intp)
        self._learn_in_subspace(x, lambda inside, subspace, notes: self._keep(inside, unlabeled, subspace, notes))
        return self

    def _learn(self, x: Matrix, labels: Labels, notes: list[str]) -> Matrix:
        values, vectors = np.linalg.eigh(x.T @ x / (len(x) - 1))
        kept = slice(None, -width(self.n_components, len(values)) - 1, -1)
        return np.asarray(vectors[:, kept].T / np.sqrt(values[kept, None]))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        return tags


class _Regularized(LinearLearner):
    """Settings of the learners that invert a covariance: number of components, and ridge."""

    def __init__(self, n_components: int | None = None, *, ridge: float = 1e-3) -> None:
        self.n_components = n_components
        self.ridge = ridge


class RCA(_Regularized, PairLearner):
    """Relevant component analysis: M is the inverse of the covariance within classes (or chunklets).

    From pairs, a chunklet is a connected component of the same pairs; pairs of different classes are not used.

    Parameters
    ----------
    n_components : int, optional
        Number of directions to keep, in which the means of the chunklets differ most (Fisher's criterion).
    ridge : float
        Fraction of the mean variance that is added to the diagonal of a singular covariance.
    shrinkage : float
        Fraction of the mean variance that is added to the diagonal of any covariance, for few examples of many
        dimensions.

    References
    ----------
    Bar-Hillel, Hertz, Shental and Weinshall, "Learning a Mahalanobis metric from equivalence constraints", JMLR 6
    (2005), equation 1.
    """

    min_classes = 1

    def __init__(self, n_components: int | None = None, *, ridge: float = 1e-3, shrinkage: float = 0.0) -> None:
        super().__init__(n_components, ridge=ridge)
        self.shrinkage = shrinkage

    @property
    def rank_only(self) -> bool:  # type: ignore[override]
        """What is shrunk can be inverted in the whole space."""
        return self.shrinkage < MIN_SHRINKAGE

    def _learn(self, x: Matrix, labels: Labels, notes: list[str]) -> Matrix:
        within, _ = class_scatter(x, labels)
        within /= len(with_partner(labels))
        within += self.shrinkage * np.trace(within) / len(within) * np.eye(len(within))
        if self.shrinkage < MIN_SHRINKAGE or not within.any():
            within = invertible(within, "covariance within classes", ridge=self.ridge, notes=notes)
            whiten = root(np.asarray(np.linalg.inv(within), np.float64))
        else:  # as L⁻¹ of within = LLᵀ, many times as fast as by eigenvalues
            whiten = solve_triangular(cholesky(within, lower=True), np.eye(len(within)), lower=True)
        if self.n_components is None:
            return whiten
        _, vectors = np.linalg.eigh(whiten @ (x.T @ x) @ whiten.T)
        kept = slice(None, -width(self.n_components, len(within)) - 1, -1)
        return np.asarray(vectors[:, kept].T @ whiten)

    def _learn_pairs(self, x: Matrix, pairs: Tuples, same: NDArray[np.bool_], notes: list[str]) -> Matrix:
        left, right = pairs[same].T
        links = sparse.coo_matrix((np.ones(len(left)), (left, right)), shape=(len(x), len(x)))
        return self._learn(x, connected_components(links, directed=False)[1], notes)


class LDA(_Regularized):
    """Fisher's linear discriminant analysis: maximizes the variance between classes relative to that within classes.

    Scaled so that the covariance within classes is the identity, as scikit-learn's `solver="eigen"` does.

    Parameters
    ----------
    n_components : int, optional
        At most the number of classes less one, which is the default.
    ridge : float
        Fraction of the mean variance that is added to the diagonal of a singular covariance.
    shrinkage : float
        Fraction of the mean variance within classes that is added to the diagonal of any covariance, for few examples
        of many dimensions.

    References
    ----------
    Fisher, "The use of multiple measurements in taxonomic problems" (1936); Rao (1948).
    """

    def __init__(self, n_components: int | None = None, *, ridge: float = 1e-3, shrinkage: float = 0.0) -> None:
        super().__init__(n_components, ridge=ridge)
        self.shrinkage = shrinkage

    def _learn(self, x: Matrix, labels: Labels, notes: list[str]) -> Matrix:
        inside, means = class_scatter(x, labels)
        inside += self.shrinkage * np.trace(inside) / len(inside) * np.eye(len(inside))
        within = invertible(inside / len(x), "covariance within classes", ridge=self.ridge, notes=notes)
        centers = means * np.sqrt(np.bincount(labels) / len(x))[:, None]  # (classes, d)
        most = min(x.shape[1], len(means) - 1)
        return _leading(centers.T @ centers, within, width(self.n_components, most))[1]


class LFDA(LinearLearner):
    """Local Fisher discriminant analysis: as LDA, but distant examples of one class need not come together.

    It suits classes of several clusters. The number of components may exceed that of the classes.

    Parameters
    ----------
    n_components : int, optional
        All dimensions by default.
    n_neighbors : int
        The scale of an example is the distance to its neighbor of this rank in its class.
    ridge : float
        Fraction of the mean variance that is added to the diagonal of a singular covariance.

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

        Between and within have the same affinity inside a class, 1/n and 1/n_c of it. Across classes the affinity is
        one, so that the rest of the mixture is the scatter of all examples less that of all pairs inside classes.
        """
        n, d = x.shape
        within, inner = np.zeros((d, d)), np.zeros((d, d))
        all_rows = np.arange(n)
        far = nearest(x, labels, all_rows, self.n_neighbors, same=True)[:, -1]
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


class _MomentLearner(PairLearner):
    """A learner from the mean outer products of same and of different pairs; labels give all pairs, in O(n d²)."""

    ridge: float

    @abstractmethod
    def _solve(self, same: Matrix, different: Matrix) -> Matrix:
        """L from the mean outer products of differences, both positive definite."""

    def _learn(self, x: Matrix, labels: Labels, notes: list[str]) -> Matrix:
        return self._checked_solve(*mean_outer_products(x, labels), notes)

    def _learn_pairs(self, x: Matrix, pairs: Tuples, same: NDArray[np.bool_], notes: list[str]) -> Matrix:
        moments = [scatter(x, pairs[kind]) / kind.sum() for kind in (same, ~same)]
        return self._checked_solve(moments[0], moments[1], notes)

    def _checked_solve(self, same: Matrix, different: Matrix, notes: list[str]) -> Matrix:
        return self._solve(
            invertible(same, "covariance of same pairs", ridge=self.ridge, notes=notes),
            invertible(different, "covariance of different pairs", ridge=self.ridge, notes=notes),
        )


class KISSME(_Regularized, _MomentLearner):
    """Keep it simple and straightforward: M = Σ_same⁻¹ − Σ_different⁻¹ without its negative eigenvalues.

    It is the log-likelihood ratio of two Gaussians of differences, in closed form.

    Parameters
    ----------
    n_components : int, optional
        Number of largest eigenvalues of M to keep; all positive ones by default.
    ridge : float
        Fraction of the mean variance that is added to the diagonal of a singular covariance.

    References
    ----------
    Köstinger, Hirzer, Wohlhart, Roth and Bischof, "Large scale metric learning from equivalence constraints", CVPR
    2012, equation 16.
    """

    def _solve(self, same: Matrix, different: Matrix) -> Matrix:
        return root(np.asarray(np.linalg.inv(same) - np.linalg.inv(different)), width(self.n_components, len(same)))


class XQDA(_Regularized, _MomentLearner):
    """Cross-view quadratic discriminant analysis: KISSME in the directions that separate same from different pairs.

    Directions are generalized eigenvectors of Σ_different against Σ_same with an eigenvalue above one; there M is
    KISSME's. One set of vectors stands for both views.

    Parameters
    ----------
    n_components : int, optional
        Maximal number of directions; by default all with an eigenvalue above one, and at least one.
    ridge : float
        Fraction of the mean variance that is added to the diagonal of a singular covariance.

    References
    ----------
    Liao, Hu, Zhu and Li, "Person re-identification by local maximal occurrence representation and metric learning",
    CVPR 2015, equations 4 and 7.
    """

    def _solve(self, same: Matrix, different: Matrix) -> Matrix:
        # With wᵀ Σ_same w = 1, as eigh gives them, and wᵀ Σ_different w = λ both covariances are diagonal in W, so
        # that M = W (1 − 1/λ) Wᵀ.
        values, vectors = eigh(different, same)
        values, vectors = values[::-1], vectors[:, ::-1]
        count = min(max(1, int((values > 1).sum())), width(self.n_components, len(same)))
        gain = np.clip(1 - 1 / values[:count], 0, None)
        return np.asarray(np.sqrt(gain)[:, None] * vectors[:, :count].T)


class GMML(_MomentLearner):
    """Geometric mean metric learning: M on the geodesic from Σ_same⁻¹ (t = 0) to Σ_different (t = 1).

    At t = ½ it is the minimum of tr(M Σ_same) + tr(M⁻¹ Σ_different).

    Parameters
    ----------
    t : float
        From 0 to 1.
    ridge : float
        Fraction of the mean variance that is added to the diagonal of a singular covariance.

    References
    ----------
    Zadeh, Hosseini and Sra, "Geometric mean metric learning", ICML 2016, equation 13.
    """

    def __init__(self, *, t: float = 0.5, ridge: float = 1e-3) -> None:
        self.t = t
        self.ridge = ridge

    def _solve(self, same: Matrix, different: Matrix) -> Matrix:
        if not 0 <= self.t <= 1:
            raise UsageError(f"t is from 0 to 1, not {self.t}")
        # With S = CCᵀ: S⁻¹ #ₜ D = C⁻ᵀ (CᵀDC)ᵗ C⁻¹.
        c = cholesky(same, lower=True)
        values, vectors = eigh(c.T @ different @ c)
        powers = np.clip(values, 0, None) ** (self.t / 2)
        return np.asarray(powers[:, None] * solve_triangular(c, vectors, lower=True, trans="T").T)
