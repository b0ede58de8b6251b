"""A network as it is, published as a model: pretrained features that nothing was learned on top of."""

from __future__ import annotations

import time
import warnings
from dataclasses import replace
from pathlib import Path

from semelha.deep.cache import sample, statistics
from semelha.deep.network import Network, build, with_statistics
from semelha.deep.publish import write_network
from semelha.deep.recipe import choose_network, look_at
from semelha.embedders import Model
from semelha.errors import TrainingError, UsageError
from semelha.images import Dataset
from semelha.metrics import Cosine

SAMPLE = 500


def publish_feature_extractor(dataset: Dataset, *, out: Path, network: Network | None = None, seed: int = 0) -> Model:
    """Write a network as the model folder `out`, its pooled features being the embedding.

    No weight is learned, and no layer of our own stands behind the backbone. The pictures tell only what was not said:
    how a network of ours sees them, and, without pretrained weights, the mean and deviation of their pixels. The card
    therefore names no class and no picture as trained on.

    Parameters
    ----------
    dataset : Dataset
    out : Path
        Must not exist.
    network : Network, optional
        Its `dim` is that of the features, whatever it says. Our small one, of random weights, if not
        given: a warning says so.
    seed : int
        Draws the weights of a network that has none, and which pictures are looked at.

    Raises
    ------
    DatasetError, TrainingError, UsageError, BackboneError, PretrainedUnavailable
    """
    if out.exists():
        raise TrainingError(f"{out} exists already: choose another place for the model, or remove it")
    start = time.monotonic()
    network = network or choose_network(look_at(dataset, seed=seed), classes=None)
    network = replace(network, dim=None, head="sphere", readout="head")
    if not network.own and not network.pretrained:
        raise UsageError(
            f"{network.backbone} would have random weights: give it pretrained ones, timm's or a file, or train it"
        )
    seen, _ = sample(dataset, network.input_spec(), SAMPLE, seed=seed)
    network = with_statistics(network, statistics(seen))
    if network.own:
        warnings.warn(
            f"the network {network.backbone} has random weights and learns nothing: it is something to compare with, "
            "and recognizes little",
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
