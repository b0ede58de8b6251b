"""The methods that are compared. A line in `feature_methods`, `methods_on` or `network_methods` adds one."""

from __future__ import annotations

import shlex
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from semelha.comparison.spaces import SPACES, Space
from semelha.comparison.study import Base, Rows, Source, Study, Vectors
from semelha.comparison.verdict import Step
from semelha.embedders import FeatureExtractor, Model, milliseconds_each
from semelha.errors import MissingExtra, UsageError
from semelha.features import HOG, Features, FirstOrder, Histogram, RawPixels
from semelha.linear import learned_metric, learner_named
from semelha.metrics import (
    Bhattacharyya,
    ChiSquare,
    Cosine,
    Euclidean,
    Jeffreys,
    JensenShannon,
    KullbackLeibler,
    Matusita,
    Metric,
    ReverseKullbackLeibler,
)
from semelha.named_losses import Loss, NamedLoss, default_loss
from semelha.training import method_with, train

FEATURES, HISTOGRAMS, MODELS, DISTANCES = "features", "histograms", "model", "learned distance"
NETWORKS, WITHOUT_LABELS = "network", "network without labels"

TRAIN = ("train", "PHOTOS", "--out", "model")

LEARNERS = {
    "pca-whitening": "principal axes, whitened",
    "lda": "linear discriminant analysis",
    "nca": "neighborhood components analysis",
    "lmnn": "large margin nearest neighbors",
    "itml": "information-theoretic metric learning",
    "gmml": "geometric mean metric learning",
    "boostmetric": "BoostMetric",
    "ranksvm": "RankSVM",
    "boosted-similarity": "boosted similarity of thresholded features",
}
CLOSED_FORM = ("pca-whitening", "lda", "gmml")
SLOW = ("boostmetric", "lmnn")
"""Learners whose time grows most with the number of pictures."""
DIVERGENCES: tuple[type[Metric], ...] = (
    Matusita,
    Bhattacharyya,
    KullbackLeibler,
    ReverseKullbackLeibler,
    Jeffreys,
    JensenShannon,
    ChiSquare,
)
LOSSES = {
    None: "the default loss, supervised contrastive and normalized softmax",
    Loss.crossentropy: "cross-entropy",
    Loss.contrastive: "pairs (contrastive loss)",
    Loss.triplet: "triplets",
    Loss.proxyanchor: "proxies of the classes (proxy-anchor)",
    Loss.arcface: "angular margins (ArcFace)",
}
SELF_SUPERVISED = {"simclr": "SimCLR", "moco-v2": "MoCo v2"}
OPTIONS = {"learning_rate": "--learning-rate", "dim": "--dim"}
"""Settings of a network's training that are no settings of its loss or method, and their options."""


@dataclass(frozen=True, eq=False)
class Attempt:
    """How a method learns once.

    Attributes
    ----------
    seconds : float
        Of the steps of a network's training.
    out : Path
        Where a model may be written.
    settings : mapping
        Those that are not the defaults, by name.
    callback : callable, optional
        Called in a network's training, with the fraction that is done and the last R@1 on held-out classes.
    """

    seconds: float
    out: Path
    settings: Mapping[str, float] = field(default_factory=dict)
    callback: Callable[[float, float | None], None] | None = None


@dataclass(frozen=True, eq=False)
class Learned:
    """What was learned: vectors of pictures by rows, and the metric. Sizes are in bytes."""

    vectors: Callable[[Rows], Vectors]
    metric: Metric
    dim: int
    size: int
    milliseconds: float
    known: float = 0.0
    """Seconds of what was known already from other methods, and is a part of learning."""


@dataclass(frozen=True, eq=False)
class Method:
    """A method. `key` is its short name; `words` are the command that trains it, without the pictures; or None."""

    name: str
    key: str
    family: str
    about: str
    words: tuple[str, ...] | None
    learn: Callable[[Study, Rows, Attempt], Learned]
    base: Base | None = None

    @property
    def space(self) -> Space:
        """The settings that can be tuned: none if no command sets them."""
        return SPACES.get(self.key, {}) if self.words is not None else {}

    @property
    def is_network(self) -> bool:
        """Whether its training takes the time that it is given."""
        return self.family in (NETWORKS, WITHOUT_LABELS)

    @property
    def step(self) -> Step:
        """What its command does."""
        if self.words is None or self.words[0] != "train":
            return "untrained"
        return "train" if len(self.words) > len(TRAIN) else "train_best"

    def command(self, photos: str, settings: Mapping[str, float] = MappingProxyType({})) -> str | None:
        """The command that trains it from these pictures, with settings that are not the defaults."""
        if self.words is None:
            return None
        words = [photos if word == "PHOTOS" else word for word in self.words]
        for name, value in settings.items():
            has_option = self.is_network and name in OPTIONS
            words += [OPTIONS[name], f"{value:g}"] if has_option else ["--set", f"{name}={value:g}"]
        return shlex.join(["semelha", *words])


