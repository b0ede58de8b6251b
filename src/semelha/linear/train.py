"""Linear training from data set to model folder: embed the pictures, fit a learner, write the metric."""

from __future__ import annotations

import inspect
import logging
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from semelha.arguments import check_numbers
from semelha.embedders import METRIC, Card, Extractor, FeatureExtractor, Model, embed_pictures, write_model
from semelha.errors import PictureError, TrainingError, UsageError
from semelha.features import Features
from semelha.files import check_writable
from semelha.images import Dataset, Skipped, check_for_training, found_by_decoding, paired_classes, split_classes
from semelha.linear.base import LinearLearner
from semelha.linear.boosting import BoostedSimilarity, BoostMetric
from semelha.linear.closed_form import GMML, KISSME, LDA, LFDA, RCA, XQDA, PCAWhitening
from semelha.linear.itml import ITML
from semelha.linear.lmnn import LMNN
from semelha.linear.nca import NCA, NCMML
from semelha.linear.ranksvm import RankSVM
from semelha.linear.subspace import MAX_DENSE_DIM
from semelha.measures import retrieval
from semelha.metrics import Agreement, Mahalanobis, Metric

logger = logging.getLogger(__name__)

MAX_AXES = 128
"""Principal axes in which a Mahalanobis matrix is learned, at most."""
BATCH = 256
HELD_OUT_FRACTION = 0.2

METHODS: dict[str, type[LinearLearner | BoostedSimilarity]] = {
    "pca-whitening": PCAWhitening,
    "lda": LDA,
    "rca": RCA,
    "lfda": LFDA,
    "kissme": KISSME,
    "xqda": XQDA,
    "gmml": GMML,
    "itml": ITML,
    "nca": NCA,
    "lmnn": LMNN,
    "ncmml": NCMML,
    "boostmetric": BoostMetric,
    "ranksvm": RankSVM,
    "boosted-similarity": BoostedSimilarity,
}
"""Learners by name whose distance an index can search."""


def learner_named(
    name: str, *, seed: int = 0, settings: Mapping[str, float] = MappingProxyType({})
) -> LinearLearner | BoostedSimilarity:
    """A learner with default settings, or with these arguments. Raises `UsageError` for an unknown name or setting."""
    if name not in METHODS:
        raise UsageError(f"method is {name!r}: it must be one of {', '.join(METHODS)}")
    kind = METHODS[name]
    arguments: dict[str, Any] = check_numbers(name, kind, settings)
    if "random_state" in inspect.signature(kind).parameters:
        arguments["random_state"] = seed
    return kind(**arguments)


def train_linear(
    dataset: Dataset,
    *,
    out: Path,
    method: LinearLearner | BoostedSimilarity,
    on: Features | Model,
    seed: int = 0,
    reading_progress: Callable[[int, int], None] | None = None,
) -> Model:
    """Learn a metric for features, or for the vectors of a trained model, and write both as the model folder `out`.

    The vectors are scaled (each feature by itself if their units differ, as in statistics; otherwise all alike), and a
    Mahalanobis matrix is learned in their first `MAX_AXES` principal axes. Both become part of the metric, so that a
    gallery stores the vectors unchanged. The model learns from all classes. With ten classes or more, the card also has
    the R@1 on a fifth of the classes, of a second metric that is learned from the others. If pictures have the splits
    train and val, the model learns from train, and the R@1 is its own on val.

    Parameters
    ----------
    dataset : Dataset
        At least two classes, one of them with two pictures or more.
    out : Path
        Folder of the model; must not exist yet.
    seed : int
        Draws the classes for that R@1; a learner has its own `random_state`.
    reading_progress : callable, optional
        Called with (pictures read, pictures in all).

    Raises
    ------
    DatasetError, TrainingError, UsageError, VectorsError
    """
    check_writable(out, is_folder=True, error=TrainingError)
    check_for_training(dataset)
    if not isinstance(method, LinearLearner | BoostedSimilarity):
        raise UsageError(f"{type(method).__name__} learns no metric that an index can serve")
    start = time.monotonic()
    extractor: Extractor = on.extractor if isinstance(on, Model) else FeatureExtractor(on)
    read = _read(dataset, extractor, reading_progress)
    for text in found_by_decoding(dataset, read.dataset, read.hashes):
        logger.warning(text)
    check_for_training(read.dataset)
    own_scales = isinstance(extractor, FeatureExtractor) and not extractor.features.one_unit
    score = _score(read, method, own_scales=own_scales, seed=seed)
    training = ~read.dataset.is_validation
    metric = learned_metric(read.vectors[training], read.dataset.labels[training], method, own_scales=own_scales)
    if not any(np.any(array) for array in metric.arrays().values()):
        raise TrainingError(
            f"{type(method).__name__} found nothing by which pictures of one class are alike: take other features, or "
            "another method"
        )
    card = _card(out.name, on, read, method, metric, seed=seed, score=score, seconds=time.monotonic() - start)
    graph, weights = on.contents() if isinstance(on, Model) else (None, {})
    parts = on.parts if isinstance(on, Model) else ()
    weights |= {METRIC + name: np.asarray(array, np.float64) for name, array in metric.arrays().items()}
    return write_model(out, card=card, onnx=graph, weights=weights, parts=parts)


