"""Embed pictures with an ONNX model from elsewhere, and search their vectors.

    python examples/own_onnx_model.py                                     # a small graph that it makes, on characters
    python examples/own_onnx_model.py photos --onnx vit.onnx --preset clip

Making the graph needs the package onnx, which the extra `train` installs; using one does not.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

import semelha
from semelha.index import HNSWIndex

SIZE, DIM = 32, 64


def main() -> None:
    parser = argparse.ArgumentParser(description="Embed pictures with an ONNX model, and search their vectors.")
    parser.add_argument("photos", nargs="?", help="folder of pictures; by default characters are drawn")
    parser.add_argument("--onnx", type=Path, help="file of a model that embeds pictures; by default one is made")
    parser.add_argument("--preset", help="its input: arcface, clip, dinov2, imagenet, megadescriptor or raw")
    arguments = parser.parse_args()
    pictures = semelha.read_dataset(arguments.photos) if arguments.photos else semelha.glyphs(["Georgian"])
    with tempfile.TemporaryDirectory() as folder:
        file = arguments.onnx or make_graph(Path(folder) / "made.onnx")
        model = semelha.import_model(file, out=Path(folder) / "model", preset=arguments.preset)
        print("\n".join(model.card.training["imported"]["assumed"]))
        vectors = model.embed(pictures)  # (pictures, dim) float32
        index = HNSWIndex(model.metric, recall=0.95)
        index.build(np.arange(len(vectors)), vectors)
        found = index.search(vectors, k=2)  # the nearest one is usually the picture itself
    rows = np.arange(len(vectors))
    nearest = np.where(found.ids[:, 0] == rows, found.ids[:, 1], found.ids[:, 0])
    for row in rows[:: max(1, len(rows) // 5)]:
        print(f"{pictures.pictures[row].name} is most like {pictures.pictures[nearest[row]].name}")
    if len(pictures.classes) > 1:
        right = np.mean(pictures.labels[nearest] == pictures.labels)
        print(f"{right:.0%} of {len(vectors)} pictures are most like another one of their class.")


def make_graph(file: Path) -> Path:
    """Write a graph that projects the pixels on random directions: (n, 3, SIZE, SIZE) float → (n, DIM)."""
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(0).normal(size=(3 * SIZE * SIZE, DIM)).astype(np.float32) / SIZE
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["pixels"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["vectors"])],
        "projection",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", DIM])],
        [numpy_helper.from_array(weights, "w")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    file.write_bytes(made.SerializeToString())
    return file


if __name__ == "__main__":
    main()