def feature_methods() -> Iterator[Method]:
    """Features as they are, and distances that are learned on HOG."""
    pixels, hog = _features("pixels", RawPixels()), _features("hog", HOG())
    yield _as_it_is("pixels", pixels, FEATURES, "32 × 32 grey pixels, by Euclidean distance.")
    statistics = _features("first-order", FirstOrder(grid=(3, 3)))
    yield _as_it_is("first-order", statistics, FEATURES, "First-order statistics of nine cells, by Euclidean distance.")
    yield _as_it_is("hog", hog, FEATURES, "Histograms of oriented gradients, by Euclidean distance.")
    for divergence in DIVERGENCES:
        base = _features("histogram", Histogram(), divergence())
        about = f"Histograms of colors, by the divergence {divergence.name}."
        yield _as_it_is(divergence.name, base, HISTOGRAMS, about, name=f"histogram, {divergence.name}")
    yield from _distances(hog, ("--features", "hog"))


def methods_on(model: Model, title: str, *, published: bool) -> Iterator[Method]:
    """A model as it is, and what is learned on its vectors, or on the features of its stages if it has them."""
    place = title if published else str(model.folder)
    words: tuple[str, ...] = ("pretrained", title, "--out", "model")
    if not published:
        words = ("enroll", "gallery", "--model", place, "--from", "PHOTOS")
    plain, stages = _bases(model, title)
    yield _as_it_is(title, plain, MODELS, f"The model {title}, without training.", words=words)
    yield from _distances(plain, ("--on", place))
    if stages is not None:
        about = f"The features of all stages of {title}, projected by what varies within classes."
        axes = partial(_stage_axes, stages, trained=False)
        yield Method(f"{title}, its stages by classes", "stages", MODELS, about, TRAIN, axes, stages)
        about = f"A linear head on the features of all stages of {title}, trained by supervised contrastive loss."
        axes = partial(_stage_axes, stages, trained=True)
        yield Method(f"{title}, a head on its stages", "head", DISTANCES, about, TRAIN, axes, stages)


def network_methods() -> Iterator[Method]:
    """Small networks that are trained from nothing."""
    for loss, text in LOSSES.items():
        words = (*TRAIN, "--backbone", "small", *(() if loss is None else ("--loss", str(loss))))
        key = "default-loss" if loss is None else str(loss)
        about = f"A small network, trained from nothing by {text}."
        yield Method(f"network, {key}", key, NETWORKS, about, words, partial(_network, loss=loss))
    for key, text in SELF_SUPERVISED.items():
        about = f"A small network, trained from nothing and without labels by {text}."
        yield Method(key, key, WITHOUT_LABELS, about, (*TRAIN, "--method", key), partial(_network, method=key))


def chosen_methods(methods: Sequence[Method], names: Sequence[str] | None) -> list[Method]:
    """Those whose name, short name or family is among the names; all for None. Raises `UsageError`."""
    if names is None:
        return list(methods)
    for name in names:
        if not any(name in (one.name, one.key, one.family) for one in methods):
            known = dict.fromkeys(word for one in methods for word in (one.family, one.key))
            raise UsageError(f"no method is called {name!r}: there are {', '.join(known)}")
    return [one for one in methods if {one.name, one.key, one.family} & set(names)]


def _features(name: str, features: Features, metric: Metric | None = None) -> Base:
    source = Source(name, FeatureExtractor(features), features.dim, 0)
    return Base(name, source, metric or Euclidean(), own_scales=not features.one_unit)


