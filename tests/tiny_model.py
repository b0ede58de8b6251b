"""A model folder made in a moment, without torch: a random projection of the pixels, of unit length."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from semelha.embedders import Card, InputSpec, Model, write_model


def tiny_model(
    folder: Path,
    *,
    seed: int = 0,
    dim: int = 8,
    size: int = 16,
    channels: int = 1,
    classes: tuple[str, ...] = (),
    content_hashes: tuple[str, ...] = (),
    content_bases: tuple[str, ...] | None = None,
    published: str | None = None,
) -> Model:
    """Write the model to `folder` and load it. With `published` its card says that it is that published model."""
    weights = np.random.default_rng(seed).normal(size=(channels * size * size, dim)).astype(np.float32)
    card = Card.draft(
        name="tiny",
        input=InputSpec(height=size, width=size, channels=channels),
        mean=[0.5] * channels,
        std=[0.5] * channels,
        dim=dim,
        metric={"name": "cosine"},
        network={"backbone": "projection"},
        training={"data": "nothing"} | ({} if published is None else {"published": published}),
        classes=list(classes),
        content_hashes=list(content_hashes),
        results={},
    )
    if content_bases is not None:
        card = card.model_copy(update={"content_bases": list(content_bases)})
    return write_model(folder, card=card, onnx=projection(weights, size, channels), weights={"w": weights})


def projection(weights: np.ndarray, size: int, channels: int) -> bytes:
    """uint8 (n, channels, size, size) → cast → centered → flat → product → unit length."""
    dim = weights.shape[1]
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["float", "middle"], ["centered"]),
        helper.make_node("Flatten", ["centered"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "w"], ["product"]),
        helper.make_node("LpNormalization", ["product"], ["embedding"], axis=1, p=2),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", channels, size, size])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", dim])],
        [
            numpy_helper.from_array(weights, "w"),
            numpy_helper.from_array(np.array(200.5, np.float32), "middle"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def noise(seed: int, side: int = 20) -> np.ndarray:
    """(side, side, 3) uint8 that no other seed gives."""
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
