"""Publish a network without training it: its pooled features as a model."""

from __future__ import annotations

import time
import warnings
from pathlib import Path

from semelha.deep.cache import sample, statistics
from semelha.deep.network import Network, build, with_statistics
from semelha.deep.plan import plan_feature_extractor
from semelha.deep.publish import write_network
from semelha.deep.settings import TrainingSettings
from semelha.embedders import Model
from semelha.errors import TrainingError, UsageError
from semelha.images import Dataset
from semelha.metrics import Cosine

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

    The pictures serve to choose the network, if it is not given, and the mean and standard deviation of the pixels,
    if there are no pretrained weights. The card therefore lists no class and no picture as trained on.

    Parameters
    ----------
    dataset : Dataset
    out : Path
        Must not exist.
    network : Network, optional
        Its `dim` is ignored: it is that of the features. Chosen from the pictures by default.
    settings : TrainingSettings, optional
        They replace fields of the network: backbone, pretrained, size, channels, pooling.
    seed : int
        Draws random weights, and the sample of pictures.

    Raises
    ------
    DatasetError, TrainingError, UsageError, BackboneError, PretrainedUnavailable
    """
    if out.exists():
        raise TrainingError(f"{out} exists already: choose another place for the model, or remove it")
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
