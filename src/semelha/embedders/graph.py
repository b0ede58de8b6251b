"""The ONNX graph of a model, run by ONNX Runtime and checked against its card."""

from __future__ import annotations

import re

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from semelha.embedders.card import Card
from semelha.errors import ModelAltered

# The key without which no tensor is external, as Protocol Buffers write it: its field, its length (either of them
# perhaps longer than need be), its letters. ONNX Runtime itself would read such files from the working folder.
EXTERNAL_DATA = re.compile(rb"(?:\x0a|\x8a\x80*\x00)(?:\x08|\x88\x80*\x00)location")


class Graph:
    """Runs an ONNX graph: (n, channels, height, width) uint8 → (n, dim) float32.

    Raises `ModelAltered` if the graph cannot be run, refers to other files, or does not match its card.
    """

    def __init__(self, data: bytes, card: Card, *, name: str, threads: int | None = None) -> None:
        if EXTERNAL_DATA.search(data):
            raise ModelAltered(f"{name} wants data of other files: a model's graph holds all of its weights")
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.add_session_config_entry("session.load_model_format", "ONNX")
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            self._session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises many kinds, none of them public
            raise ModelAltered(f"{name} is no graph that ONNX Runtime can run: {error}") from error
        self._check(card, name)

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute vectors (n, dim) of pictures (n, channels, height, width)."""
        vectors: NDArray[np.float32] = self._session.run(None, {self._session.get_inputs()[0].name: pixels})[0]
        return vectors

    def _check(self, card: Card, name: str) -> None:
        """Run the graph once on blank pictures."""
        spec, inputs = card.input, self._session.get_inputs()
        if spec is None:
            raise ModelAltered(f"the card of {name} does not say what it takes")
        if len(inputs) != 1 or len(self._session.get_outputs()) != 1 or inputs[0].type != "tensor(uint8)":
            raise ModelAltered(f"{name} does not take one uint8 array and give one")
        try:
            vectors = self(np.zeros((2, spec.channels, spec.height, spec.width), np.uint8))
        except Exception as error:  # as above
            raise ModelAltered(f"{name} cannot embed a blank picture: {error}") from error
        if vectors.shape != (2, card.dim) or vectors.dtype != np.float32:
            raise ModelAltered(f"{name} gives {vectors.dtype} {vectors.shape[1:]}, its card says {card.dim} floats")
