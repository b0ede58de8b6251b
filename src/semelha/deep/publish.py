"""Write a network as a model folder: the weights, the card, and the ONNX graph."""

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
from semelha.deep.stages import StageNet
from semelha.embedders import METRIC, Card, Model, write_model
from semelha.metrics import Metric


def publish(
    built: EmbeddingNet | MultiLayerNet | StageNet,
    network: Network,
    out: Path,
    *,
    cache: PixelCache,
    trained: Trained,
    recipe: Recipe,
    seed: int,
    teacher: Model | None = None,
    from_model: Model | None = None,
) -> Model:
    """Write a trained network as the model folder `out`.

    The classes and pictures of a teacher, and of the model whose training went on, are in its card too.
    """
    return write_network(
        built,
        network,
        out,
        metric=trained.metric,
        training={
            **recipe.as_card(),
            "teacher": _provenance(teacher) if teacher else None,
            **({"from_model": _provenance(from_model)} if from_model else {}),
            "seed": seed,
            "data": cache.dataset.name,
            "pictures": len(cache.dataset),
            "skipped": len(cache.dataset.skipped),
            "steps_taken": trained.steps,
            "seconds": round(trained.seconds, 1),
        },
        classes=filter(None, cache.dataset.classes),
        content_hashes=cache.hashes,
        based_on=[model.card for model in (teacher, from_model) if model],
        results={} if trained.score is None else {"r_at_1_on_held_out_classes": round(trained.score, 4)},
    )


def _provenance(model: Model) -> dict[str, str]:
    return {"name": model.card.name, "fingerprint": model.fingerprint}


def write_network(
    built: EmbeddingNet | MultiLayerNet | StageNet,
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
