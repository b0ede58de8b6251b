"""Boosting: BoostMetric, which learns a Mahalanobis matrix, and boosted similarity of thresholded features."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from semelha.errors import VectorsError
from semelha.linear.base import (
    Labels,
    LinearLearner,
    Transformer,
    TripletLearner,
    Tuples,
    Vectors,
    check_same,
    check_tuples,
)
from semelha.linear.pairs import draw_pairs, laplacian, near_triplets
from semelha.linear.subspace import Matrix, Subspace

MAX_DENSE_DIM = 256  # dimensions up to which all eigenvectors are found at once
MAX_CODES = 1 << 22  # codes of pairs: twice 32 MB


class BoostMetric(LinearLearner, TripletLearner):
    """M = Σ w ξξᵀ: each round adds a positive semi-definite matrix of rank one that improves the order of triplets.

    For triplets (a, p, n) the margin is ρ = dₐₙ − dₐₚ in squared distances, and each round lowers log Σ exp(−ρ): ξ is
    the leading eigenvector of the differences' outer products weighted by exp(−ρ), w the best step along it. Only
    weights of pairs and that eigenvector are computed, never M.

    Parameters
    ----------
    n_neighbors : int
        With `fit`: triplets combine each example with this many nearest of its class and of other classes.
    max_triplets : int
        With `fit`: maximal number of triplets; examples are drawn at random to keep it.
    tol : float
        Training stops when a round lowers the objective by less.

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
    if d <= MAX_DENSE_DIM:
        vector = eigh(x.T @ (sums @ x), subset_by_index=[d - 1, d - 1])[1]
    else:
        product = LinearOperator((d, d), matvec=lambda v: x.T @ (sums @ (x @ v)), dtype=np.float64)
        vector = eigsh(product, k=1, which="LA", v0=np.ones(d))[1]
    return np.asarray(vector[:, 0] * np.sign(vector[np.abs(vector).argmax(), 0]))


def _best_step(weights: NDArray[np.float64], margins: NDArray[np.float64]) -> float:
    """w ≥ 0 that minimizes Σ u exp(−w ρ), by bisection of its slope; at most 2²⁰ over the largest margin."""

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


class BoostedSimilarity(Transformer):
    """Boosted similarity Σ α h(x, x′): h is 1 if a feature is on the same side of a threshold in both, else −1.

    It is the inner product of `transform`, √α · (±1). All transformed vectors have the same norm, so that every index
    can search it: Euclidean distance and cosine give the same order. It has no Mahalanobis matrix. Each round of
    discrete AdaBoost on pairs takes the feature and threshold with the least weighted error.

    Parameters
    ----------
    n_rounds : int
        Maximal number of rounds; training stops earlier when no threshold is better than guessing.
    n_thresholds : int
        Thresholds to try for each feature, at quantiles of the examples; at most 65,000.
    n_pairs : int
        With `fit`: number of random same pairs, and of different pairs. Fewer in many dimensions (64 MB of codes).

    Attributes
    ----------
    features_, thresholds_, alphas_ : (rounds,)
    axes_ : (r, d) float64 or None
        Principal axes, if there are more than 2048 dimensions; features are then the components along them.

    References
    ----------
    Shakhnarovich, "Learning task-specific similarity", PhD thesis, MIT 2005, chapter 3 (BoostPro); Freund and Schapire
    (1997).
    """

    rank_only = False

    def __init__(
        self,
        *,
        n_rounds: int = 256,
        n_thresholds: int = 64,
        n_pairs: int = 5_000,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.n_rounds = n_rounds
        self.n_thresholds = n_thresholds
        self.n_pairs = n_pairs
        self.random_state = random_state

    def fit_pairs(self, X: ArrayLike, pairs: ArrayLike, same: ArrayLike) -> BoostedSimilarity:
        """Learn from pairs (m, 2) of rows of X (n, d), of the same class or not, (m,). Raises and warns as `fit`."""
        x = self._checked(X)
        tuples, alike = check_tuples(pairs, 2, len(x)), check_same(same, pairs)
        self._learn_in_subspace(x, lambda inside, subspace, notes: self._boost(inside, tuples, alike, subspace))
        return self

    def transform(self, X: ArrayLike) -> Vectors:
        """√α · (±1): (n, d) → (n, rounds) float64."""
        check_is_fitted(self)
        x = self._checked(X, reset=False)
        if self.axes_ is not None:
            x = x @ self.axes_.T
        return np.asarray(np.where(x[:, self.features_] <= self.thresholds_, 1.0, -1.0) * np.sqrt(self.alphas_))

    @property
    def _n_features_out(self) -> int:
        return len(self.alphas_)

    def _keep(self, x: Matrix, labels: Labels, subspace: Subspace, notes: list[str]) -> None:
        count = max(1, min(self.n_pairs, MAX_CODES // (2 * x.shape[1])))
        pairs, same = draw_pairs(labels, count, check_random_state(self.random_state))
        self._boost(x, pairs, same, subspace)

    def _boost(self, x: Matrix, pairs: Tuples, same: NDArray[np.bool_], subspace: Subspace) -> None:
        cuts = [_cuts(column, self.n_thresholds) for column in x.T]
        codes = np.stack([np.searchsorted(cut, column) for cut, column in zip(cuts, x.T, strict=True)], axis=1)
        left, right = codes[pairs[:, 0]], codes[pairs[:, 1]]  # (m, r)
        width = self.n_thresholds + 1
        places = np.arange(x.shape[1]) * width
        # A pair disagrees about the thresholds from the lower to the higher of its two codes.
        low, high = (np.minimum(left, right) + places).ravel(), (np.maximum(left, right) + places).ravel()
        kind = np.where(same, 1.0, -1.0)
        weights = np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum())
        chosen = []
        for _ in range(self.n_rounds):
            signed = np.repeat(weights * kind, x.shape[1])
            size = x.shape[1] * width
            steps = np.bincount(low, signed, size) - np.bincount(high, signed, size)
            disagree = np.cumsum(steps.reshape(-1, width), axis=1)  # (r, thresholds), signed weight of disagreement
            best = int(np.argmin(disagree))
            edge = float((weights * kind).sum()) - 2 * float(disagree.flat[best])
            if edge <= 1e-9:
                break
            feature, threshold = divmod(best, width)
            alpha = np.arctanh(min(edge, 1 - 1e-10))
            agrees = (left[:, feature] <= threshold) == (right[:, feature] <= threshold)
            weights *= np.exp(-alpha * kind * np.where(agrees, 1, -1))
            weights /= weights.sum()
            at = cuts[feature][threshold] if threshold < len(cuts[feature]) else np.inf
            chosen.append((feature, at, alpha))
        if not chosen:
            raise VectorsError("no threshold of any feature separates same from different pairs better than guessing")
        features, thresholds, alphas = (np.array(column) for column in zip(*chosen, strict=True))
        self.features_, self.alphas_, self.axes_ = features, alphas, subspace.axes
        self.thresholds_ = thresholds + subspace.into(subspace.center[None])[0, features]


def _cuts(column: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """At most `count` thresholds, halfway between values that differ, at quantiles of the examples."""
    values = np.sort(column)
    places = np.flatnonzero(values[1:] > values[:-1])
    if len(places) > count:
        wanted = np.searchsorted(places, np.linspace(0, len(values), count + 2)[1:-1])
        places = places[np.unique(np.clip(wanted, 0, len(places) - 1))]
    return np.asarray((values[places] + values[places + 1]) / 2)
