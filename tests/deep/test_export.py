"""The graph gives the vectors of the network for any batch, in one file; what cannot be exported says why."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn

from semelha.deep import Augmentation
from semelha.deep.export import TOLERANCE, export_onnx
from semelha.deep.network import Network, build
from semelha.deep.readout import fit_layer_readout
from semelha.errors import BackboneError


class Function(nn.Module):
    """A network of one function."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x.float().flatten(1) / 255)


def from_layers(network: Network) -> nn.Module:
    pixels = np.random.default_rng(0).integers(0, 256, (20, network.channels, network.size, network.size), np.uint8)
    return fit_layer_readout(build(network, seed=0), pixels, 8, augmentation=Augmentation(), seed=0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: build(Network(backbone="small", channels=3, size=32, dim=8, pooling="gem"), seed=0),
        lambda: build(Network(backbone="medium", channels=3, size=32, dim=8, pooling="grid", head="simplex"), seed=0),
        lambda: from_layers(Network(channels=3, size=32, dim=8, readout="layers")),
    ],
    ids=["gem", "grid and simplex", "readout of layers"],
)
def test_graph_gives_the_vectors_of_the_network_for_any_batch(make: Callable[[], nn.Module]) -> None:
    network = make()
    data = export_onnx(network, channels=3, size=32, name="it")
    network.eval()
    session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
    for batch in (1, 3, 64):
        pixels = np.random.default_rng(0).integers(0, 256, (batch, 3, 32, 32), np.uint8)
        (found,) = session.run(["embedding"], {"pixels": pixels})
        with torch.inference_mode():
            expected = network(torch.from_numpy(pixels)).numpy()
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_graph_is_whole_and_says_nothing_of_this_machine(capfd: pytest.CaptureFixture[str]) -> None:
    """No tensor lies in another file, and the exporter's chatter stays inside."""
    data = export_onnx(Function(lambda x: x), channels=1, size=8, name="it")
    graph = onnx.load_from_string(data)
    assert all(t.data_location == onnx.TensorProto.DEFAULT for t in graph.graph.initializer)
    assert Path(__file__).name.encode() not in data
    assert capfd.readouterr() == ("", "")


def test_module_and_logging_are_left_as_they_were() -> None:
    module = Function(lambda x: x).train()
    export_onnx(module, channels=1, size=8, name="it")
    assert module.training
    assert logging.root.manager.disable == logging.NOTSET


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (torch.special.bessel_j0, "bessel_j0"),
        (lambda x: x * 2 if x.mean() > 0.5 else x, "data-dependent"),
        (lambda x: torch.stack(list(x)), "invalid dimensions for input: pixels"),
        (lambda x: x + torch.rand(1), "other vectors as ONNX than in torch"),
        (lambda x: x / x.sum().mul(0), "other vectors as ONNX than in torch"),
    ],
    ids=["unknown operation", "branch", "fixed batch", "random", "not a number"],
)
def test_what_cannot_be_exported_is_refused_with_the_reason(function: Callable[[Tensor], Tensor], reason: str) -> None:
    with pytest.raises(BackboneError, match=f"^it at 8 pixels .*{reason}"):
        export_onnx(Function(function), channels=1, size=8, name="it")


def test_same_network_gives_the_same_bytes() -> None:
    """So that its fingerprint is the same wherever it was made."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8))
    one, other = (export_onnx(Function(layers), channels=1, size=8, name="it") for _ in range(2))
    assert one == other


def test_tolerance_is_what_the_model_folder_promises() -> None:
    assert TOLERANCE == 1e-4
