"""Fit a new readout of the layers to a trained network: no weight of the network changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from semelha.deep.augment import Augmentation
from semelha.deep.cache import sample
from semelha.deep.network import EmbeddingNet, Network, build
from semelha.deep.publish import write_network
from semelha.deep.readout import MAX_PICTURES, fit_layer_readout
from semelha.embedders import Card, Model
from semelha.errors import ModelError, UsageError
from semelha.images import Dataset
from semelha.metrics import Cosine

PREFIX = "network."
"""Of the names of the network's weights, in a model whose layers are read already."""


def refit_readout(dataset: Dataset, *, model: Model, out: Path, seed: int = 0) -> Model:
    """Write the network of `model` with a new readout (`semelha.deep.readout`) as the model folder `out`.

    The readout is fitted to the pictures; labels are ignored. Take the training pictures, for a model that reads the
    head alone, or pictures like those that it will be used on.

    Parameters
    ----------
    dataset : Dataset
        Of more than `MAX_PICTURES` pictures a sample is drawn.
    model : Model
        With our own network, small or medium, compared by cosine.
    out : Path
        Must not exist.
    seed : int

    Raises
    ------
    DatasetError, ModelError, TrainingError, UsageError
    """
    if out.exists():
        raise ModelError(f"{out} exists already: choose another place for the model, or remove it")
    card = model.card
    network = Network.of_card(card)
    dim = network.dim
    if card.input is None or not network.own or dim is None or not isinstance(model.metric, Cosine):
        raise UsageError(
            f"{card.name} has no layers to be read: method readout takes a model of one network of our own, small or "
            "medium, that is compared by cosine"
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
    given = {name.removeprefix(PREFIX): np.array(array) for name, array in model.contents()[1].items()}
    try:
        built.load_state_dict({name: torch.from_numpy(given[name]) for name in built.state_dict()})
    except (KeyError, RuntimeError) as error:  # one is missing, or has another shape
        raise ModelError(f"the weights in {model.folder} are not those of the network in its card") from error
    return built


def _augmentation(card: Card) -> Augmentation:
    """The augmentation of the training. Raises `ModelError`."""
    try:
        return Augmentation(**card.training.get("augmentation", {}))
    except (TypeError, UsageError) as error:
        raise ModelError(f"the card of {card.name} has an unknown augmentation: {error}") from error
