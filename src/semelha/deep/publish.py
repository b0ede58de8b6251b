"""Write a network as a model folder: the weights, the card, and the ONNX graph, checked against torch."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir
import onnxruntime as ort
import torch
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from torch import nn

from semelha.deep.cache import PixelCache
from semelha.deep.loop import Trained
from semelha.deep.network import EmbeddingNet, Network
from semelha.deep.readout import MultiLayerNet
from semelha.deep.recipe import Recipe
from semelha.deep.stages import StageNet
from semelha.embedders import METRIC, Card, Model, write_model
from semelha.errors import BackboneError
from semelha.metrics import Metric

TOLERANCE = 1e-4
OPSET = 18
"""Version of the operations of ONNX: fixed, so that versions of torch export the same graph."""


def export_onnx(module: nn.Module, *, channels: int, size: int, name: str) -> bytes:
    """Export `module`, (n, channels, size, size) uint8 → (n, dim) float32, with its weights and a dynamic batch size.

    `name` is for messages. Raises `BackboneError` if the module has an operation that ONNX lacks, or if an output of
    ONNX Runtime for 1, 2 or 5 pictures differs from that of torch by more than 1e-4.
    """
    was = module.training
    module.eval()
    try:
        with _silence(), suppress(Exception):  # that of torch.export has the better messages
            data = _traced(module, channels, size)
            if _difference(module, data, channels, size) <= TOLERANCE:
                return data
        with _silence():
            data = _exported(module, channels, size)
        apart = _difference(module, data, channels, size)
    except Exception as error:  # the exporter and the runtime raise many kinds
        raise BackboneError(f"{name} at {size} pixels cannot be exported to ONNX: {_root_cause(error)}") from error
    finally:
        module.train(was)
    if not apart <= TOLERANCE:
        raise BackboneError(f"{name} at {size} pixels gives other vectors as ONNX than in torch (by {apart:.1e})")
    return data


def _traced(module: nn.Module, channels: int, size: int) -> bytes:
    """The graph of the TorchScript exporter, which takes a second where that of torch.export takes ten."""
    file = io.BytesIO()
    with torch.random.fork_rng(devices=[]):
        torch.onnx.export(
            module,
            (torch.zeros(2, channels, size, size, dtype=torch.uint8),),
            file,  # type: ignore[arg-type]  # it takes open files too
            input_names=["pixels"],
            output_names=["embedding"],
            dynamic_axes={"pixels": {0: "batch"}, "embedding": {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )
    return _serialized(onnx_ir.from_proto(onnx.load_model_from_string(file.getvalue())))


def _exported(module: nn.Module, channels: int, size: int) -> bytes:
    """The graph of the exporter of torch.export, which knows more operations."""
    program = torch.onnx.export(
        module,
        (torch.zeros(2, channels, size, size, dtype=torch.uint8),),
        input_names=["pixels"],
        output_names=["embedding"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    assert program is not None
    return _serialized(program.model)


def _serialized(model: onnx_ir.Model) -> bytes:
    """A graph without stack traces, which have the paths of this machine, and without the version of torch."""
    ClearMetadataAndDocStringPass()(model)
    model.producer_version = None
    data: bytes = onnx_ir.to_proto(model).SerializeToString(deterministic=True)
    return data


def _difference(module: nn.Module, data: bytes, channels: int, size: int) -> float:
    """The largest absolute difference of the outputs for dark, bright and other pictures; NaN if one is NaN."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    largest = []
    for batch, low, high in ((1, 0, 64), (2, 0, 256), (5, 192, 256)):
        pixels = random.integers(low, high, (batch, channels, size, size), np.uint8)
        (found,) = session.run(None, {"pixels": pixels})
        with torch.inference_mode():
            largest.append((torch.from_numpy(found) - module(torch.from_numpy(pixels))).abs().max())
    return float(torch.stack(largest).max())


@contextmanager
def _silence() -> Iterator[None]:
    """Suppress prints, logs and warnings of the exporter."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _root_cause(error: BaseException) -> str:
    """The message of the first error of the chain, which names the operation."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


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
