"""Extractors compute the vectors of a model: with the graph of a network, or with feature extractors."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, runtime_checkable

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from PIL import Image

from semelha.embedders.card import Card, FeatureSpec
from semelha.errors import ModelAltered, ModelError, ModelTooNew, UsageError
from semelha.features import Features, features_from_card
from semelha.processors import processors

# The key without which no tensor is external, as Protocol Buffers write it: its field, its length (either of them
# perhaps longer than necessary), its letters. ONNX Runtime itself would read such files from the working folder.
EXTERNAL_DATA = re.compile(rb"(?:\x0a|\x8a\x80*\x00)(?:\x08|\x88\x80*\x00)location")


TENSORS = {"uint8": "tensor(uint8)", "float16": "tensor(float16)", "float32": "tensor(float)"}
"""What ONNX Runtime calls the types that a graph may take."""

MAX_THREADS = 32
"""Threads that compute unless the caller sets their number."""

PIXELS_OF_A_RUN = 224 * 224
"""Pictures of one run have about as many pixels: what a network computes of more does not fit into the caches."""


@runtime_checkable
class Extractor(Protocol):
    """Computes vectors in two steps: `prepare` for each picture, in threads, and `vectors` for a batch."""

    @property
    def side(self) -> int | None:
        """Side in pixels to which `prepare` resizes pictures; None if it needs them in full."""
        ...

    def prepare(self, image: Image.Image) -> NDArray[Any]:
        """Prepare one picture: an RGB image of Pillow → an array, of one shape for all pictures."""
        ...

    def vectors(self, prepared: NDArray[Any]) -> NDArray[np.float32]:
        """Compute the vectors of prepared pictures: (n, …) → (n, dim)."""
        ...


class GraphExtractor:
    """Resizes pictures to the input of a network, and runs its graph with ONNX Runtime.

    The graph of an imported model gets what `InputSpec.graph` says; any other gets the resized pictures. Raises
    `ModelAltered` if the graph cannot be run, refers to other files, or does not match its card.
    """

    def __init__(self, data: bytes, card: Card, *, name: str, threads: int | None = None) -> None:
        if card.input is None:
            raise ModelAltered(f"the card of {card.name} does not say what its graph takes")
        check_alone(data, name)
        self.spec = card.input
        self.side = self.spec.side
        self.dim = card.dim
        options = ort.SessionOptions()
        options.log_severity_level = 3
        # Otherwise its threads wait busily after each run, and take the processors from those that decode.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.add_session_config_entry("session.load_model_format", "ONNX")
        # ONNX Runtime itself takes every processor of the machine, whatever this process may use.
        threads = min(MAX_THREADS, processors()) if threads is None else threads
        runs = runs_at_a_time(threads)
        options.intra_op_num_threads = threads // runs
        self._pool = ThreadPoolExecutor(runs, "embed") if runs > 1 else None
        fixed = None if self.spec.graph is None else self.spec.graph.batch
        self._pictures_of_a_run = fixed or max(1, PIXELS_OF_A_RUN // (self.spec.height * self.spec.width))
        try:
            self._session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises many kinds, none of them public
            raise ModelAltered(f"{name} is no graph that ONNX Runtime can run: {error}") from error
        self._check(card, name)

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """An RGB image of Pillow → (channels, height, width)."""
        return self.spec.prepare(image)

    def vectors(self, prepared: NDArray[Any]) -> NDArray[np.float32]:
        """(n, channels, height, width) uint8 → (n, dim). Raises `UsageError` for another shape or dtype."""
        shape = (self.spec.channels, self.spec.height, self.spec.width)
        if prepared.dtype != np.uint8 or prepared.shape[1:] != shape:
            raise UsageError(
                f"the model takes (n, {', '.join(map(str, shape))}) uint8, not {prepared.shape} {prepared.dtype}"
            )
        size = self._pictures_of_a_run
        parts = [prepared[start : start + size] for start in range(0, max(1, len(prepared)), size)]
        run = map if self._pool is None or len(parts) < 2 else self._pool.map
        return np.concatenate(list(run(self._run, parts)))

    def _run(self, prepared: NDArray[np.uint8]) -> NDArray[np.float32]:
        entry, graph = self._session.get_inputs()[0].name, self.spec.graph
        if graph is None:
            vectors: NDArray[np.float32] = self._session.run(None, {entry: prepared})[0]
            return vectors
        [(array, count)] = graph.batches(prepared)
        return graph.vectors(self._session.run([graph.output], {entry: array})[0], count)

    def _check(self, card: Card, name: str) -> None:
        """Run the graph once on blank pictures."""
        inputs, graph = self._session.get_inputs(), self.spec.graph
        dtype = "uint8" if graph is None else graph.dtype
        if len(inputs) != 1 or inputs[0].type != TENSORS[dtype]:
            raise ModelAltered(f"{name} does not take one {dtype} array")
        outputs = [each.name for each in self._session.get_outputs()]
        if (len(outputs) != 1) if graph is None else (graph.output not in outputs):
            raise ModelAltered(f"{name} does not give one array" if graph is None else f"{name} has no such output")
        try:
            vectors = self.vectors(np.zeros((2, self.spec.channels, self.spec.height, self.spec.width), np.uint8))
        except Exception as error:  # as above
            raise ModelAltered(f"{name} cannot embed a blank picture: {error}") from error
        if vectors.shape != (2, card.dim) or vectors.dtype != np.float32:
            raise ModelAltered(f"{name} gives {vectors.dtype} {vectors.shape[1:]}, its card says {card.dim} floats")


def runs_at_a_time(threads: int) -> int:
    """Runs of a graph beside one another: the rest of the threads is shared by each run, and makes one picture faster.

    Runs with few threads lose the least time by waiting for one another. The least divisor that is not below the
    square root: 2 threads are two runs, 16 are four runs of 4 threads.
    """
    return next(runs for runs in range(1, threads + 1) if threads % runs == 0 and runs * runs >= threads)


def check_alone(graph: bytes, name: str) -> None:
    """Raise `ModelAltered` if a graph may refer to other files."""
    if EXTERNAL_DATA.search(graph):
        raise ModelAltered(
            f"{name} refers to other files, or names something `location`: a graph must contain all of its weights"
        )


class FeatureExtractor:
    """Computes features picture by picture."""

    def __init__(self, features: Features) -> None:
        self.features = features
        self.side = features.side

    def prepare(self, image: Image.Image) -> NDArray[np.float32]:
        """An RGB image of Pillow → (dim,)."""
        return self.features(np.asarray(image))

    def vectors(self, prepared: NDArray[Any]) -> NDArray[np.float32]:
        """(n, dim) float32, unchanged. Raises `UsageError` for another shape or dtype."""
        if prepared.dtype != np.float32 or prepared.shape[1:] != (self.features.dim,):
            raise UsageError(f"the model takes (n, {self.features.dim}) float32, not {prepared.shape} {prepared.dtype}")
        return prepared

    @property
    def spec(self) -> FeatureSpec:
        """The entry of the features in a card."""
        return FeatureSpec(name=self.features.name, version=self.features.version, arguments=self.features.arguments())


def features_of(card: Card, *, name: str) -> FeatureExtractor:
    """The extractor of the features in a card.

    Raises `ModelError`, `ModelTooNew` or `ModelAltered` if they are unknown, or of another version or dimension.
    """
    spec = card.features
    if spec is None:
        raise ModelAltered(f"the card of {name} names no features")
    features = features_from_card(spec.name, spec.arguments)
    if spec.version != features.version:
        kind = ModelTooNew if spec.version > features.version else ModelError
        raise kind(
            f"{name} was made with version {spec.version} of the features {spec.name}, and this semelha has version "
            f"{features.version}, which gives other numbers: train it again, or use the semelha that made it"
        )
    if features.dim != card.dim:
        raise ModelAltered(f"the features of {name} have {features.dim} numbers, its card says {card.dim}")
    return FeatureExtractor(features)
