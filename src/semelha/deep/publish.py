"""Write a network as a model folder: the ONNX graph, the weights and the card."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from semelha.deep.cache import PixelCache
from semelha.deep.export import export_onnx
from semelha.deep.loop import Trained
from semelha.deep.network import EmbeddingNet, Network
from semelha.deep.readout import MultiLayerNet
from semelha.deep.recipe import Recipe
from semelha.embedders import METRIC, Card, Model, write_model
from semelha.metrics import Metric


def publish(
    built: EmbeddingNet | MultiLayerNet,
    network: Network,
    out: Path,
    *,
    cache: PixelCache,
    trained: Trained,
    recipe: Recipe,
    seed: int,
    teacher: Model | None = None,
) -> Model:
    """Write a trained network as the model folder `out`. The classes and pictures of a teacher are in its card too."""
    return write_network(
        built,
        network,
        out,
        metric=trained.metric,
        training={
            **recipe.as_card(),
            "teacher": {"name": teacher.card.name, "fingerprint": teacher.fingerprint} if teacher else None,
            "seed": seed,
            "data": cache.dataset.name,
            "pictures": len(cache.dataset),
            "skipped": len(cache.dataset.skipped),
            "steps_taken": trained.steps,
            "seconds": round(trained.seconds, 1),
        },
        classes=filter(None, cache.dataset.classes),
        content_hashes=cache.hashes,
        based_on=[teacher.card] if teacher else [],
        results={} if trained.score is None else {"r_at_1_on_held_out_classes": round(trained.score, 4)},
    )


def write_network(
    built: EmbeddingNet | MultiLayerNet,
    network: Network,
    out: Path,
    *,
    metric: Metric,
    training: dict[str, Any],
    classes: Iterable[str],
    content_hashes: Sequence[str],
    results: dict[str, Any],
    based_on: Sequence[Card] = (),
) -> Model:
    """Write the network `built`, with the fields of its card, as the model folder `out`."""
    built.eval()
    onnx = export_onnx(built, channels=network.channels, size=network.size, name=network.backbone)
    mean, std = network.statistics()
    card = Card.draft(
        name=out.name,
        input=network.input_spec(),
        mean=mean,
        std=std,
        dim=built.dim,
        metric={"name": metric.name, **metric.parameters()},
        network=network.as_card(),
        training={**training, "torch": torch.__version__},
        classes=classes,
        content_hashes=content_hashes,
        based_on=based_on,
        results=results,
    )
    weights = {name: tensor.numpy() for name, tensor in built.state_dict().items()}
    learned = {METRIC + name: array for name, array in metric.arrays().items()}
    return write_model(out, card=card, onnx=onnx, weights=weights | learned)
