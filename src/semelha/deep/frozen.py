"""A network as it is, published as a model: pretrained features that nothing was learned on top of."""

from __future__ import annotations

import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from semelha.deep.cache import statistics
from semelha.deep.network import Network, build, with_statistics
from semelha.deep.publish import write_network
from semelha.deep.recipe import choose_network, look_at
from semelha.embedders import Model, fitted
from semelha.errors import DatasetError, PictureError, TrainingError, UsageError
from semelha.images import Dataset, read_all
from semelha.metrics import Cosine

SAMPLE = 500


def publish_frozen(dataset: Dataset, *, out: Path, network: Network | None = None, seed: int = 0) -> Model:
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
    network = replace(network or choose_network(look_at(dataset, seed=seed), labels=False), dim=None, head="sphere")
    if not network.own and not network.pretrained:
        raise UsageError(
            f"{network.backbone} would have random weights: give it pretrained ones, timm's or a file, or train it"
        )
    network = with_statistics(network, _statistics(dataset, network, seed))
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


def _statistics(dataset: Dataset, network: Network, seed: int) -> tuple[float, float]:
    """Of some of the pictures, as the network sees them. Raises `DatasetError` where none can be read."""
    chosen = np.random.default_rng(seed).permutation(len(dataset))[:SAMPLE]
    spec = network.input_spec()
    seen = read_all(dataset.select(chosen.tolist()).pictures, lambda picture: fitted(picture.pixels(), spec))
    pixels = [each for each in seen if not isinstance(each, PictureError)]
    if not pixels:
        raise DatasetError(f"{dataset.name} has no picture that can be read")
    return statistics(np.stack(pixels))
