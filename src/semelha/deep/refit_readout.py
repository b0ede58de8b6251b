"""A network that is there already, with its layers read along the axes of some pictures: nothing else is learned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from semelha.deep.augment import Augmentation
from semelha.deep.cache import sample
from semelha.deep.network import EmbeddingNet, Network, build
from semelha.deep.publish import write_network
from semelha.deep.readout import MOST, fit_layer_readout
from semelha.embedders import Card, Model
from semelha.errors import ModelError, UsageError
from semelha.images import Dataset
from semelha.metrics import Cosine

OWN = "network."
"""What begins the name of a weight of the network, where its layers were read before."""


def refit_readout(dataset: Dataset, *, model: Model, out: Path, seed: int = 0) -> Model:
    """Write the network of `model` as the model folder `out`, its embedding read from the layers (`deep.readout`).

    No weight changes. The pictures, whose labels are not looked at, tell the axes: those that were trained on, for a
    model whose head alone was read, or those that it is to be used on.

    Parameters
    ----------
    dataset : Dataset
        Of more than `MOST` pictures some are drawn.
    model : Model
        With a network of ours, small or medium, that is compared by cosine.
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
            f"{card.name} has no layers to be read: that is for a network of ours, small or medium, by itself, which "
            "is compared by cosine"
        )
    network = replace(network, readout="layers")
    seen, hashes = sample(dataset, network.input_spec(), MOST, seed=seed)
    read = fit_layer_readout(network_of(model), seen, dim, augmentation=_changes(card), seed=seed)
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
    """The network of a model with a graph, with its weights and its head. Raises `ModelError`."""
    built = build(Network.of_card(model.card), seed=0)
    given = {name.removeprefix(OWN): np.array(array) for name, array in model.contents()[1].items()}
    try:
        built.load_state_dict({name: torch.from_numpy(given[name]) for name in built.state_dict()})
    except (KeyError, RuntimeError) as error:  # one is missing, or has another shape
        raise ModelError(f"the weights in {model.folder} are not those of the network in its card") from error
    return built


def _changes(card: Card) -> Augmentation:
    """As it was trained with."""
    try:
        return Augmentation(**card.training.get("augmentation", {}))
    except (TypeError, UsageError) as error:
        raise ModelError(f"the card of {card.name} names changes of pictures that there are not: {error}") from error
