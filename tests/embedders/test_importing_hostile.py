"""Files that must not be imported: each is refused with one sentence, and nothing is left behind."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, external_data_helper, helper
from tests.foreign_graph import network, write

from semelha import import_model
from semelha.embedders import trial
from semelha.errors import ModelError, SemelhaError

FLOAT = TensorProto.FLOAT
PIXELS: dict[str, tuple[int, list | None]] = {"pixels": (FLOAT, ["n", 3, 16, 16])}
VECTORS: dict[str, tuple[int, list | None]] = {"embedding": (FLOAT, ["n", 8])}


def altered(change: Callable[[onnx.ModelProto], None]) -> Callable[[Path], object]:
    """A good network whose file was changed."""

    def make(path: Path) -> None:
        model = onnx.load(network(path))
        change(model)
        path.write_bytes(model.SerializeToString())

    return make


def nodes(*those: Any, constants: dict[str, np.ndarray] | None = None, **more: Any) -> Callable[[Path], object]:
    """A good network, and nodes from "projected" or "flat" to the output "embedding"."""
    return lambda path: network(path, gives={"embedding": ""}, more=[*those], constants=constants, **more)


def graph(*those: Any, inputs: Any = None, outputs: Any = None, **more: Any) -> Callable[[Path], object]:
    return lambda path: write(path, [*those], inputs=inputs or PIXELS, outputs=outputs or VECTORS, **more)


def external(path: Path) -> None:
    model = onnx.load(network(path))
    external_data_helper.convert_model_to_external_data(model, location="weights.bin", size_threshold=0)
    path.write_bytes(model.SerializeToString())


def loop(path: Path, *condition: Any, constants: dict[str, np.ndarray] | None = None) -> Path:
    """A graph with a loop that does not end if "endless", which these nodes compute, is true."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["yes in"], ["yes out"]), helper.make_node("Add", ["x", "x"], ["twice"])],
        "body",
        [value("turn", TensorProto.INT64, []), value("yes in", TensorProto.BOOL, []), value("x", FLOAT, [])],
        [value("yes out", TensorProto.BOOL, []), value("twice", FLOAT, [])],
    )
    those = [
        *(condition or [node("Identity", ["yes"], "endless")]),
        helper.make_node("Loop", ["", "endless", "zero"], ["last"], body=body),
        helper.make_node("Add", ["projected", "last"], ["embedding"]),
    ]
    constants = {"yes": np.array(True), "zero": np.array(0, np.float32), **(constants or {})}
    return network(path, gives={"embedding": ""}, more=those, constants=constants)


def gigabytes(path: Path) -> Path:
    """A graph of a kilobyte that asks for 4 GB."""
    those = [
        helper.make_node("Expand", ["one", "large"], ["expanded"]),
        helper.make_node("ReduceSum", ["expanded"], ["sum"], keepdims=0),
        helper.make_node("Add", ["projected", "sum"], ["embedding"]),
    ]
    constants = {"one": np.ones((1, 1, 1), np.float32), "large": np.array([1024, 1024, 1024])}
    return network(path, gives={"embedding": ""}, more=those, constants=constants)


