"""Export of networks in tests: each architecture is exported once, its weights are exchanged after that."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from unittest.mock import patch

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import nn

import semelha.deep.publish
from semelha.errors import BackboneError

Export = Callable[..., bytes]


class CachedExport:
    """`export_onnx`, with the graph of an equal architecture where there is one.

    The exchanged graph is compared with the network. If they disagree, the network is exported as a user's would be.

    Parameters
    ----------
    folder : Path
        Keeps the graphs, for all workers of a run.
    export : callable
        `semelha.deep.publish.export_onnx`.
    """

    def __init__(self, folder: Path, export: Export) -> None:
        self.folder, self.export = folder, export
        folder.mkdir(exist_ok=True)

    def __call__(self, module: nn.Module, *, channels: int, size: int, name: str) -> bytes:
        shapes = [(key, tuple(value.shape)) for key, value in module.state_dict().items()]
        key = sha256(repr((str(module), shapes, channels, size)).encode()).hexdigest()
        file = self.folder / key
        if not file.exists():
            try:
                with patch("torch.onnx.export", partial(torch.onnx.export, optimize=False)):
                    graph = self.export(module, channels=channels, size=size, name=name)
            except BackboneError:  # without optimization, a value may have the name of a buffer, such as `mean`
                return self.export(module, channels=channels, size=size, name=name)
            own = file.with_suffix(f".{os.getpid()}")
            own.write_bytes(graph)
            own.replace(file)
            return graph
        data = exchanged(file.read_bytes(), module)
        if agrees(data, module, channels, size):
            return data
        return self.export(module, channels=channels, size=size, name=name)


def exchanged(graph: bytes, module: nn.Module) -> bytes:
    """The graph with the tensors of `module` in the places of those with the same names."""
    model, state = onnx.load_from_string(graph), module.state_dict()
    for tensor in model.graph.initializer:
        if tensor.name in state:
            tensor.CopyFrom(numpy_helper.from_array(state[tensor.name].cpu().numpy(), tensor.name))
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def agrees(data: bytes, module: nn.Module, channels: int, size: int) -> bool:
    """Whether graph and network give the same vectors for five random pictures."""
    pixels = np.random.default_rng(0).integers(0, 256, (5, channels, size, size), np.uint8)
    (found,) = onnxruntime.InferenceSession(data).run(None, {"pixels": pixels})
    was = module.training
    with torch.inference_mode():
        expected = module.eval()(torch.from_numpy(pixels)).numpy()
    module.train(was)
    return np.allclose(found, expected, rtol=0, atol=1e-4)


@pytest.fixture(scope="session", autouse=True)
def cached_exports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """For the tests of a folder whose `conftest.py` imports it. Tests of the export itself call it directly."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base  # one folder for all workers
    export = CachedExport(shared / "exports", semelha.deep.publish.export_onnx)
    with patch("semelha.deep.publish.export_onnx", export), patch("semelha.deep.train.export_onnx", export):
        yield
