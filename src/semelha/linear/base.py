"""What every learner is: an estimator of scikit-learn, with a calibrated threshold on pairs; it warns of poor data."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from semelha.errors import CalibrationError, UsageError, VectorsError
from semelha.linear.span import Matrix, RankDeficiencyWarning, Span, find_axes

Labels = NDArray[np.intp]
Tuples = NDArray[np.intp]
Vectors = NDArray[np.floating[Any]]


class Learner(BaseEstimator, ABC):  # type: ignore[misc]  # scikit-learn has no types
    """Learns from vectors and labels how far apart two vectors are.

    Attributes
    ----------
    threshold_ : float
        Set by `calibrate_threshold`: up to this distance a pair is taken for a pair of the same class.
    n_features_in_ : int
    """

    narrow = True  # learn in no more dimensions than the examples span
    needs_classes = 2

    @abstractmethod
    def _keep(self, x: Matrix, labels: Labels, span: Span, notes: list[str]) -> None:
        """Learn from centered examples in the subspace, (n, r) and (n,), and keep what was learned."""

    @abstractmethod
    def pair_distance(self, X: ArrayLike, pairs: ArrayLike) -> NDArray[np.float64]:
        """The learned distance of each pair: pairs (m, 2) of rows of X → (m,). Smaller is more alike."""

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn from vectors (n, d) and labels (n,), of any kind that can be sorted.

        Raises
        ------
        VectorsError
            NaN, infinity, fewer classes than are needed, lengths that differ. It is a `ValueError` too.

        Warns
        -----
        RankDeficiencyWarning
            Once, where the examples do not span the space or a covariance cannot be inverted; names what was done.
        """
        x, y = self._checked(X, y)
        try:
            check_classification_targets(y)
        except ValueError as error:
            raise VectorsError(str(error)) from error
        classes, labels = np.unique(y, return_inverse=True)
        if len(classes) < self.needs_classes:
            raise VectorsError(
                f"{type(self).__name__} needs two classes at least, and the {len(x)} examples are of one class"
            )
        self._in_span(x, lambda inside, span, notes: self._keep(inside, labels, span, notes))
        return self

    def calibrate_threshold(self, X: ArrayLike, pairs: ArrayLike, same: ArrayLike, *, fpr: float | None = None) -> Self:
        """Choose the distance up to which a pair counts as one of the same class, and keep it as `threshold_`.

        Parameters
        ----------
        X : (n, d)
            Vectors that the learner was not fitted on.
        pairs : (m, 2) int
            Rows of X.
        same : (m,) bool
            Which pairs are of the same class.
        fpr : float, optional
            The wanted rate of different pairs taken for the same, between 0 and 1. A new different pair, drawn as
            these were, is accepted with at most this probability (split-conformal: (k + 1) / (n + 1) ≤ fpr, where k
            of the n different pairs are nearer than the threshold). Without it the threshold has the best accuracy on
            these pairs, half way between the two distances around it.

        Raises
        ------
        CalibrationError
            There are too few different pairs for the rate.
        """
        tuples, same = check_tuples(pairs, 2, _length(X)), check_same(same, pairs)
        distances = self.pair_distance(X, tuples)
        if fpr is None:
            self.threshold_ = _most_accurate(distances, same)
            return self
        if not 0 < fpr < 1:
            raise UsageError(f"fpr is a rate between 0 and 1, not {fpr}")
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
        """Whether each pair is of the same class, by `threshold_`: pairs (m, 2) of rows of X → (m,)."""
        if not hasattr(self, "threshold_"):
            raise UsageError(f"this {type(self).__name__} has no threshold yet: call calibrate_threshold first")
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

    def _in_span(self, x: Vectors, learn: Any) -> None:
        """Call `learn` with centered examples in their subspace, the subspace and notes; warn once of the notes."""
        notes: list[str] = []
        with np.errstate(over="ignore", invalid="ignore"):
            center = x.mean(axis=0, dtype=np.float64)
            centered = x - center
            spread = float(np.einsum("ij,ij->", centered, centered))
        if not np.isfinite(spread):
            raise VectorsError("squared distances between the examples overflow: scale the features down first")
        if spread == 0:
            raise VectorsError(f"all {len(x)} examples are the same point: nothing can be learned from them")
        span = Span(find_axes(centered, narrow=self.narrow, notes=notes), center)
        learn(span.into(centered), span, notes)
        if notes:
            warnings.warn(f"{type(self).__name__}: {'; '.join(notes)}", RankDeficiencyWarning, stacklevel=3)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


class Transformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Learner):  # type: ignore[misc]
    """A learner whose distance is the Euclidean distance of transformed vectors."""

    @abstractmethod
    def transform(self, X: ArrayLike) -> Vectors:
        """(n, d) → (n, k)."""

    def pair_distance(self, X: ArrayLike, pairs: ArrayLike) -> NDArray[np.float64]:
        """Euclidean distance of each pair once transformed: pairs (m, 2) of rows of X → (m,)."""
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
        """L (k, r) from centered examples (n, r) and labels (n,) from 0 on. Adds to `notes` what a user must know."""

    def _keep(self, x: Matrix, labels: Labels, span: Span, notes: list[str]) -> None:
        self._set(self._learn(x, labels, notes), span)

    def _set(self, components: Matrix, span: Span) -> None:
        if not np.isfinite(components).all():
            raise VectorsError(f"{type(self).__name__} did not stay finite on these vectors: scale the features first")
        self.components_ = span.back(np.asarray(components, np.float64))

    def transform(self, X: ArrayLike) -> Vectors:
        """Lx: (n, d) → (n, k), in float32 for float32 and in float64 for anything else.

        Raises
        ------
        NotFittedError
        VectorsError
            NaN, infinity, another number of dimensions than the learner was fitted on.
        """
        check_is_fitted(self)
        x = self._checked(X, reset=False)
        return np.asarray(x @ self.components_.T.astype(x.dtype, copy=False))

    def get_mahalanobis_matrix(self) -> NDArray[np.float64]:
        """M = LᵀL, (d, d), symmetric and positive semi-definite. It needs 8 d² bytes; `components_` says the same."""
        check_is_fitted(self)
        return np.asarray(self.components_.T @ self.components_)

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def width(n_components: int | None, most: int, default: int | None = None) -> int:
    """How many rows L gets: `n_components`, at most `most`; `default` or `most` where it is None."""
    if n_components is None:
        return min(default or most, most)
    if isinstance(n_components, bool) or not isinstance(n_components, int | np.integer) or n_components < 1:
        raise UsageError(f"n_components is a number from 1 on, or None, not {n_components!r}")
    return min(int(n_components), most)


def check_tuples(tuples: ArrayLike, size: int, length: int) -> Tuples:
    """Pairs (m, 2) or triplets (m, 3) of rows of X, checked. Raises `VectorsError`."""
    found = np.asarray(tuples)
    name = {2: "pairs", 3: "triplets"}[size]
    if found.ndim != 2 or found.shape[1] != size or not len(found) or found.dtype.kind not in "iu":
        raise VectorsError(f"{name} are whole numbers (m, {size}), the rows of X, not {found.dtype} {found.shape}")
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
