"""Graphs from strangers: tried in a child process with limits, once; models of our own are not tried."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.tiny_model import noise, tiny_model

from semelha import Gallery, load_embedder
from semelha.embedders import Card, InputSpec, trial
from semelha.embedders.folder import write_folder
from semelha.errors import ModelAltered, ModelError

SIDE, DIM = 16, 8


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user who has tried nothing yet."""
    monkeypatch.setenv("SEMELHA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tried-models"


def stranger(folder: Path, nodes: list, constants: dict[str, np.ndarray]) -> Path:
    """A model folder with correct checksums whose graph nobody has run."""
    graph = helper.make_graph(
        nodes,
        "stranger",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", DIM])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    card = Card.draft(
        name="stranger",
        input=InputSpec(height=SIDE, width=SIDE, channels=1),
        dim=DIM,
        metric={"name": "cosine"},
        training={},
        classes=(),
        content_hashes=(),
        results={},
    )
    write_folder(folder, card=card, onnx=model.SerializeToString(), weights={})
    return folder


def embedding_plus(name: str) -> list:
    """Nodes that make the embedding of the first pixels, and of a number that the graph computes."""
    return [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["float"], ["flat"], axis=1),
        helper.make_node("Slice", ["flat", "from", "to", "axis"], ["first"]),
        helper.make_node("Add", ["first", name], ["embedding"]),
    ]


SLICE = {"from": np.array([0]), "to": np.array([DIM]), "axis": np.array([1])}


def gigabytes(folder: Path, operator: str) -> Path:
    """A graph of a kilobyte that asks for 2 GB."""
    size = np.array([512, 1024, 1024], np.int64)
    if operator == "ConstantOfShape":
        nodes = [helper.make_node("ConstantOfShape", ["size"], ["large"])]
    else:
        nodes = [helper.make_node("Expand", ["one", "size"], ["large"])]
    nodes += [helper.make_node("ReduceSum", ["large"], ["sum"], keepdims=0), *embedding_plus("sum")]
    return stranger(folder, nodes, {"size": size, "one": np.ones((1, 1, 1), np.float32), **SLICE})


def endless(folder: Path) -> Path:
    """A graph with a loop that does not end."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["condition"], ["goes_on"]),
            helper.make_node("Add", ["number", "number"], ["twice"]),
        ],
        "body",
        [value("turn", TensorProto.INT64, []), value("condition", TensorProto.BOOL, []), value("number", 1, [])],
        [value("goes_on", TensorProto.BOOL, []), value("twice", 1, [])],
    )
    nodes = [helper.make_node("Loop", ["", "yes", "zero"], ["last"], body=body), *embedding_plus("last")]
    return stranger(folder, nodes, {"yes": np.array(True), "zero": np.array(0, np.float32), **SLICE})


@pytest.mark.parametrize("operator", ["ConstantOfShape", "Expand"])
def test_a_small_graph_that_asks_for_gigabytes_is_refused(operator: str, tmp_path: Path) -> None:
    folder = gigabytes(tmp_path / "model", operator)
    start = time.monotonic()
    with pytest.raises(ModelError, match=r"model takes more than 1,024 MB of memory to load"):
        load_embedder(folder)
    assert time.monotonic() - start < 20


def test_a_graph_that_does_not_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = endless(tmp_path / "model")
    monkeypatch.setattr(trial, "SECONDS", 1.0)
    start = time.monotonic()
    with pytest.raises(ModelError, match=r"model takes more than 1 s to load and to embed two pictures"):
        load_embedder(folder)
    assert time.monotonic() - start < 20
    with pytest.raises(ModelError, match="takes more than"):
        Gallery.create(tmp_path / "gallery", folder)
    assert not (tmp_path / "gallery").exists()


def test_a_model_from_a_stranger_is_tried_once(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = embedding_plus("nothing")
    folder = stranger(tmp_path / "model", nodes, {"nothing": np.zeros(DIM, np.float32), **SLICE})
    model = load_embedder(folder)
    assert model.embed(noise(0)).shape == (1, DIM)
    assert [each.name for each in cache.iterdir()] == [model.fingerprint]
    monkeypatch.setattr(trial, "RUNNER", None)  # another trial would fail
    load_embedder(folder)
    with Gallery.create(tmp_path / "gallery", folder):
        pass
    Gallery(tmp_path / "gallery").close()


def test_models_that_were_written_here_are_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "RUNNER", None)
    tiny_model(tmp_path / "model")
    load_embedder(tmp_path / "model")


def test_a_trusted_model_is_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "RUNNER", None)
    nodes = embedding_plus("nothing")
    folder = stranger(tmp_path / "model", nodes, {"nothing": np.zeros(DIM, np.float32), **SLICE})
    with pytest.raises(AttributeError):
        load_embedder(folder)
    load_embedder(folder, trusted=True)
    load_embedder(folder)


def test_without_a_cache_a_model_is_tried_each_time(tmp_path: Path, cache: Path) -> None:
    cache.parent.write_text("a file in the place of the folder")
    nodes = embedding_plus("nothing")
    folder = stranger(tmp_path / "model", nodes, {"nothing": np.zeros(DIM, np.float32), **SLICE})
    for _ in range(2):
        assert load_embedder(folder).dim == DIM


def test_a_graph_that_cannot_run_is_named_by_its_folder(tmp_path: Path) -> None:
    folder = stranger(tmp_path / "model", embedding_plus("wide"), {"wide": np.zeros((3, DIM), np.float32), **SLICE})
    with pytest.raises(ModelAltered, match=r"model cannot embed a blank picture: \w+"):
        load_embedder(folder)


def test_where_no_child_process_can_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = embedding_plus("nothing")
    folder = stranger(tmp_path / "model", nodes, {"nothing": np.zeros(DIM, np.float32), **SLICE})
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    with pytest.raises(ModelError, match=r"cannot be tried in a child process .* load_embedder\(…, trusted=True\)"):
        load_embedder(folder)


def test_limits_are_those_of_this_process_if_they_are_lower() -> None:
    resource = pytest.importorskip("resource")
    program = (
        "import resource; from semelha.embedders.trial_runner import limit\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (50, 50)); limit(100.0, 1 << 30)\n"
        "print(*resource.getrlimit(resource.RLIMIT_CPU), resource.getrlimit(resource.RLIMIT_AS)[0])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.split()[:2] == ["50", "50"]
    assert int(ended.stdout.split()[2]) != resource.RLIM_INFINITY or not Path("/proc/self/statm").exists()


def test_a_child_that_the_system_ends_took_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killer = tmp_path / "runner.py"
    killer.write_text("import os; os.kill(os.getpid(), 9)")
    monkeypatch.setattr(trial, "RUNNER", killer)
    with pytest.raises(ModelError, match=r"x takes more than 30 s or 1,030 MB of memory to load$"):
        trial.try_graph(bytes(1 << 20), None, "x")
