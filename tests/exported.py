"""Quick export of networks in tests, by tracing.

The exporter of the package takes 5 to 15 seconds for each network. `test_export.py`, `test_backbones.py` and the model
of `test_train.py` use it; the other tests only need a graph that gives the vectors of their network.
"""

import io
import warnings
from collections.abc import Callable, Iterator
from unittest.mock import patch

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

import semelha.deep.publish

Export = Callable[..., bytes]


def quick_export(export: Export) -> Export:
    """`export_onnx` by tracing. If its graph and the network disagree, `export` is called instead."""

    def export_quickly(module: nn.Module, *, channels: int, size: int, name: str) -> bytes:
        is_training = module.training
        try:
            data = traced_graph(module.eval(), channels, size)
            if largest_difference(data, module, channels, size) <= semelha.deep.publish.TOLERANCE:
                return data
        except Exception:  # such as an operation that tracing does not know: `export` has the message for the user
            pass
        finally:
            module.train(is_training)
        return export(module, channels=channels, size=size, name=name)

    return export_quickly


def traced_graph(module: nn.Module, channels: int, size: int) -> bytes:
    """The graph of the TorchScript exporter, with a dynamic batch size."""
    graph = io.BytesIO()
    with (
        patch("torch.nn.functional.adaptive_avg_pool2d", adaptive_average),
        warnings.catch_warnings(),
        torch.random.fork_rng(devices=[]),
    ):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (torch.zeros(2, channels, size, size, dtype=torch.uint8),),
            graph,
            input_names=["pixels"],
            output_names=["embedding"],
            dynamic_axes={"pixels": {0: "batch"}, "embedding": {0: "batch"}},
            dynamo=False,
        )
    return graph.getvalue()


def adaptive_average(x: Tensor, side: int) -> Tensor:
    """`adaptive_avg_pool2d` as two products, because the TorchScript exporter lacks it for most sizes."""
    rows, columns = (averages(int(length), side) for length in x.shape[2:])
    return rows @ x @ columns.T


def averages(length: int, side: int) -> Tensor:
    """(side, length): each row averages one of `side` regions."""
    matrix = torch.zeros(side, length)
    for region in range(side):
        first, end = region * length // side, -(-(region + 1) * length // side)
        matrix[region, first:end] = 1 / (end - first)
    return matrix


def largest_difference(data: bytes, module: nn.Module, channels: int, size: int) -> float:
    """The largest difference of the vectors of graph and network, for batches of 1 and 5 random pictures."""
    session = onnxruntime.InferenceSession(data)
    pixels = np.random.default_rng(0).integers(0, 256, (5, channels, size, size), np.uint8)
    with torch.inference_mode():
        pairs = [
            (session.run(None, {"pixels": batch})[0], module(torch.from_numpy(batch)).numpy())
            for batch in (pixels[:1], pixels)
        ]
    return float(np.max([np.abs(found - expected).max() for found, expected in pairs]))  # NaN if one is NaN


@pytest.fixture(scope="session", autouse=True)
def quick_exports() -> Iterator[None]:
    """For the tests of a folder whose `conftest.py` imports it."""
    export = quick_export(semelha.deep.publish.export_onnx)
    with patch("semelha.deep.publish.export_onnx", export), patch("semelha.deep.train.export_onnx", export):
        yield
