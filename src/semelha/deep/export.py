"""Networks as ONNX graphs, checked against torch, and run by ONNX Runtime."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress

import numpy as np
import onnx
import onnx_ir
import onnxruntime as ort
import torch
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from torch import nn

from semelha.embedders import Card, InputSpec
from semelha.embedders.extractors import GraphExtractor
from semelha.errors import BackboneError

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


def in_onnx_runtime(module: nn.Module, spec: InputSpec, *, name: str) -> GraphExtractor:
    """`module`, (n, channels, size, size) uint8 → (n, dim) float32, run by ONNX Runtime. Raises as `export_onnx`."""
    with torch.inference_mode():
        dim = module(torch.zeros(2, spec.channels, spec.height, spec.width, dtype=torch.uint8)).shape[1]
    graph = export_onnx(module, channels=spec.channels, size=spec.height, name=name)
    card = Card.draft(
        name=name,
        input=spec,
        dim=dim,
        metric={"name": "cosine"},
        training={},
        classes=(),
        content_hashes=(),
        results={},
    )
    return GraphExtractor(graph, card, name=name)


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
