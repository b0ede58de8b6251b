"""BoostMetric: AdaBoost over matrices of rank one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.utils import check_random_state

from semelha.linear.base import Labels, LinearLearner, Tuples
from semelha.linear.pairs import laplacian, near_triplets
from semelha.linear.subspace import Matrix, Subspace
from semelha.linear.tuples import TripletLearner

DENSE = 256  # dimensions up to which all eigenvectors are found at once


class BoostMetric(LinearLearner, TripletLearner):
    """M = Σ w ξξᵀ, one positive semi-definite matrix of rank one a round, to order triplets.

    For triplets (a, p, n) the margin is ρ = dₐₙ − dₐₚ in squared distances, and log Σ exp(−ρ) falls round by round:
    ξ is the leading eigenvector of the differences' outer products weighted by exp(−ρ), w the best step along it. Only
    weights of pairs and that eigenvector are made, never M.

    Parameters
    ----------
    n_rounds : int
        At most so many.
    n_neighbors : int
        With `fit`: triplets are each example with this many nearest of its class and of other classes.
    max_triplets : int
        With `fit`: maximal number of triplets; examples are drawn at random to keep it.
    tol : float
        Ends where a round lowers the objective by less.
    random_state : int, RandomState or None

    References
    ----------
    Shen, Kim, Wang and van den Hengel, "Positive semidefinite metric learning using boosting-like algorithms", JMLR 13
    (2012), algorithm 1; the step by equation 12.
    """

    def __init__(
        self,
        *,
        n_rounds: int = 200,
        n_neighbors: int = 3,
        max_triplets: int = 100_000,
        tol: float = 1e-5,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.n_rounds = n_rounds
        self.n_neighbors = n_neighbors
        self.max_triplets = max_triplets
        self.tol = tol
        self.random_state = random_state

    def _learn(self, x: Matrix, labels: Labels, notes: list[str]) -> Matrix:
        rng = check_random_state(self.random_state)
        return self._boost(x, near_triplets(x, labels, self.n_neighbors, self.max_triplets, rng))

    def _keep_triplets(self, x: Matrix, triplets: Tuples, subspace: Subspace, notes: list[str]) -> None:
        self._set(self._boost(x, triplets), subspace)

    def _boost(self, x: Matrix, triplets: Tuples) -> Matrix:
        scale = np.sqrt(x.var(axis=0).mean())
        x = x / scale
        pairs = np.concatenate([triplets[:, [0, 2]], triplets[:, [0, 1]]])
        log_weights = np.full(len(triplets), -np.log(len(triplets)))
        rows = []
        for _ in range(self.n_rounds):
            weights = np.exp(log_weights)
            xi = _leading(x, pairs, np.concatenate([weights, -weights]))
            z = x @ xi
            margins = (z[triplets[:, 0]] - z[triplets[:, 2]]) ** 2 - (z[triplets[:, 0]] - z[triplets[:, 1]]) ** 2
            w = _best_step(weights, margins)
            log_weights -= w * margins
            highest = log_weights.max()
            fall = -(highest + np.log(np.exp(log_weights - highest).sum()))
            if w == 0 or fall < self.tol:
                break
            log_weights += fall
            rows.append(np.sqrt(w) * xi)
        if not rows:
            return np.zeros((1, x.shape[1]))
        _, values, axes = np.linalg.svd(np.array(rows), full_matrices=False)
        return np.asarray(values[:, None] * axes / scale)


def _leading(x: Matrix, pairs: Tuples, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The eigenvector of the largest eigenvalue of Σ w (xᵢ − xⱼ)(xᵢ − xⱼ)ᵀ, (d,)."""
    sums, d = laplacian(pairs, weights, len(x)), x.shape[1]
    if d <= DENSE:
        vector = eigh(x.T @ (sums @ x), subset_by_index=[d - 1, d - 1])[1]
    else:
        product = LinearOperator((d, d), matvec=lambda v: x.T @ (sums @ (x @ v)), dtype=np.float64)
        vector = eigsh(product, k=1, which="LA", v0=np.ones(d))[1]
    return np.asarray(vector[:, 0] * np.sign(vector[np.abs(vector).argmax(), 0]))


def _best_step(weights: NDArray[np.float64], margins: NDArray[np.float64]) -> float:
    """w ≥ 0 with the least Σ u exp(−w ρ): where its slope is 0, by bisection. At most 2²⁰ over the largest margin."""

    def falls(w: float) -> bool:
        exponents = -w * margins
        return float((weights * margins * np.exp(exponents - exponents.max())).sum()) > 0

    largest = float(np.abs(margins).max())
    if largest == 0 or not falls(0.0):
        return 0.0
    low, high = 0.0, 1 / largest
    for _ in range(20):
        if not falls(high):
            break
        low, high = high, 2 * high
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if falls(middle) else (low, middle)
    return (low + high) / 2
