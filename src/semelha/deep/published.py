"""Make models of published weights: find the weights, build the network, and export it."""

from __future__ import annotations

from pathlib import Path

from semelha.deep.network import Network, build, with_statistics
from semelha.deep.publish import write_network
from semelha.embedders import Model
from semelha.embedders.published import DEFAULT, PUBLISHED
from semelha.metrics import Cosine


def make_published(name: str, out: Path) -> Model:
    """Write the published model of that name as the model folder `out`: the pooled features of its network.

    Weights that are not on this machine are downloaded. Raises `PretrainedUnavailable`, `BackboneError` or
    `ModelError`.
    """
    published = PUBLISHED[name]
    weights = DEFAULT if name == DEFAULT else True
    network = Network(backbone=published.backbone, channels=3, size=published.size, dim=None, pretrained=weights)
    network = with_statistics(network, (0.5, 0.5))
    return write_network(
        build(network, seed=0),
        network,
        out,
        metric=Cosine(),
        training={"method": "none", "published": name, "license": published.license},
        classes=(),
        content_hashes=(),
        results={},
    )
