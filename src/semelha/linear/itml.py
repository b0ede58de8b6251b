"""Information-theoretic metric learning."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from semelha.errors import UsageError
from semelha.linear.base import Labels, PairLearner, Tuples
from semelha.linear.descent import lbfgs
from semelha.linear.pairs import draw_pairs, laplacian, squared_distances
from semelha.linear.subspace import Matrix

RIDGE = 1e-3


class ITML(PairLearner):
    """Information-theoretic metric learning: the matrix nearest to a prior that keeps bounds on the distances of pairs.

    min over M ≻ 0 and slacks ξ of  D(M, M₀) + γ D(diag ξ, diag ξ₀)  such that squared distances are at most ξ for same
    pairs, where ξ₀ = u, and at least ξ for different pairs, where ξ₀ = l. D is the LogDet divergence. Given M, the best
    slack of a pair is ξ₀ if the pair keeps its bound and its squared distance if not, which leaves

        tr(M M₀⁻¹) − log det M + γ Σ φ(dᵢ / ξ₀ᵢ)   over pairs beyond their bound,   φ(r) = r − log r − 1

    smooth and convex in M: minimized by L-BFGS on a square root of M. The cyclic projections of the paper converge to
    the same minimum. Directions without variance keep the prior, so no direction is removed up to 2048 dimensions.

    Parameters
    ----------
    gamma : float
        Weight of the slacks.
    prior : (d, d) array, optional
        M₀, positive definite; the identity by default.
    bounds : (u, l), optional
        Bounds on *squared* distances; by default the 5th and the 95th percentile over random pairs.
    n_pairs : int, optional
        With `fit`: number of random same pairs, and of different pairs; by default 20 · classes², at most 50,000.
    max_iter : int
        Maximal number of iterations of L-BFGS.

    References
    ----------
    Davis, Kulis, Jain, Sra and Dhillon, "Information-theoretic metric learning", ICML 2007, equation 4.
    """

    rank_only = False

    def __init__(
        self,
        *,
        gamma: float = 1.0,
        prior: ArrayLike | None = None,
        bounds: tuple[float, float] | None = None,
        n_pairs: int | None = None,
        max_iter: int = 1000,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.gamma = gamma
        self.prior = prior
        self.bounds = bounds
        self.n_pairs = n_pairs
        self.max_iter = max_iter
        self.random_state = random_state

    def _learn(self, x: Matrix, labels: Labels, notes: list[str]) -> Matrix:
        count = self.n_pairs or min(20 * (int(labels.max()) + 1) ** 2, 50_000)
        pairs, same = draw_pairs(labels, count, check_random_state(self.random_state))
        return self._learn_pairs(x, pairs, same, notes)

    def _learn_pairs(self, x: Matrix, pairs: Tuples, same: NDArray[np.bool_], notes: list[str]) -> Matrix:
        upper, lower = self._bounds(x)
        used, where = np.unique(pairs, return_inverse=True)
        x, pairs = x[used], where.reshape(pairs.shape)
        equal = ~same & (squared_distances(x, *pairs.T) == 0)
        if equal.any():
            notes.append(f"{equal.sum()} pairs of different classes and equal vectors were left out")
            pairs, same = pairs[~equal], same[~equal]
        bound, left, right = np.where(same, upper, lower), pairs[:, 0], pairs[:, 1]
        start, inverse = self._prior(x.shape[1])

        def value(l: Matrix) -> tuple[float, Matrix]:  # noqa: E741
            sign, log_det = np.linalg.slogdet(l)
            if sign == 0:  # a singular step of the line search: the gradient beside it leads back
                l = l + RIDGE * np.abs(start).max() * np.eye(len(l))  # noqa: E741
                log_det = np.linalg.slogdet(l)[1]
            d = squared_distances(x @ l.T, left, right)
            broken = np.where(same, d > bound, d < bound)
            d, b = np.maximum(d[broken], 1e-300), bound[broken]
            pull = laplacian(pairs[broken], self.gamma * (1 / b - 1 / d), len(x))
            slope = l @ inverse
            divergence = float((slope * l).sum()) - 2 * float(log_det)
            cost = self.gamma * float((d / b - np.log(d / b) - 1).sum())
            return divergence + cost, 2 * (slope + (l @ (x.T @ (pull @ x))) - np.linalg.inv(l).T)

        components, self.n_iter_ = lbfgs(value, start, steps=self.max_iter, tol=1e-10)
        return components

    def _bounds(self, x: Matrix) -> tuple[float, float]:
        if self.bounds is not None:
            upper, lower = (float(bound) for bound in self.bounds)
            if not (upper > 0 and lower > 0):
                raise UsageError(f"bounds on squared distances are above 0, not {self.bounds}")
            return upper, lower
        some = check_random_state(0).randint(len(x), size=(2, 20_000))
        distances = squared_distances(x, *some)
        upper, lower = np.percentile(distances[some[0] != some[1]], (5, 95))
        tiny = 1e-9 * float(distances.max())  # more than 5% of the pairs are duplicates
        return max(float(upper), tiny), max(float(lower), tiny)

    def _prior(self, d: int) -> tuple[Matrix, Matrix]:
        """A root of the prior, and its inverse."""
        if self.prior is None:
            return np.eye(d), np.eye(d)
        prior = np.asarray(self.prior, np.float64)
        if prior.shape != (d, d):
            raise UsageError(f"the prior is of shape {(d, d)}, not {prior.shape}")
        try:
            start = np.linalg.cholesky(prior).T
        except np.linalg.LinAlgError as error:
            lowest = float(np.linalg.eigvalsh(prior)[0])
            raise UsageError(f"the prior must be positive definite; its lowest eigenvalue is {lowest:g}") from error
        return np.asarray(start), np.asarray(np.linalg.inv(prior))
