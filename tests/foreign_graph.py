"""ONNX files as other programs write them: small networks with the inputs and outputs of well-known ones."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}
FEATURES = 6


def write(
    path: Path,
    nodes: list,
    *,
    inputs: dict[str, tuple[int, list | None]],
    outputs: dict[str, tuple[int, list | None]],
    constants: dict[str, np.ndarray] | None = None,
    metadata: dict[str, str] | None = None,
    domains: tuple[str, ...] = (),
) -> Path:
    """Write a graph of these nodes; inputs and outputs by name, with type and shape."""
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info(name, *each) for name, each in inputs.items()],
        [helper.make_tensor_value_info(name, *each) for name, each in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(domain, 1) for domain in domains)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    if metadata:
        helper.set_model_props(model, metadata)
    path.write_bytes(model.SerializeToString())
    return path


def network(
    path: Path,
    *,
    size: tuple[Any, Any] = (16, 16),
    channels: Any = 3,
    axis: Any = None,
    batch: Any = "n",
    layout: str = "nchw",
    dtype: str = "float32",
    gives: dict[str, str] | None = None,
    dim: int = 8,
    metadata: dict[str, str] | None = None,
    more: list | None = None,
    constants: dict[str, np.ndarray] | None = None,
    domains: tuple[str, ...] = (),
    seed: int = 0,
) -> Path:
    """A convolution, a mean over places and a projection.

    `gives` names what each output is: "vectors" (n, dim), "tokens" (n, tokens, 6) whose first is the mean, "map"
    (n, 6, h, w), "pooled" (n, 6, 1, 1), "half" as vectors in float16 or "labels" (n,) int64. `axis` is what the axis of
    channels is called, `more` nodes that follow.
    """
    gives = gives or {"embedding": "vectors"}
    rng = np.random.default_rng(seed)
    tensors = {
        "kernel": rng.normal(size=(FEATURES, channels, 3, 3)).astype(np.float32),
        "bias": rng.normal(size=FEATURES).astype(np.float32),
        "w": rng.normal(size=(FEATURES, dim)).astype(np.float32),
        "flat shape": np.array([0, FEATURES, -1]),
        **(constants or {}),
    }
    made = {
        "vectors": ("projected", TensorProto.FLOAT, [batch, dim]),
        "tokens": ("all tokens", TensorProto.FLOAT, [batch, "tokens", FEATURES]),
        "map": ("map", TensorProto.FLOAT, [batch, FEATURES, "rows", "columns"]),
        "pooled": ("pooled", TensorProto.FLOAT, [batch, FEATURES, 1, 1]),
        "half": ("halved", TensorProto.FLOAT16, [batch, dim]),
        "labels": ("label", TensorProto.INT64, [batch]),
    }
    nodes = [helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT)]
    if layout == "nhwc":
        nodes.append(helper.make_node("Transpose", ["float"], ["channels first"], perm=[0, 3, 1, 2]))
    nodes += [
        helper.make_node("Conv", [nodes[-1].output[0], "kernel", "bias"], ["map"], strides=[4, 4]),
        helper.make_node("GlobalAveragePool", ["map"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["projected"]),
        helper.make_node("Cast", ["projected"], ["halved"], to=TensorProto.FLOAT16),
        helper.make_node("ArgMax", ["flat"], ["label"], axis=1, keepdims=0),
        helper.make_node("Reshape", ["map", "flat shape"], ["places"]),
        helper.make_node("Reshape", ["pooled", "flat shape"], ["mean place"]),
        helper.make_node("Concat", ["mean place", "places"], ["joined"], axis=2),
        helper.make_node("Transpose", ["joined"], ["all tokens"], perm=[0, 2, 1]),
        *(more or []),
        *(helper.make_node("Identity", [made[kind][0]], [name]) for name, kind in gives.items() if kind in made),
    ]
    axes = [*size, axis or channels] if layout == "nhwc" else [axis or channels, *size]
    return write(
        path,
        nodes,
        inputs={"pixels": (TYPES[dtype], [batch, *axes])},
        outputs={name: made.get(kind, ("", TensorProto.FLOAT, None))[1:] for name, kind in gives.items()},
        constants=tensors,
        metadata=metadata,
        domains=domains,
    )


def run_by_hand(path: Path, pixels: np.ndarray, output: str = "embedding") -> np.ndarray:
    """What ONNX Runtime gives for an input."""
    session = ort.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run([output], {session.get_inputs()[0].name: pixels})[0]
    return found
