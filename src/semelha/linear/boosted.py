"""Boosted similarity: AdaBoost over agreement of thresholded features."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from semelha.errors import VectorsError
from semelha.linear.base import Labels, Transformer, Tuples, Vectors, check_same, check_tuples
from semelha.linear.pairs import draw_pairs
from semelha.linear.subspace import Matrix, Subspace

MOST_CODES = 1 << 22  # codes of pairs: twice 32 MB


class BoostedSimilarity(Transformer):
    """Σ α h(x, x′), where h is 1 if a feature is on the same side of a threshold in both and −1 if not.

    That is the inner product of `transform`, √α · (±1), which any index serves; all transformed vectors have one
    length, so that Euclidean distance and cosine give the same order. No Mahalanobis matrix stands for it. Each round
    of discrete AdaBoost on pairs takes the feature and threshold of the least weighted error.

    Parameters
    ----------
    n_rounds : int
        At most so many features; ends sooner where none is better than chance.
    n_thresholds : int
        Thresholds tried of each feature, at equal parts of the examples; at most 65,000.
    n_pairs : int
        From labels: random same pairs, and as many different ones. Fewer in many dimensions (64 MB of codes).
    random_state : int, RandomState or None

    Attributes
    ----------
    features_, thresholds_, alphas_ : (rounds,)
    axes_ : (r, d) float64 or None
        Principal axes, where there are more than 2048 dimensions; features are then the components along them.

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
        count = max(1, min(self.n_pairs, MOST_CODES // (2 * x.shape[1])))
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
            raise VectorsError("no threshold of any feature tells same from different pairs better than chance")
        features, thresholds, alphas = (np.array(column) for column in zip(*chosen, strict=True))
        self.features_, self.alphas_, self.axes_ = features, alphas, subspace.axes
        self.thresholds_ = thresholds + subspace.into(subspace.center[None])[0, features]


def _cuts(column: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """At most `count` thresholds, half way between values that differ, at equal parts of the examples."""
    values = np.sort(column)
    places = np.flatnonzero(values[1:] > values[:-1])
    if len(places) > count:
        wanted = np.searchsorted(places, np.linspace(0, len(values), count + 2)[1:-1])
        places = places[np.unique(np.clip(wanted, 0, len(places) - 1))]
    return np.asarray((values[places] + values[places + 1]) / 2)
