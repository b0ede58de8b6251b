"""Make models of published weights: build the network, and export it."""

from __future__ import annotations

from pathlib import Path

from semelha.deep.network import Network, build, with_statistics
from semelha.deep.publish import write_network
from semelha.embedders import Model
from semelha.embedders.published import DEFAULT, PUBLISHED
from semelha.embedders.weight_files import sha256
from semelha.metrics import Cosine


def make_published(name: str, weights: Path, out: Path) -> Model:
    """Write the published model of that name as the model folder `out`: the pooled features of its network.

    `weights` is their file. Raises `BackboneError` or `ModelError`.
    """
    published = PUBLISHED[name]
    source = DEFAULT if name == DEFAULT else str(weights)
    network = Network(backbone=published.backbone, channels=3, size=published.size, dim=None, pretrained=source)
    network = with_statistics(network, (0.5, 0.5))
    return write_network(
        build(network, seed=0),
        network,
        out,
        metric=Cosine(),
        training={"method": "none", "published": name, "license": published.license, "weights": sha256(weights)},
        classes=(),
        content_hashes=(),
        results={},
    )
