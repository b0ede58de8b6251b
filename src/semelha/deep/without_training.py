"""Models without training a network: its pooled features, a new readout of its layers, or random weights."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from semelha.deep.augment import Augmentation
from semelha.deep.cache import sample, statistics
from semelha.deep.loop import embed
from semelha.deep.network import EmbeddingNet, Network, build, with_statistics
from semelha.deep.plan import plan_feature_extractor
from semelha.deep.publish import write_network
from semelha.deep.readout import MAX_PICTURES, MultiLayerNet, fit_layer_readout
from semelha.deep.recipe import TrainingSettings
from semelha.embedders import Card, InputSpec, Model, embed_all
from semelha.errors import ModelError, TrainingError, UsageError
from semelha.files import check_writable
from semelha.images import Dataset, Progress, Source
from semelha.metrics import METRICS, Cosine, Metric

SAMPLE = 500
"""Pictures for the pixel statistics."""


def publish_feature_extractor(
    dataset: Dataset,
    *,
    out: Path,
    network: Network | None = None,
    settings: TrainingSettings = TrainingSettings(),
    seed: int = 0,
) -> Model:
    """Write a network without training as the model folder `out`: its pooled features are the embedding.

    The network is chosen from the pictures by default, and its `dim` is ignored. Without pretrained weights, the
    pictures also give the mean and standard deviation of the pixels. The card lists no class and no picture as trained
    on.

    Raises
    ------
    DatasetError, TrainingError, UsageError, BackboneError, PretrainedUnavailable
    """
    check_writable(out, is_folder=True, error=TrainingError)
    start = time.monotonic()
    network, _ = plan_feature_extractor(dataset, network=network, settings=settings, seed=seed)
    if not network.own and not network.pretrained:
        raise UsageError(
            f"{network.backbone} would have random weights: give it pretrained ones, timm's or a file, or train it"
        )
    seen, _ = sample(dataset, network.input_spec(), SAMPLE, seed=seed)
    network = with_statistics(network, statistics(seen))
    if network.own:
        warnings.warn(
            f"the network {network.backbone} has random weights and is not trained: it is a baseline, and recognizes "
            "little",
            stacklevel=2,
        )
    return write_network(
        build(network, seed=seed),
        network,
        out,
        metric=Cosine(),
        training={
            "method": "none",
            "seed": seed,
            "data": dataset.name,
            "pictures": 0,
            "seconds": round(time.monotonic() - start, 1),
        },
        classes=[],
        content_hashes=[],
        results={},
    )


def refit_readout(dataset: Dataset, *, model: Model, out: Path, seed: int = 0) -> Model:
    """Write the network of `model` with a new readout (`semelha.deep.readout`) as the model folder `out`.

    The readout is fitted to up to `MAX_PICTURES` of the pictures; labels are ignored. The model must have our own
    network, small or medium, and be compared by cosine.

    Raises
    ------
    DatasetError, ModelError, TrainingError, UsageError
    """
    check_writable(out, is_folder=True, error=ModelError)
    card = model.card
    network = Network.of_card(card) if card.network else None
    dim = network.dim if network else None
    if network is None or not network.own or dim is None or not model.metric.is_cosine:
        raise UsageError(
            f"{card.name} has no layers to read: method readout takes a model of our own network, small or medium, "
            "that is compared by cosine"
        )
    network = replace(network, readout="layers")
    seen, hashes = sample(dataset, network.input_spec(), MAX_PICTURES, seed=seed)
    read = fit_layer_readout(network_of(model), seen, dim, augmentation=_augmentation(card), seed=seed)
    return write_network(
        read,
        network,
        out,
        metric=Cosine(),
        training={
            **{name: value for name, value in card.training.items() if name != "torch"},
            "read": {"data": dataset.name, "pictures": len(seen), "seed": seed, "of": card.fingerprint},
        },
        classes=(),
        content_hashes=hashes,
        based_on=[card],
        results={},
    )


def network_of(model: Model) -> EmbeddingNet:
    """The network of a model folder, with its weights. Raises `ModelError`."""
    built = build(Network.of_card(model.card), seed=0)
    # With a readout of layers, the network is a part of the module.
    stored = {name.removeprefix("network."): np.array(array) for name, array in model.contents()[1].items()}
    try:
        built.load_state_dict({name: torch.from_numpy(stored[name]) for name in built.state_dict()})
    except (KeyError, RuntimeError) as error:  # one is missing, or has another shape
        raise ModelError(f"the weights in {model.folder} are not those of the network in its card") from error
    return built


def _augmentation(card: Card) -> Augmentation:
    """The augmentation of the training. Raises `ModelError`."""
    try:
        return Augmentation(**card.training.get("augmentation", {}))
    except (TypeError, UsageError) as error:
        raise ModelError(f"the card of {card.name} has an unknown augmentation: {error}") from error


class TorchEmbedder:
    """An embedder (pictures → vectors) that runs a torch network on the CPU."""

    def __init__(self, module: EmbeddingNet | MultiLayerNet, spec: InputSpec, metric: Metric, fingerprint: str) -> None:
        self.module = module
        self.spec = spec
        self.side = spec.side
        self.dim = module.dim
        self.metric = metric
        self.fingerprint = fingerprint

    def embed(
        self, pictures: Source | Iterable[Source], *, batch_size: int = 256, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """(n, dim) float32, as `Model.embed`."""
        return embed_all(self, pictures, self.dim, batch_size=batch_size, progress=progress)

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """One picture, fitted to the input."""
        return self.spec.prepare(image)

    def vectors(self, prepared: NDArray[Any]) -> NDArray[np.float32]:
        """(n, channels, height, width) uint8 → (n, dim)."""
        return embed(self.module, prepared, torch.device("cpu"), batch=len(prepared))


def untrained_embedder(card: Card, *, seed: int = 0) -> TorchEmbedder | None:
    """The network of `card` with random weights drawn from `seed`; None for a model without a network."""
    if card.input is None or not card.network:
        return None
    network = replace(Network.of_card(card), readout="head")
    kind = METRICS[card.metric["name"]]
    metric = kind() if network.head == "simplex" else Cosine()  # it has no learned matrix
    return TorchEmbedder(build(network, seed=seed), card.input, metric, f"untrained-{seed}-{card.fingerprint}")
