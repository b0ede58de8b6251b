"""A network as one ONNX file, checked against the network itself."""

from __future__ import annotations

import io
import logging
import warnings
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import onnxruntime as ort
import torch
from torch import nn

from semelha.errors import BackboneError

TOLERANCE = 1e-4


def export_onnx(module: nn.Module, *, channels: int, size: int, name: str) -> bytes:
    """Export `module` and compare what ONNX Runtime makes of it with what torch does, for batches of 1, 2 and 5.

    Parameters
    ----------
    module : nn.Module
        From (n, channels, size, size) uint8 to (n, dim) float32.
    channels, size : int
    name : str
        What an error calls it.

    Returns
    -------
    bytes
        The graph with its weights inside and a free batch size.

    Raises
    ------
    BackboneError
        The module has an operation that ONNX has not, or the graph gives other vectors (by more than 1e-4).
    """
    was = module.training
    module.eval()
    try:
        data = _export(module, channels, size)
        apart = _difference(module, data, channels, size)
    except BackboneError:
        raise
    except Exception as error:  # the exporter and the runtime raise many kinds
        cause = str(error).strip().splitlines()
        raise BackboneError(
            f"{name} at {size} pixels cannot be exported to ONNX: {cause[0] if cause else type(error).__name__}"
        ) from error
    finally:
        module.train(was)
    if not apart <= TOLERANCE:
        raise BackboneError(f"{name} exported to ONNX gives other vectors than in torch (by {apart:.1e})")
    return data


def _export(module: nn.Module, channels: int, size: int) -> bytes:
    example = torch.zeros(2, channels, size, size, dtype=torch.uint8)
    file = io.BytesIO()
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")  # what the exporter says of itself
            program = torch.onnx.export(
                module,
                (example,),
                input_names=["pixels"],
                output_names=["embedding"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
            if program is None:
                raise BackboneError("the exporter gave nothing")
            program.save(file)
    finally:
        logging.disable(level)
    return file.getvalue()


def _difference(module: nn.Module, data: bytes, channels: int, size: int) -> float:
    """The largest difference of any number of any vector, vectors being of length 1."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    largest = 0.0
    for batch in (1, 2, 5):
        pixels = random.integers(0, 256, (batch, channels, size, size), np.uint8)
        with torch.inference_mode():
            expected = module(torch.from_numpy(pixels)).numpy()
        (found,) = session.run(None, {"pixels": pixels})
        largest = max(largest, float(np.abs(found - expected).max()))
    return largest