def truncated(path: Path) -> None:
    data = network(path).read_bytes()
    path.write_bytes(data[: len(data) // 2])


def sparse(path: Path) -> None:
    """2 GB that take no place on the disk."""
    with path.open("wb") as file:
        file.truncate(1 << 31)


def node(kind: str, inputs: list[str], output: str = "embedding", **attributes: Any) -> Any:
    return helper.make_node(kind, inputs, [output], **attributes)


def set_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 999


FLAT = node("Flatten", ["pixels"])
HOSTILE: dict[str, tuple[Callable[[Path], object], dict[str, Any], str]] = {
    "an empty file": (lambda path: path.touch(), {}, "is empty"),
    "a directory": (lambda path: path.mkdir(), {}, "is no file that can be read"),
    "no file": (lambda path: None, {}, "there is no file"),
    "a pipe": (lambda path: os.mkfifo(path), {}, "is no file that can be read"),
    "a huge file": (sparse, {}, "has more than 2,147,483,647 bytes"),
    "text": (lambda path: path.write_text("no graph " * 99), {}, "is no graph that ONNX Runtime can run"),
    "a picture": (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" * 9), {}, "is no graph that ONNX Runtime can run"),
    "zeros": (lambda path: path.write_bytes(bytes(10_000)), {}, "is no graph that ONNX Runtime can run"),
    "a truncated file": (truncated, {}, "is no graph that ONNX Runtime can run"),
    "external data": (external, {}, "refers to other files, or names something `location`"),
    "a custom operator": (
        nodes(node("Magic", ["projected"], domain="com.example"), domains=("com.example",)),
        {},
        r"com.example:Magic.* is not a registered function",
    ),
    "an unknown operator": (nodes(node("Magic", ["projected"])), {}, "No Op registered for Magic"),
    "a future opset": (altered(set_opset), {}, "Opset 999 is under development"),
    "tokens of text": (
        graph(node("Cast", ["ids"], to=FLOAT), inputs={"ids": (TensorProto.INT64, ["n", 77])}),
        {},
        r"takes ids \(int64\) \[n, 77\], as models of text do",
    ),
    "a model of pictures and text": (
        graph(FLAT, inputs={**PIXELS, "input_ids": (TensorProto.INT64, ["n", 77])}),
        {},
        r"has 2 inputs \(pixels \(float\) \[n, 3, 16, 16\], input_ids \(int64\) \[n, 77\]\)",
    ),
    "bytes of a JPEG": (
        graph(node("Identity", ["s"]), inputs={"s": (TensorProto.STRING, ["n"])},
              outputs={"embedding": (TensorProto.STRING, ["n"])}),
        {},
        r"takes s \(string\)",
    ),
    "no input": (graph(node("Identity", ["c"]), inputs={"c": (FLOAT, [1])}, outputs=VECTORS), {}, r"takes c \(float\)"),
    "three axes": (graph(FLAT, inputs={"pixels": (FLOAT, [3, 16, 16])}), {}, "must take pictures"),
    "a video": (graph(FLAT, inputs={"pixels": (FLOAT, ["n", 3, 8, 16, 16])}), {}, "must take pictures"),
    "four channels": (lambda path: network(path, channels=4), {}, "none of its axes is one of 1 or 3 channels"),
    "four channels, as stated": (lambda path: network(path, channels=4), {"layout": "nchw"}, "takes 4 channels"),
    "a side of 5000": (lambda path: network(path, size=(5000, 16)), {}, "5000 × 16 pixels: at most 4096 each"),
    "a batch of 100,000": (lambda path: network(path, batch=100_000), {}, "no input for pictures: "),
    "a batch of 4000 large pictures": (
        lambda path: network(path, batch=4000, size=(512, 512)),
        {},
        "at most 33,554,432 pixels at a time",
    ),
    "a name of two lines": (
        lambda path: network(path, gives={"label\nout": "labels"}),
        {},
        r"gives no floating-point numbers, but label\\nout",
    ),
    "labels": (lambda path: network(path, gives={"label out": "labels"}), {}, "gives no floating-point numbers"),
    "a feature map": (lambda path: network(path, gives={"out": "map"}), {}, r"an output must be \(n, dim\)"),
    "one number": (
        nodes(node("ReduceMean", ["projected"], axes=[1], keepdims=1)),
        {},
        "gives vectors of 1 numbers: it must be from 2 to 65,536",
    ),
    "a number for each picture": (
        nodes(node("ReduceMean", ["projected"], axes=[1], keepdims=0)),
        {},
        r"an output must be \(n, dim\)",
    ),
    "one vector for all pictures": (
        nodes(node("ReduceMean", ["projected"], axes=[0], keepdims=1), batch=2),
        {},
        r"gives embedding \(1, 8\) for 2 pictures",
    ),
    "a million numbers": (
        nodes(node("Expand", ["pooled", "wide"], "e"), node("Flatten", ["e"]),
              constants={"wide": np.array([1, 1, 1, 20_000])}),
        {},
        "gives vectors of 120000 numbers",
    ),
    "several embeddings": (
        lambda path: network(path, gives={"a": "vectors", "b": "pooled"}),
        {},
        r"gives several outputs, a \(2, 8\) tensor\(float\), b \(2, 6, 1, 1\).*choose one by its name, with output",
    ),
    "tokens": (lambda path: network(path, gives={"t": "tokens"}), {}, "gives tokens, t .*: set first_token"),
    "no tokens": (lambda path: network(path), {"first_token": True}, r"an output must be \(n, tokens, dim\)"),
    "a sequence": (
        lambda path: _sequence(path),
        {},
        "gives no floating-point numbers",
    ),
    "NaN": (
        nodes(node("Abs", ["projected"], "a"), node("Neg", ["a"], "minus"), node("Sqrt", ["minus"])),
        {},
        "not finite",
    ),
    "infinity": (
        nodes(node("Div", ["projected", "zero"]), constants={"zero": np.array(0, np.float32)}),
        {},
        "not finite",
    ),
    "a constant": (
        nodes(node("Mul", ["projected", "zero"], "nothing"), node("Add", ["nothing", "one"]),
              constants={"zero": np.array(0, np.float32), "one": np.array(1, np.float32)}),
        {},
        "gives the same vector for different pictures",
    ),
    "zeros for all": (
        nodes(node("Mul", ["projected", "zero"]), constants={"zero": np.array(0, np.float32)}),
        {},
        "gives the same vector for different pictures",
    ),
    "chance": (
        nodes(node("RandomNormalLike", ["projected"], "r"), node("Add", ["projected", "r"])),
        {},
        "gives different vectors for the same picture",
    ),
    "a batch that is mixed": (
        nodes(node("ReduceMean", ["projected"], "m", axes=[0], keepdims=1), node("Add", ["projected", "m"]), batch=4),
        {},
        "another vector if it is embedded together with others",
    ),
    "a size that the graph cannot take": (
        lambda path: network(path, size=("h", "w")),
        {"size": 1},
        r"cannot embed a blank picture: .*, at 1 × 1 pixels: choose another with size$",
    ),
    "shapes that do not fit": (
        nodes(node("Add", ["projected", "wide"]), constants={"wide": np.zeros((3, 5), np.float32)}),
        {},
        "is no graph that ONNX Runtime can run|cannot embed a blank picture",
    ),
    "gigabytes": (gigabytes, {}, "takes more than 1,024 MB of memory"),
}  # fmt: skip


def _sequence(path: Path) -> None:
    model = onnx.load(network(path))
    model.graph.node.append(helper.make_node("SequenceConstruct", ["projected"], ["list"]))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_sequence_value_info("list", FLOAT, None))
    path.write_bytes(model.SerializeToString())


@pytest.fixture(autouse=True)
def nothing_is_loaded_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph that is refused never ran in this process, which has no limits."""
    monkeypatch.setattr(ort, "InferenceSession", lambda *_, **__: pytest.fail("it was loaded"))


def check_refused(folder: Path, arguments: dict[str, Any], match: str) -> None:
    """One sentence that names the file and the reason, and nothing is written."""
    before = sorted(folder.rglob("*"))
    with pytest.raises(SemelhaError, match=match) as caught:
        import_model(folder / "x.onnx", out=folder / "model", **arguments)
    message = str(caught.value)
    assert type(caught.value) is ModelError
    assert str(folder / "x.onnx") in message
    assert len(message) < 600 + len(str(folder))
    assert len(message.splitlines()) == 1
    assert "onnxruntime_src" not in message
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("kind", HOSTILE)
def test_it_is_refused(kind: str, tmp_path: Path) -> None:
    make, arguments, match = HOSTILE[kind]
    make(tmp_path / "x.onnx")
    check_refused(tmp_path, arguments, match)


def test_a_loop_that_does_not_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop(tmp_path / "x.onnx")
    monkeypatch.setattr(trial, "SECONDS", 1.0)
    start = time.monotonic()
    check_refused(tmp_path, {}, "takes more than 1 s to load and to embed two pictures")
    assert time.monotonic() - start < 30


WHITE = [
    node("ReduceMin", ["pixels"], "darkest", axes=[1, 2, 3], keepdims=0),
    node("ReduceMax", ["darkest"], "lightest", keepdims=0),
    node("Greater", ["lightest", "one"], "endless"),
]
FOUR = [
    node("Shape", ["pixels"], "shape"),
    node("Gather", ["shape", "first"], "count"),
    node("Equal", ["count", "four"], "endless"),
]


@pytest.mark.parametrize("condition", [WHITE, FOUR], ids=["white", "four"])
def test_a_loop_that_does_not_end_for_some_pictures_is_refused(
    condition: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    constants = {"one": np.array(1, np.float32), "first": np.array(0), "four": np.array(4)}
    loop(tmp_path / "x.onnx", *condition, constants=constants)
    monkeypatch.setattr(trial, "SECONDS", 1.0)
    monkeypatch.setattr(trial, "CHECK_RUNS", 1)
    check_refused(tmp_path, {}, "takes more than 1 s to load and to embed four pictures")


def test_a_large_graph_with_a_loop_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has more time, and no more."""
    loop(tmp_path / "x.onnx", constants={"large": np.zeros(10_000_000, np.float32)})
    monkeypatch.setattr(trial, "SECONDS", 1.0)
    check_refused(tmp_path, {}, "takes more than 3 s to load and to embed two pictures")


@pytest.mark.parametrize("name", ["a\x85b", "a\u2028b\rc", "std::bad_alloc allocator MemoryError out of memory"])
def test_names_in_a_graph_do_not_change_the_reason(name: str, tmp_path: Path) -> None:
    wide = helper.make_node("Reshape", ["projected", "wide"], ["embedding"], name=name)
    nodes(wide, constants={"wide": np.array([7, 7])})(tmp_path / "x.onnx")
    check_refused(tmp_path, {}, "cannot embed a blank picture: .*Reshape")


def test_a_graph_that_takes_long_for_a_picture_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Products of large matrices: the work is much, and ends."""
    those = [
        helper.make_node("Expand", ["one", "square"], ["a0"]),
        *(helper.make_node("MatMul", [f"a{at}", f"a{at}"], [f"a{at + 1}"]) for at in range(60)),
        helper.make_node("ReduceMax", ["a60"], ["sum"], keepdims=0),
        helper.make_node("Add", ["projected", "sum"], ["embedding"]),
    ]
    square = {"one": np.zeros((1, 1), np.float32), "square": np.array([3000, 3000])}
    network(tmp_path / "x.onnx", gives={"embedding": ""}, more=those, constants=square)
    monkeypatch.setattr(trial, "SECONDS", 1.0)
    check_refused(tmp_path, {}, "takes more than 1 s to (load|embed)")


def test_where_no_child_process_can_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network(tmp_path / "x.onnx")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    check_refused(tmp_path, {}, r"cannot be tried in a child process \(No such file or directory\)$")


def test_an_output_that_exists_is_left_alone(tmp_path: Path) -> None:
    network(tmp_path / "x.onnx")
    (tmp_path / "model").mkdir()
    with pytest.raises(ModelError, match="exists already"):
        import_model(tmp_path / "x.onnx", out=tmp_path / "model")
    assert not [*(tmp_path / "model").iterdir()]
