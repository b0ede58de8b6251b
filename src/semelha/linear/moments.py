"""Learners in closed form, of two matrices: mean outer products of same pairs and of different pairs."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, eigh, solve_triangular

from semelha.errors import UsageError
from semelha.linear.base import Labels, Tuples, width
from semelha.linear.pairs import mean_outer_products, scatter
from semelha.linear.subspace import Matrix, invertible, root
from semelha.linear.tuples import PairLearner


class _MomentLearner(PairLearner):
    """From labels all pairs are used, in O(n d²)."""

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


class KISSME(_MomentLearner):
    """Keep it simple and straightforward: M = Σ_same⁻¹ − Σ_different⁻¹, its negative part cut away.

    The log-likelihood ratio of two Gaussians of differences, in closed form.

    Parameters
    ----------
    n_components : int, optional
        Keep only the so many largest eigenvalues of M. All positive ones if not given.
    ridge : float
        Part of the mean variance that is added to the diagonal of a singular covariance.

    References
    ----------
    Köstinger, Hirzer, Wohlhart, Roth and Bischof, "Large scale metric learning from equivalence constraints", CVPR
    2012, equation 16.
    """

    def __init__(self, n_components: int | None = None, *, ridge: float = 1e-3) -> None:
        self.n_components = n_components
        self.ridge = ridge

    def _solve(self, same: Matrix, different: Matrix) -> Matrix:
        return root(np.asarray(np.linalg.inv(same) - np.linalg.inv(different)), width(self.n_components, len(same)))


class XQDA(_MomentLearner):
    """Cross-view quadratic discriminant analysis: KISSME in the directions that tell same from different best.

    Directions are generalized eigenvectors of Σ_different against Σ_same, those with an eigenvalue above one; there M
    is KISSME's. One set of vectors stands for both views.

    Parameters
    ----------
    n_components : int, optional
        At most so many directions. All with an eigenvalue above one if not given (one at least).
    ridge : float
        Part of the mean variance that is added to the diagonal of a singular covariance.

    References
    ----------
    Liao, Hu, Zhu and Li, "Person re-identification by local maximal occurrence representation and metric learning",
    CVPR 2015, equations 4 and 7.
    """

    def __init__(self, n_components: int | None = None, *, ridge: float = 1e-3) -> None:
        self.n_components = n_components
        self.ridge = ridge

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
        Part of the mean variance that is added to the diagonal of a singular covariance.

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
