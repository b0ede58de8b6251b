"""A model that needs no training, such as a pretrained one, and what is learned from its features in seconds."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import timm
from numpy.typing import NDArray

from semelha.deep.comparison import Candidate, Embed, HeldOut, Rows, measure_folds, measure_hits
from semelha.deep.export import in_onnx_runtime
from semelha.deep.features import FeatureCache, compute_features, seconds_each, subset
from semelha.deep.network import Network
from semelha.deep.publish import write_network
from semelha.deep.stages import Axes, BothFeatures, StageNet, projected, relevant_axes
from semelha.deep.trained_axes import trained_axes
from semelha.deep.without_training import network_of
from semelha.embedders import Extractor, Model, copy_model, milliseconds_each
from semelha.images import Dataset, Progress
from semelha.metrics import Cosine

logger = logging.getLogger(__name__)


def has_stages(base: Model) -> bool:
    """Whether the network of a model is one of timm, whose stages can be read."""
    if base.card.input is None or not base.card.network or not base.metric.is_cosine:
        return False
    network = Network.of_card(base.card)
    return timm.is_model(network.backbone) and network.readout == "head"


class ReadyModel:
    """A model that needs no training, and the features of its stages if its network is one of timm."""

    def __init__(self, base: Model) -> None:
        self.base = base
        self.network: Network | None = None
        self.extractor: Extractor = base.extractor
        self.width = base.dim
        if base.card.input is None or not has_stages(base):
            return
        self.network, self.built = Network.of_card(base.card), network_of(base).eval()
        both = BothFeatures(self.built).eval()
        extractor = in_onnx_runtime(both, base.card.input, name=base.card.name)
        self.extractor, self.width = extractor, extractor.dim

    def features(
        self, dataset: Dataset, folder: Path, seconds: float, seed: int, progress: Progress | None
    ) -> FeatureCache:
        """The features of the pictures, or of some of them if all take too long."""
        each = seconds_each(dataset, self.extractor, seed=seed)
        if each * len(dataset) > seconds:
            some = subset(dataset, max(64, int(seconds / each)), seed=seed)
            logger.warning(
                "features are computed of %s of the %s pictures, in %.0f s; all would take %.0f s: allow more minutes",
                f"{len(some):,}",
                f"{len(dataset):,}",
                each * len(some),
                each * len(dataset),
            )
            dataset = some
        return compute_features(
            dataset, self.extractor, self.width, folder, key=self.base.fingerprint, progress=progress
        )

    def vectors(self, cache: FeatureCache) -> NDArray[np.float32]:
        """The vectors of the model, (pictures, dim), among the features."""
        return np.asarray(cache.features[:, : self.base.dim], np.float32)

    def candidates(self, cache: FeatureCache, dataset: Dataset, held_out: HeldOut, *, seed: int) -> list[Candidate]:
        """The vectors as they are; and if it has stages, these projected by the classes, and by a trained head.

        `dataset` has the pictures of the cache, with their groups.
        """
        name, plain = self.base.card.name, self.vectors(cache)
        stages = np.asarray(cache.features[:, self.base.dim :], np.float32)
        rows = np.arange(len(dataset))

        def measured(title: str, embed: Embed, make: Callable[[Path], Model], milliseconds: float) -> Candidate:
            start = time.monotonic()
            vectors = embed(np.setdiff1d(rows, held_out.few), held_out.few)
            few = measure_hits(vectors, dataset, held_out.few, dataset.groups)
            found = measure_folds(held_out, dataset, embed, seed=seed)
            return Candidate(f"{name}{title}", vectors, few, found, time.monotonic() - start, milliseconds, make)

        found = [measured(" as it is", lambda _, asked: plain[asked], self._as_it_is, milliseconds_each(self.base))]

        def relevant(learned: Rows) -> Axes:
            return relevant_axes(stages[learned], dataset.labels[learned])

        def trained(learned: Rows) -> Axes:
            labels, clean = dataset.labels[learned], dataset.is_clean[learned]
            return trained_axes(stages[learned], labels, relevant(learned), seed=seed, clean=clean)

        fits = {", its stages by classes": relevant, ", a head trained on its stages": trained}
        milliseconds = milliseconds_each(self.extractor)
        for title, fit in fits.items() if self.network else ():

            def embed(learned: Rows, asked: Rows, fit: Callable[[Rows], Axes] = fit) -> NDArray[np.float32]:
                return projected(stages[asked], fit(learned))

            def make(out: Path, fit: Callable[[Rows], Axes] = fit) -> Model:
                return self._write(fit(rows), out)

            found.append(measured(title, embed, make, milliseconds))
        return found

    def _as_it_is(self, out: Path) -> Model:
        return copy_model(self.base, out, training=self.base.card.training, results={})

    def _write(self, axes: Axes, out: Path) -> Model:
        assert self.network is not None
        training = {
            **{name: value for name, value in self.base.card.training.items() if name != "torch"},
            "method": "stages",
            "on": {"name": self.base.card.name, "fingerprint": self.base.fingerprint},
        }
        return write_network(
            StageNet(copy.deepcopy(self.built), axes),
            replace(self.network, readout="stages"),
            out,
            metric=Cosine(),
            training=training,
            classes=(),
            content_hashes=(),
            results={},
            based_on=[self.base.card],
        )