def learned_metric(
    vectors: NDArray[np.float32],
    labels: NDArray[np.str_],
    method: LinearLearner | BoostedSimilarity,
    *,
    own_scales: bool,
    reduced: Reduced | None = None,
) -> Metric:
    """Fit a learner to vectors (n, d) and labels (n,). Returns its metric for unscaled vectors. Raises `UsageError`.

    `reduced` is what `reduce` gives for these vectors, if it is known already.
    """
    if isinstance(method, BoostedSimilarity):
        x = vectors.astype(np.float64)
        if x.shape[1] > MAX_DENSE_DIM:
            raise UsageError(f"boosted similarity takes at most {MAX_DENSE_DIM} features, and these are {x.shape[1]}")
        method.fit(x, labels)
        return Agreement(features=method.features_, thresholds=method.thresholds_, weights=method.alphas_)
    reduced = reduced or reduce(vectors, own_scales=own_scales)
    method.fit(reduced.x, labels)
    return Mahalanobis(L=method.components_ @ reduced.projection)


@dataclass(frozen=True, eq=False)
class Reduced:
    """Scaled vectors in their first principal axes, and the projection that makes them of vectors less their mean.

    Attributes
    ----------
    x : (n, k) float64
        k is at most `MAX_AXES`.
    projection : (k, d) float64
    """

    x: NDArray[np.float64]
    projection: NDArray[np.float64]


def reduce(vectors: NDArray[np.float32], *, own_scales: bool) -> Reduced:
    """Scale vectors (n, d), each feature by itself or all alike, and project them on their principal axes."""
    x = vectors.astype(np.float64)
    spread = x.std(axis=0) if own_scales else np.full(x.shape[1], x.std())
    scale = 1 / np.where(spread > 1e-9 * np.abs(x).max(initial=1e-300), spread, np.inf)
    scaled = (x - x.mean(axis=0)) * scale
    axes = _axes(scaled)
    return Reduced(scaled @ axes.T, axes * scale)


def _axes(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first principal axes of centered rows (n, d), orthonormal: (at most `MAX_AXES`, d)."""
    if x.shape[1] <= MAX_AXES:
        return np.eye(x.shape[1])
    found = PCA(min(MAX_AXES, len(x) - 1), random_state=0).fit(x)
    kept = found.explained_variance_ > 1e-12 * found.explained_variance_[0]
    return np.asarray(found.components_[kept])


@dataclass(frozen=True, eq=False)
class _Read:
    """Vectors (n, d), content hash of each picture, and the pictures that could be read."""

    vectors: NDArray[np.float32]
    hashes: tuple[str, ...]
    dataset: Dataset


def _read(dataset: Dataset, extractor: Extractor, progress: Callable[[int, int], None] | None) -> _Read:
    vectors: list[NDArray[np.float32]] = []
    kept: list[int] = []
    hashes: list[str] = []
    skipped: list[Skipped] = []
    embedded = embed_pictures(extractor, dataset, hashed=True, batch_size=BATCH, progress=progress)
    for number, each in enumerate(embedded):
        if isinstance(each, PictureError):
            skipped.append(Skipped(dataset.pictures[number].name, str(each)))
        else:
            kept.append(number)
            vectors.append(each.vector)
            hashes.append(each.content_hash)
    stacked = np.stack(vectors) if vectors else np.empty((0, 0), np.float32)
    return _Read(stacked, tuple(hashes), dataset.select(kept).with_skipped(skipped))


def _score(read: _Read, method: LinearLearner | BoostedSimilarity, *, own_scales: bool, seed: int) -> float | None:
    """R@1 on the split val, or else on a fifth of the classes, of a metric learned from the others.

    Pictures of one group never match. None without pairs to measure; or, without a split val, below ten classes of two
    pictures that may match.
    """
    labels, groups, unseen = read.dataset.labels, read.dataset.groups, read.dataset.is_validation
    if not unseen.any():
        if len(paired_classes(labels, groups)) < 10:
            return None
        unseen = np.isin(labels, split_classes(read.dataset, HELD_OUT_FRACTION, seed=seed)[1].classes)
    own = None if groups is None else groups[unseen]
    if not paired_classes(labels[unseen], own) or len(np.unique(labels[~unseen])) == (~unseen).sum():
        return None
    with warnings.catch_warnings():  # the fit on all classes warns
        warnings.simplefilter("ignore")
        metric = learned_metric(read.vectors[~unseen], labels[~unseen], method, own_scales=own_scales)
    classes = np.unique(labels[unseen], return_inverse=True)[1]
    found = retrieval(read.vectors[unseen], classes, metric=metric, query_groups=own, ks=(1,))
    return float(found.r_at[1])


def _card(
    name: str,
    on: Features | Model,
    read: _Read,
    method: LinearLearner | BoostedSimilarity,
    metric: Metric,
    *,
    seed: int,
    score: float | None,
    seconds: float,
) -> Card:
    base = on.card if isinstance(on, Model) else None
    training: dict[str, Any] = {
        "method": next((title for title, kind in METHODS.items() if type(method) is kind), type(method).__name__),
        "arguments": {
            key: value for key, value in method.get_params().items() if isinstance(value, int | float | str | None)
        },
        "seed": seed,
        "data": read.dataset.name,
        "pictures": len(read.dataset),
        "skipped": len(read.dataset.skipped),
        "seconds": round(seconds, 1),
        "scikit-learn": sklearn.__version__,
    }
    if base is not None:
        training["on"] = {"name": base.name, "fingerprint": base.fingerprint, "training": base.training}
    return Card.draft(
        name=name,
        input=base.input if base else None,
        features=base.features if base else FeatureExtractor(on).spec if isinstance(on, Features) else None,
        derived=base.derived if base else None,
        mean=base.mean if base else None,
        std=base.std if base else None,
        network=base.network if base else None,
        dim=read.vectors.shape[1],
        metric={"name": metric.name, **metric.parameters()},
        training=training,
        classes=read.dataset.classes,
        content_hashes=read.hashes,
        based_on=[base] if base else [],
        results={} if score is None else {"r_at_1_on_held_out_classes": round(score, 4)},
    )
