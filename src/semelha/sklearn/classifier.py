"""`NearestSubjectClassifier`, which names the nearest subject, or answers that a picture shows none of them."""

from __future__ import annotations

import logging
import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from semelha.arguments import check_float, refuse
from semelha.embedders import as_pictures
from semelha.errors import CalibrationError, UsageError
from semelha.index import AutoIndex
from semelha.metrics import Euclidean, Metric
from semelha.recognition import Calibration, full_conformal, split_conformal
from semelha.recognition.calibration import check_rates
from semelha.recognition.probability import ProbabilityCurve, fit_probability
from semelha.sklearn.distances import MAX_TRIALS, distances_to_subjects, fit_inverse_temperature, subject_shares
from semelha.sklearn.inputs import ModelLike, as_sources, is_numeric_table, loaded_model

logger = logging.getLogger(__name__)

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]


class NearestSubjectClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Names the subject with the nearest example, or answers "unknown" at a calibrated rate.

    It decides as a gallery does: with the same metric, index and calibration, but in memory. A fitted classifier can be
    pickled, with its model, and needs no torch.

    Parameters
    ----------
    model : Model, path or str, optional
        Embeds pictures: a model, its folder, or the name of a published one. None: X are vectors.
    metric : Metric, optional
        Compares the vectors; by default that of the model, or without a model `semelha.metrics.Euclidean()`.
    fpir : float, optional
        Target false-positive identification rate: the share of strangers, who are none of the subjects, that is named
        at most. None: the nearest subject is always named. The rate needs 2 / fpir − 1 subjects, or 1 / fpir − 1
        pictures of strangers.
    unknown_label : label, optional
        The label of strangers in `predict`, and in y: examples with it are the strangers that calibrate. By default
        "unknown", or −1 if labels are numbers. Without `fpir` it is a label like any other.
    recall : float
        Mean part of the ten nearest that is found: 1 for exact search. Below 1, many examples are searched in a graph.
    random_state : int, RandomState instance or None
        Draws the example of each subject that calibrates.

    Attributes
    ----------
    classes_ : (classes,) array
        The labels, sorted; with `fpir` the unknown label is one of them.
    model_ : Model or None
    metric_ : Metric
    index_ : AutoIndex
        The examples.
    calibration_ : Calibration or None
    n_features_in_ : int
        Dimension of the vectors.
    """

    def __init__(
        self,
        model: ModelLike = None,
        *,
        metric: Metric | None = None,
        fpir: float | None = None,
        unknown_label: Any = None,
        recall: float = 1.0,
        random_state: Any = 0,
    ) -> None:
        self.model = model
        self.metric = metric
        self.fpir = fpir
        self.unknown_label = unknown_label
        self.recall = recall
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Enroll examples, and calibrate if `fpir` is given.

        Parameters
        ----------
        X : (n, d) float, or with a model also n pictures
            Vectors; or pictures as for `PictureEmbedder.transform`.
        y : (n,) labels
            Subjects; with `fpir` also the unknown label, of pictures of strangers.

        Raises
        ------
        CalibrationError
            There are too few subjects or strangers for `fpir`; the message has the number that is needed.
        PictureError, ModelError
        UsageError
            X or y cannot be used, or a parameter is out of range. It is a `ValueError` too.
        """
        self._check_parameters()
        self.model_ = None if self.model is None else loaded_model(self.model)
        default = Euclidean() if self.model_ is None else self.model_.metric
        self.metric_ = default if self.metric is None else self.metric
        if self.model_ is not None and not is_numeric_table(X):
            X = as_sources(X)
        vectors, y = self._checked(X, y)
        unknown = self._unknown_of(y)
        strange = np.zeros(len(y), bool) if self.fpir is None else np.asarray(y == unknown)
        subjects, codes = np.unique(y[~strange], return_inverse=True)
        if not len(subjects):
            raise UsageError(f"y has no subject: all labels are {unknown}")
        self.classes_ = subjects if self.fpir is None else np.unique(np.append(subjects, unknown))
        self._places = np.searchsorted(self.classes_, subjects)  # of the subjects among the classes
        order = np.argsort(codes, kind="stable")  # of equally near subjects the first is named
        self._vectors, self._codes = vectors[~strange][order], codes[order]
        self._build_index()
        random = check_random_state(self.random_state)
        self._sharpness = self._fit_sharpness(random)
        self.calibration_: Calibration | None = None
        if self.fpir is not None:
            seen = self._seen_in_training(X, y)
            self._unknown_place = int(np.searchsorted(self.classes_, unknown))
            self._calibrate(vectors[strange & ~seen], seen[~strange][order], random, any_strangers=bool(strange.any()))
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The label of the nearest subject, or with `fpir` the unknown label: (n,). X as for `fit`.

        With `fpir` at most that share of strangers is named, in expectation (`Calibration.assumption` says under which
        assumption). Raises as `fit`, and `NotFittedError`.
        """
        vectors = self._checked(X)
        found = self.index_.search(vectors, 1)
        nearest = self._codes[found.ids[:, 0]]
        places = self._places[nearest]
        if self.calibration_ is not None:
            is_known = self.calibration_.accepts(found.distances, self._rows[nearest][:, None])
            places = np.where(is_known, places, self._unknown_place)
        return np.asarray(self.classes_[places])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probability of each class: (n, classes), in the order of `classes_`. X as for `fit`.

        Among subjects, a softmax of negative distances (Goldberger et al., NIPS 2004, equation 1), with a temperature
        fitted by leave-one-out (Guo et al., ICML 2017, section 4.2). With `fpir`, the nearest subject has at most the
        probability `Identification.probability`, that it is the right one if half of the probes are strangers; and
        "unknown" has what the subjects lack. `predict` obeys the rate, not these probabilities.

        Raises as `predict`, and `CalibrationError` if no subject has a second example.
        """
        vectors = self._checked(X)
        curve = self._curve if self.calibration_ is not None else None
        if self._sharpness is None or (self.calibration_ is not None and curve is None):
            raise CalibrationError("no subject has two examples: probabilities cannot be estimated")
        distances = distances_to_subjects(vectors, self._vectors, self._codes, self.metric_)
        shares = subject_shares(distances, self._sharpness)
        if curve is None:
            return shares
        known = np.minimum(1.0, curve(distances.min(axis=1)) / shares.max(axis=1))
        found = np.empty((len(shares), len(self.classes_)))
        found[:, self._places] = shares * known[:, None]
        found[:, self._unknown_place] = 1 - known
        return found

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = self.model is None
        tags.input_tags.string = self.model is not None
        return tags

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "index_"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if hasattr(self, "_vectors"):
            self._build_index()

    def _check_parameters(self) -> None:
        if self.metric is not None and not isinstance(self.metric, Metric):
            refuse("metric", self.metric, "a metric of semelha.metrics or None")
        if self.fpir is not None:
            check_rates(check_float("fpir", self.fpir, 0, 1), None)
        check_float("recall", self.recall, 0, 1)

    def _checked(self, X: Any, y: Any = "no_validation") -> Any:
        """Vectors (n, d) float32 of X, and for `fit` the labels."""
        fitting = not isinstance(y, str)
        if not fitting:
            check_is_fitted(self)
        try:
            if self.model_ is not None and not is_numeric_table(X):
                sources = as_sources(X)
                if fitting and y is not None:
                    check_consistent_length(sources, y)
                X = self.model_.embed(sources)
            found = validate_data(self, X, y, dtype=np.float32, reset=fitting)
            if fitting:
                with warnings.catch_warnings():  # that many classes are no regression: subjects have few examples
                    warnings.filterwarnings("ignore", "The number of unique classes")
                    check_classification_targets(found[1])
        except UsageError:
            raise
        except ValueError as error:
            raise UsageError(str(error)) from error
        self.metric_.check(found[0] if fitting else found, "X")
        return found

    def _unknown_of(self, y: NDArray[Any]) -> Any:
        if self.unknown_label is not None:
            return self.unknown_label
        return -1 if y.dtype.kind in "biuf" else "unknown"

    def _build_index(self) -> None:
        self.index_ = AutoIndex(self.metric_, recall=self.recall)
        self.index_.build(np.arange(len(self._vectors)), self._vectors)

    def _fit_sharpness(self, random: np.random.RandomState) -> float | None:
        """The inverse of the temperature of `predict_proba`; None if no subject has a second example."""
        several = np.flatnonzero(np.bincount(self._codes)[self._codes] > 1)
        if not len(several):
            return None
        rows = np.sort(random.permutation(several)[:MAX_TRIALS])
        distances = distances_to_subjects(self._vectors[rows], self._vectors, self._codes, self.metric_, without=rows)
        return fit_inverse_temperature(distances, self._codes[rows])

    def _calibrate(
        self, strangers: Vectors, seen: NDArray[np.bool_], random: np.random.RandomState, *, any_strangers: bool
    ) -> None:
        """Set the rule and the curve of probabilities: from strangers if there are any, or else from the subjects.

        One example of each subject is compared with the others, without itself. `seen` says which examples the model
        was trained on: their subjects do not serve.
        """
        assert self.fpir is not None
        subjects = len(self._places)
        serving = np.setdiff1d(np.arange(subjects), self._codes[seen])
        if len(serving) < subjects:
            logger.warning(
                "subjects that do not serve as strangers, because the model was trained on them: %d",
                subjects - len(serving),
            )
        order = random.permutation(len(self._codes))
        rows = order[np.unique(self._codes[order], return_index=True)[1]][serving]  # a random example of each
        self._rows = np.full(subjects, -1)  # of the subjects in the calibration
        self._rows[serving] = np.arange(len(serving))
        others = distances_to_subjects(self._vectors[rows], self._vectors, self._codes, self.metric_, without=rows)
        own = others[np.arange(len(rows)), serving]
        others[np.arange(len(rows)), serving] = np.inf
        nearest, non_mated = self._rows[others.argmin(axis=1)], others.min(axis=1)
        if any_strangers:
            self.calibration_ = split_conformal(self._to_nearest(strangers), self.fpir)
        else:
            self.calibration_ = full_conformal(non_mated, self.fpir, mated=own, neighbors=nearest)
        paired = np.isfinite(own)
        mated, right = np.minimum(own, non_mated)[paired], (own < non_mated)[paired]
        self._curve: ProbabilityCurve | None = fit_probability(mated, right, self.calibration_.scores)

    def _to_nearest(self, vectors: Vectors) -> NDArray[np.float64]:
        if not len(vectors):
            return np.empty(0)
        return np.asarray(self.index_.search(vectors, 1).distances[:, 0], np.float64)

    def _seen_in_training(self, X: Any, y: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether the model was trained on the class of an example, by its name, or on its picture: (n,)."""
        if self.model_ is None:
            return np.zeros(len(y), bool)
        card = self.model_.card
        seen = np.isin(y.astype(str), card.classes)
        if card.content_hashes and not is_numeric_table(X):
            seen |= np.array([card.was_trained_on(picture) for picture in as_pictures(X)])
        return seen
