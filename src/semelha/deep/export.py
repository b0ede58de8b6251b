"""Export of a network to ONNX, checked against the output of torch."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import numpy as np
import onnxruntime as ort
import torch
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from torch import nn

from semelha.errors import BackboneError

TOLERANCE = 1e-4


def export_onnx(module: nn.Module, *, channels: int, size: int, name: str) -> bytes:
    """Export `module`, and compare the outputs of ONNX Runtime and torch for batches of 1, 2 and 5 pictures.

    Parameters
    ----------
    module : nn.Module
        From (n, channels, size, size) uint8 to (n, dim) float32; on the CPU. Its mode is restored.
    channels, size : int
    name : str
        Name in error messages.

    Returns
    -------
    bytes
        The graph with its weights and a dynamic batch size, from "pixels" to "embedding".

    Raises
    ------
    BackboneError
        The module has an operation that ONNX lacks, or an output differs by more than 1e-4.
    """
    was = module.training
    module.eval()
    try:
        with _silence():
            data = _export(module, channels, size)
        apart = _difference(module, data, channels, size)
    except Exception as error:  # the exporter and the runtime raise many kinds
        raise BackboneError(f"{name} at {size} pixels cannot be exported to ONNX: {_root_cause(error)}") from error
    finally:
        module.train(was)
    if not apart <= TOLERANCE:
        raise BackboneError(f"{name} at {size} pixels gives other vectors as ONNX than in torch (by {apart:.1e})")
    return data


def _export(module: nn.Module, channels: int, size: int) -> bytes:
    program = torch.onnx.export(
        module,
        (torch.zeros(2, channels, size, size, dtype=torch.uint8),),
        input_names=["pixels"],
        output_names=["embedding"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    assert program is not None
    ClearMetadataAndDocStringPass()(program.model)  # stack traces, with the paths of this machine
    data: bytes = program.model_proto.SerializeToString(deterministic=True)
    return data


def _difference(module: nn.Module, data: bytes, channels: int, size: int) -> float:
    """The largest absolute difference of the outputs; NaN if one is NaN."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    largest = []
    for batch in (1, 2, 5):
        pixels = random.integers(0, 256, (batch, channels, size, size), np.uint8)
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