def _bases(model: Model, title: str) -> tuple[Base, Base | None]:
    """The vectors of a model, and the features of its stages, which are computed together with them."""
    size = sum(file.stat().st_size for file in model.folder.rglob("*") if file.is_file())
    try:
        from semelha.deep.ready import ReadyModel, has_stages
    except MissingExtra:
        stages = None
    else:
        stages = ReadyModel(model) if has_stages(model) else None
    if stages is None:
        return Base(title, Source(model.fingerprint[:16], model.extractor, model.dim, size), model.metric), None
    source = Source(f"stages-{model.fingerprint[:16]}", stages.extractor, stages.width, size)
    plain = Base(title, source, model.metric, stop=model.dim, alone=model.extractor)
    return plain, Base(f"the stages of {title}", source, Cosine(), start=model.dim)


def _as_it_is(
    key: str, base: Base, family: str, about: str, *, name: str | None = None, words: tuple[str, ...] | None = None
) -> Method:
    def learn(study: Study, rows: Rows, attempt: Attempt) -> Learned:
        vectors = partial(study.vectors, base)
        dim = vectors(rows[:1]).shape[1]
        return Learned(vectors, base.metric, dim, base.source.size, study.milliseconds(base))

    return Method(name or key, key, family, about, words, learn, base)


def _distances(base: Base, words: tuple[str, str]) -> Iterator[Method]:
    for key, text in LEARNERS.items():

        def learn(study: Study, rows: Rows, attempt: Attempt, key: str = key) -> Learned:
            vectors, labels = study.vectors(base, rows), study.pictures.labels[rows]
            reduced, known = (None, 0.0) if key == "boosted-similarity" else study.reduced(base, rows)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # few pictures for many features: every learner would say so
                learner = learner_named(key, seed=study.seed, settings=attempt.settings)
                metric = learned_metric(vectors, labels, learner, own_scales=base.own_scales, reduced=reduced)
            size = base.source.size + sum(np.asarray(array).nbytes for array in metric.arrays().values())
            dim = vectors.shape[1]
            return Learned(partial(study.vectors, base), metric, dim, size, study.milliseconds(base), known)

        about = f"{text[0].upper()}{text[1:]} on {base.name}."
        command = (*TRAIN, "--method", key, *words)
        yield Method(f"{key} on {base.name}", key, DISTANCES, about, command, learn, base)


def _stage_axes(stages: Base, study: Study, rows: Rows, attempt: Attempt, *, trained: bool) -> Learned:
    from semelha.deep.stages import projected, relevant_axes
    from semelha.deep.trained_axes import trained_axes

    features, labels = study.vectors(stages, rows), study.pictures.labels[rows]
    axes = relevant_axes(features, labels)
    if trained:
        axes = trained_axes(features, labels, axes, seed=study.seed, clean=study.pictures.is_clean[rows])

    def vectors(asked: Rows) -> Vectors:
        return projected(study.vectors(stages, asked), axes)

    size = stages.source.size + sum(array.nbytes for array in axes)
    return Learned(vectors, stages.metric, axes[1].shape[1], size, study.milliseconds(stages))


def _network(
    study: Study, rows: Rows, attempt: Attempt, *, loss: Loss | None = None, method: str | None = None
) -> Learned:
    from semelha.deep import TrainingProgress, TrainingSettings

    def watch(progress: TrainingProgress) -> None:
        if attempt.callback is not None:
            attempt.callback(progress.done, progress.validation)

    own = {name: value for name, value in attempt.settings.items() if name not in OPTIONS}
    general: dict[str, Any] = {name: value for name, value in attempt.settings.items() if name in OPTIONS}
    arguments: dict[str, Any] = {}
    if method is not None:
        arguments["method"] = method_with(method, own, seed=study.seed)
        arguments["settings"] = TrainingSettings(**general)
    else:
        made: Any = None if loss is None else NamedLoss(loss, settings=tuple(own.items()))
        if loss is None and own:
            made = default_loss(own)
        arguments["settings"] = TrainingSettings(backbone="small", loss=made, **general)
    folders = attempt.out, attempt.out.with_name(attempt.out.name + ".training")
    try:
        for left in folders:
            shutil.rmtree(left, ignore_errors=True)
        pictures = study.pictures.select(rows.tolist())
        minutes = attempt.seconds / 60
        model = train(pictures, out=attempt.out, minutes=minutes, seed=study.seed, callback=watch, **arguments)
        size = sum(file.stat().st_size for file in attempt.out.rglob("*") if file.is_file())
    finally:
        for left in folders:
            shutil.rmtree(left, ignore_errors=True)

    def vectors(asked: Rows) -> Vectors:
        return model.embed(study.pictures.select(asked.tolist()))

    return Learned(vectors, model.metric, model.dim, size, milliseconds_each(model))
