"""Ranking support vector machines on differences of features: a diagonal metric, and a signed re-ranker."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from semelha.errors import VectorsError
from semelha.linear.base import Labels, LinearLearner, TripletLearner, Tuples, check_tuples
from semelha.linear.descent import lbfgs
from semelha.linear.pairs import Single, near_triplets
from semelha.linear.subspace import Matrix, Subspace

MAX_NUMBERS = 1 << 24  # numbers of the triplets' features: 64 MB


class _Ranker(TripletLearner):
    """Settings that both learners share, and triplets of near examples."""

    rank_only = False

    def __init__(
        self,
        *,
        C: float = 1000.0,
        n_neighbors: int = 3,
        max_triplets: int = 100_000,
        max_iter: int = 100,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.C = C
        self.n_neighbors = n_neighbors
        self.max_triplets = max_triplets
        self.max_iter = max_iter
        self.random_state = random_state

    def _near_triplets(self, x: Matrix, labels: Labels) -> Tuples:
        most = max(1, min(self.max_triplets, MAX_NUMBERS // x.shape[1]))
        return near_triplets(x, labels, self.n_neighbors, most, check_random_state(self.random_state))


class RankSVM(LinearLearner, _Ranker):
    """Learns a weight of 0 or more for each feature, so that squared differences order triplets: M is diagonal.

    min over w ≥ 0 of ½ ‖w‖² + C · mean [1 − w·δ]₊²,  δ = (xₐ − xₙ)² − (xₐ − xₚ)², by L-BFGS-B. Features of weight 0 are
    not in `components_`. Beyond 2048 dimensions and examples, principal components are the features.

    Parameters
    ----------
    C : float
        Weight of wrongly ordered triplets, with features scaled to a mean variance of one.
    n_neighbors : int
        With `fit`: triplets combine each example with this many nearest of its class and of other classes.
    max_triplets : int
        With `fit`: maximal number of triplets; examples are drawn at random to keep it. Fewer in many dimensions.

    Attributes
    ----------
    weights_ : (r,) float64
        w, of features or principal components.

    References
    ----------
    Joachims, "Optimizing search engines using clickthrough data", KDD 2002; squared hinge in the primal: Chapelle and
    Keerthi, "Efficient algorithms for ranking with SVMs" (2010); non-negative weights of squared differences: Schultz
    and Joachims, "Learning a distance metric from relative comparisons", NIPS 2003.
    """

    def _learn(self, x: Matrix, labels: Labels, notes: list[str]) -> Matrix:
        return self._rank(x, self._near_triplets(x, labels), notes)

    def _keep_triplets(self, x: Matrix, triplets: Tuples, subspace: Subspace, notes: list[str]) -> None:
        self._set(self._rank(x, triplets, notes), subspace)

    def _rank(self, x: Matrix, triplets: Tuples, notes: list[str]) -> Matrix:
        scale = np.sqrt(x.var(axis=0).mean())
        near, far = _differences((x / scale).astype(np.float32), triplets)
        weights, self.n_iter_ = order(far**2 - near**2, self.C, self.max_iter, positive=True)
        if not weights.any():
            notes.append("no feature helps to order the triplets, so all weights are 0")
        self.weights_ = weights / scale**2
        kept = np.flatnonzero(weights) if weights.any() else np.arange(1)
        components = np.zeros((len(kept), x.shape[1]))
        components[np.arange(len(kept)), kept] = np.sqrt(self.weights_[kept])
        return components


class SignedRankSVM(_Ranker):
    """Prosser's ranker: learns a weight of either sign for each |xⱼ − x′ⱼ|, to re-rank the candidates of a metric.

    min over w of ½ ‖w‖² + C · mean [1 − w·δ]₊²,  δ = |xₐ − xₙ| − |xₐ − xₚ|. The score w·|x − x′| may be negative, so it
    is no metric, and no index can search it.

    Parameters
    ----------
    C, n_neighbors, max_triplets, max_iter, random_state
        As in `RankSVM`.

    Attributes
    ----------
    weights_ : (r,) float64
    axes_ : (r, d) float64 or None
        Principal axes, if there are more than 2048 dimensions; differences are taken along them.

    References
    ----------
    Prosser, Zheng, Gong and Xiang, "Person re-identification by support vector ranking", BMVC 2010, equation 4.
    """

    def pair_distance(self, X: ArrayLike, pairs: ArrayLike) -> NDArray[np.float64]:
        """w·|x − x′| of each pair: pairs (m, 2) of rows of X → (m,). Smaller is more similar; may be negative."""
        inside = self._inside(X)
        left, right = check_tuples(pairs, 2, len(inside)).T
        return np.asarray(np.abs(inside[left] - inside[right]) @ self.weights_)

    def rerank(self, Q: ArrayLike, S: ArrayLike, candidates: ArrayLike) -> Tuples:
        """Re-rank the candidates of each query, the most similar first: (queries, k) int.

        The queries Q are (queries, d), the stored vectors S (stored, d); `candidates`, (queries, k), are rows of S, −1
        for none. Ties keep their order, and −1 comes last. Raises `VectorsError` if the candidates are not rows of S,
        or a vector is not valid.
        """
        queries, stored = self._inside(Q), self._inside(S)
        found = np.asarray(candidates)
        if found.ndim != 2 or len(found) != len(queries) or found.dtype.kind not in "iu":
            raise VectorsError(f"candidates are whole numbers ({len(queries)}, k), not {found.dtype} {found.shape}")
        if found.size and (found.min() < -1 or found.max() >= len(stored)):
            raise VectorsError(f"candidates are rows of the {len(stored)} stored vectors, or -1")
        ordered = np.empty(found.shape, np.intp)
        for row, (query, near) in enumerate(zip(queries, found, strict=True)):
            values = np.where(near < 0, np.inf, np.abs(stored[near] - query) @ self.weights_)
            ordered[row] = near[np.argsort(values, kind="stable")]
        return ordered

    def _keep(self, x: Matrix, labels: Labels, subspace: Subspace, notes: list[str]) -> None:
        self._keep_triplets(x, self._near_triplets(x, labels), subspace, notes)

    def _keep_triplets(self, x: Matrix, triplets: Tuples, subspace: Subspace, notes: list[str]) -> None:
        scale = np.sqrt(x.var(axis=0).mean())
        near, far = _differences((x / scale).astype(np.float32), triplets)
        weights, self.n_iter_ = order(np.abs(far) - np.abs(near), self.C, self.max_iter, positive=False)
        self.weights_ = weights / scale
        self.axes_ = subspace.axes

    def _inside(self, X: ArrayLike) -> Matrix:
        check_is_fitted(self)
        x = np.asarray(self._checked(X, reset=False), np.float64)
        return x if self.axes_ is None else x @ self.axes_.T


def order(deltas: Single, cost: float, steps: int, *, positive: bool) -> tuple[NDArray[np.float64], int]:
    """Minimize ½ ‖w‖² + cost · mean [1 − w·δ]₊² over the rows δ of (m, d). Returns w (d,) and the iterations."""
    ones = np.full(deltas.shape[1], 1 / deltas.shape[1])

    def value(w: Matrix) -> tuple[float, Matrix]:
        short = np.maximum(1 - deltas @ w.astype(np.float32), 0)
        loss = float(short @ short) / len(deltas)
        return float(w @ w) / 2 + cost * loss, w - 2 * cost / len(deltas) * (short @ deltas).astype(np.float64)

    return lbfgs(value, ones, steps=steps, tol=1e-7, positive=positive)


def _differences(x: Single, triplets: Tuples) -> tuple[Single, Single]:
    anchors = x[triplets[:, 0]]
    return anchors - x[triplets[:, 1]], anchors - x[triplets[:, 2]]
