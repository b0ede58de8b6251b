"""Base classes of the learners: scikit-learn estimators that learn a distance from labels, pairs or triplets."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from contextlib import nullcontext
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from semelha.errors import CalibrationError, UsageError, VectorsError
from semelha.linear.subspace import Matrix, RankDeficiencyWarning, Subspace, principal_axes

ONE_THREAD = 2_000_000
"""Numbers in X, n · d, up to which products are computed in one thread: a second one mostly waits for the first."""

Labels = NDArray[np.intp]
Tuples = NDArray[np.intp]
Vectors = NDArray[np.floating[Any]]


class Learner(BaseEstimator, ABC):  # type: ignore[misc]  # scikit-learn has no types
    """An estimator that learns a distance from vectors and labels.

    Attributes
    ----------
    threshold_ : float
        Largest distance of a pair that counts as the same class; set by `calibrate_threshold`.
    n_features_in_ : int
    """

    rank_only = True  # learn only in the subspace that the examples span
    min_classes = 2

    @abstractmethod
    def _keep(self, x: Matrix, labels: Labels, subspace: Subspace, notes: list[str]) -> None:
        """Learn from centered examples (n, r) in the subspace and labels (n,), and set the learned attributes."""

    @abstractmethod
    def pair_distance(self, X: ArrayLike, pairs: ArrayLike) -> NDArray[np.float64]:
        """Learned distance of each pair: pairs (m, 2) of rows of X → (m,). Smaller is more similar."""

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn from vectors (n, d) and sortable labels (n,).

        Raises `VectorsError`, a `ValueError` too, for NaN, infinity, too few classes, or different lengths of X and y.
        Warns with a `RankDeficiencyWarning`, which reports what was done, if the examples do not span the space, or a
        covariance is singular.
        """
        x, y = self._checked(X, y)
        try:
            check_classification_targets(y)
        except ValueError as error:
            raise VectorsError(str(error)) from error
        classes, labels = np.unique(y, return_inverse=True)
        if len(classes) < self.min_classes:
            raise VectorsError(
                f"{type(self).__name__} needs at least two classes, and the {len(x)} examples are of one class"
            )
        self._learn_in_subspace(x, lambda inside, subspace, notes: self._keep(inside, labels, subspace, notes))
        return self

    def calibrate_threshold(self, X: ArrayLike, pairs: ArrayLike, same: ArrayLike, *, fpr: float | None = None) -> Self:
        """Choose `threshold_`, the largest distance of a pair that counts as the same class.

        From vectors X (n, d) on which the learner was not fitted, pairs (m, 2) of their rows, and whether each pair is
        of the same class, (m,) bool. By default the threshold maximizes the accuracy on these pairs, halfway between
        two distances. With `fpr`, a false positive rate between 0 and 1, a new pair of different classes, drawn like
        these, is accepted with at most this probability (split conformal: (k + 1) / (n + 1) ≤ fpr, if k of the n
        different pairs are nearer than the threshold).

        Raises `CalibrationError` if there are too few pairs of different classes for the rate, and `UsageError` if
        `fpr` is not between 0 and 1.
        """
        tuples, same = check_tuples(pairs, 2, _length(X)), check_same(same, pairs)
        distances = self.pair_distance(X, tuples)
        if fpr is None:
            self.threshold_ = _most_accurate(distances, same)
            return self
        if not 0 < fpr < 1:
            raise UsageError(f"fpr is {fpr}: it must lie between 0 and 1")
        different = np.sort(distances[~same])
        accepted = int(np.floor(fpr * (len(different) + 1) + 1e-9)) - 1
        if accepted < 0:
            raise CalibrationError(
                f"a rate of {fpr:g} needs {int(np.ceil(1 / fpr)) - 1} pairs of different classes, "
                f"and there are {len(different)}"
            )
        self.threshold_ = float(np.nextafter(different[accepted], -np.inf))
        return self

    def predict_pairs(self, X: ArrayLike, pairs: ArrayLike) -> NDArray[np.bool_]:
        """Whether each pair is of the same class, by `threshold_`: pairs (m, 2) of rows of X → (m,) bool."""
        if not hasattr(self, "threshold_"):
            raise UsageError(f"this {type(self).__name__} has no threshold: call calibrate_threshold first")
        return self.pair_distance(X, pairs) <= self.threshold_

    def _checked(self, X: ArrayLike, y: Any = "no_validation", *, reset: bool = True) -> Any:
        try:
            return validate_data(
                self, X, y, dtype=[np.float64, np.float32], reset=reset, ensure_min_samples=2 if reset else 1
            )
        except VectorsError:
            raise
        except ValueError as error:
            raise VectorsError(str(error)) from error

    def _learn_in_subspace(self, x: Vectors, learn: Any) -> None:
        """Call `learn` with centered examples in their subspace, the subspace and notes; warn of the notes."""
        notes: list[str] = []
        with np.errstate(over="ignore", invalid="ignore"):
            center = x.mean(axis=0, dtype=np.float64)
            centered = x - center
            spread = float(np.einsum("ij,ij->", centered, centered))
        if not np.isfinite(spread):
            raise VectorsError("squared distances between the examples overflow: scale the features down first")
        if spread == 0:
            raise VectorsError(f"all {len(x)} examples are the same point: nothing can be learned from them")
        with threadpool_limits(1, user_api="blas") if x.size <= ONE_THREAD else nullcontext():
            subspace = Subspace(principal_axes(centered, rank_only=self.rank_only, notes=notes), center)
            learn(subspace.into(centered), subspace, notes)
        if notes:
            warnings.warn(f"{type(self).__name__}: {'; '.join(notes)}", RankDeficiencyWarning, stacklevel=3)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


class Transformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Learner):  # type: ignore[misc]
    """A learner whose distance is Euclidean after `transform`."""

    @abstractmethod
    def transform(self, X: ArrayLike) -> Vectors:
        """(n, d) → (n, k)."""

    def pair_distance(self, X: ArrayLike, pairs: ArrayLike) -> NDArray[np.float64]:
        """Euclidean distance of each pair after the transform: pairs (m, 2) of rows of X → (m,)."""
        z = self.transform(X)
        tuples = check_tuples(pairs, 2, len(z))
        between = z[tuples[:, 0]].astype(np.float64) - z[tuples[:, 1]]
        return np.asarray(np.sqrt(np.einsum("ij,ij->i", between, between)))


class LinearLearner(Transformer):
    """Learns a Mahalanobis distance √((x − x′)ᵀ M (x − x′)), M = LᵀL.

    Attributes
    ----------
    components_ : (k, d) float64
        L.
    """

    @abstractmethod
    def _learn(self, x: Matrix, labels: Labels, notes: list[str]) -> Matrix:
        """Return L (k, r) from centered examples (n, r) and labels (n,) from 0. Append warnings to `notes`."""

    def _keep(self, x: Matrix, labels: Labels, subspace: Subspace, notes: list[str]) -> None:
        self._set(self._learn(x, labels, notes), subspace)

    def _set(self, components: Matrix, subspace: Subspace) -> None:
        if not np.isfinite(components).all():
            raise VectorsError(f"{type(self).__name__} diverged on these vectors: scale the features first")
        self.components_ = subspace.back(np.asarray(components, np.float64))

    def transform(self, X: ArrayLike) -> Vectors:
        """Apply L to vectors: (n, d) → (n, k), in float32 for float32 and otherwise in float64.

        Raises `NotFittedError`, or `VectorsError` for NaN, infinity, or another number of features than in `fit`.
        """
        check_is_fitted(self)
        x = self._checked(X, reset=False)
        return np.asarray(x @ self.components_.T.astype(x.dtype, copy=False))

    def get_mahalanobis_matrix(self) -> NDArray[np.float64]:
        """M = LᵀL, (d, d), symmetric and positive semi-definite: 8 d² bytes."""
        check_is_fitted(self)
        return np.asarray(self.components_.T @ self.components_)

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class PairLearner(LinearLearner):
    """A learner of a Mahalanobis distance from pairs."""

    @abstractmethod
    def _learn_pairs(self, x: Matrix, pairs: Tuples, same: NDArray[np.bool_], notes: list[str]) -> Matrix:
        """Return L (k, r) from centered examples (n, r), pairs of rows (m, 2), and whether each is same (m,)."""

    def fit_pairs(self, X: ArrayLike, pairs: ArrayLike, same: ArrayLike) -> Self:
        """Learn from pairs (m, 2) of rows of X (n, d), and whether each is of the same class, (m,) bool.

        Raises `VectorsError` for NaN, infinity, rows that X does not have, or pairs of one kind only. Warns as `fit`.
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
        """Learn from triplets (anchor, positive, negative) of rows of X: the positive must be nearer to the anchor.

        X is (n, d), `triplets` (m, 3). Raises `VectorsError` for NaN, infinity, or rows that X does not have. Warns as
        `fit`.
        """
        x = self._checked(X)
        tuples = check_tuples(triplets, 3, len(x))
        self._learn_in_subspace(x, lambda inside, subspace, notes: self._keep_triplets(inside, tuples, subspace, notes))
        return self


def width(n_components: int | None, most: int, default: int | None = None) -> int:
    """Number of rows of L: `n_components`, by default `default` or `most`, and at most `most`."""
    if n_components is None:
        return min(default or most, most)
    if isinstance(n_components, bool) or not isinstance(n_components, int | np.integer) or n_components < 1:
        raise UsageError(f"n_components is {n_components!r}: it must be an integer from 1, or None")
    return min(int(n_components), most)


def check_tuples(tuples: ArrayLike, size: int, length: int) -> Tuples:
    """Pairs (m, 2) or triplets (m, 3) as an array of rows of X. Raises `VectorsError`."""
    found = np.asarray(tuples)
    name = {2: "pairs", 3: "triplets"}[size]
    if found.ndim != 2 or found.shape[1] != size or not len(found) or found.dtype.kind not in "iu":
        raise VectorsError(f"{name} must be integers (m, {size}), rows of X, not {found.dtype} {found.shape}")
    if found.min() < 0 or found.max() >= length:
        raise VectorsError(f"{name} name rows from {found.min()} to {found.max()}, and X has {length}")
    return found.astype(np.intp)


def check_same(same: ArrayLike, pairs: ArrayLike) -> NDArray[np.bool_]:
    """Which pairs are of the same class, (m,) bool, with both kinds in it. Raises `VectorsError`."""
    found = np.asarray(same)
    if found.shape != (_length(pairs),) or not np.isin(found, (0, 1)).all():
        raise VectorsError(f"same is true or false for each of the {_length(pairs)} pairs")
    if found.all() or not found.any():
        raise VectorsError("pairs of the same and pairs of different classes are needed, and all are of one kind")
    return found.astype(bool)


def _length(rows: ArrayLike) -> int:
    shape = np.shape(rows)
    return shape[0] if shape else 0


def _most_accurate(distances: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    order = np.argsort(distances, kind="stable")
    ranked = distances[order]
    gain = np.concatenate([[0], np.cumsum(np.where(same[order], 1, -1))])  # of accepting the first 0, 1, … pairs
    cut = np.concatenate([[True], ranked[1:] > ranked[:-1], [True]])  # not between equal distances
    best = int(np.argmax(np.where(cut, gain, -len(gain))))
    if best == 0:
        return float(np.nextafter(ranked[0], -np.inf))
    return float(ranked[-1] if best == len(ranked) else (ranked[best - 1] + ranked[best]) / 2)
