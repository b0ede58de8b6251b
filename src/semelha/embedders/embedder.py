"""Pictures to vectors, with ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from semelha.embedders.card import Card, InputSpec
from semelha.embedders.folder import GRAPH, WEIGHTS, read_card, read_file, write_folder
from semelha.errors import ModelAltered, PictureError
from semelha.images import Picture, as_rgb, decode, fit, read_all
from semelha.metrics import Metric, metric_from_card

Source = str | os.PathLike[str] | bytes | NDArray[np.uint8] | Picture
"""A picture: a file, its bytes, its pixels, or a `Picture`."""

Progress = Callable[[int, int], None]
"""Called with (done, in all)."""


class Embedder(Protocol):
    """What turns pictures into vectors of one space."""

    dim: int
    metric: Metric
    fingerprint: str

    def embed(
        self, pictures: Sequence[Source], *, batch_size: int = 64, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """(n, dim) float32."""
        ...


class NetworkEmbedder:
    """A trained network at work. Needs no torch.

    Attributes
    ----------
    folder : Path
        Where it was loaded from.
    card : Card
    dim : int
        Length of a vector.
    metric : Metric
        The distance in which its vectors are compared.
    fingerprint : str
        Name of its vector space.
    """

    def __init__(self, folder: Path, card: Card, session: ort.InferenceSession) -> None:
        self.folder = folder
        self.card = card
        self.dim = card.dim
        self.metric = metric_from_card(card.metric)
        self.fingerprint = card.fingerprint
        self._session = session
        self._input = session.get_inputs()[0].name

    def __repr__(self) -> str:
        return f"NetworkEmbedder({str(self.folder)!r}, dim={self.dim}, fingerprint={self.fingerprint[:12]!r})"

    def embed(
        self, pictures: Sequence[Source], *, batch_size: int = 64, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Embed pictures.

        Parameters
        ----------
        pictures : sequence of path, bytes, (h, w[, 3]) uint8 or Picture
        batch_size : int
            Pictures decoded and run at a time.
        progress : callable, optional
            Called with (pictures done, pictures in all).

        Returns
        -------
        (n, dim) float32

        Raises
        ------
        PictureError
            A picture cannot be used; the message names it.
        """
        out = [np.empty((0, self.dim), np.float32)]
        for start in range(0, len(pictures), batch_size):
            out.append(self.embed_pixels(prepare(pictures[start : start + batch_size], self.card.input)))
            if progress is not None:
                progress(min(start + batch_size, len(pictures)), len(pictures))
        return np.concatenate(out)

    def embed_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed pictures that are fitted already: (n, channels, height, width) uint8 → (n, dim) float32."""
        if not len(pixels):
            return np.empty((0, self.dim), np.float32)
        vectors: NDArray[np.float32] = self._session.run(None, {self._input: pixels})[0]
        return vectors


def load_embedder(path: str | os.PathLike[str], *, threads: int | None = None) -> NetworkEmbedder:
    """Load a model folder.

    Parameters
    ----------
    path : path
    threads : int, optional
        For ONNX Runtime; its own choice if not given.

    Raises
    ------
    ModelIncomplete
        A file is missing.
    ModelAltered
        A file is not the one that was written.
    ModelTooNew
        Written by a newer semelha.
    """
    folder = Path(path)
    card = read_card(folder)
    graph = read_file(folder, GRAPH, card)
    read_file(folder, WEIGHTS, card)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        # From bytes, a graph has no folder from which it could read external data.
        session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises many kinds, none of them public
        raise ModelAltered(f"{folder / GRAPH} is no graph that ONNX Runtime can run: {error}") from error
    _check(session, card, folder)
    return NetworkEmbedder(folder, card, session)


def write_model(
    folder: str | os.PathLike[str], *, card: Card, onnx: bytes, weights: Mapping[str, NDArray[Any]]
) -> NetworkEmbedder:
    """Write a model folder, whole or not at all, and load it.

    Parameters
    ----------
    folder : path
        Must not exist.
    card : Card
        As `Card.draft` makes it.
    onnx : bytes
        A graph from (n, channels, height, width) uint8 to (n, dim) float32, without external data.
    weights : mapping of str to array

    Raises
    ------
    ModelError
    """
    write_folder(Path(folder), card=card, onnx=onnx, weights=weights)
    return load_embedder(folder)


def prepare(pictures: Sequence[Source], spec: InputSpec) -> NDArray[np.uint8]:
    """Decode and fit, in threads: (n, channels, height, width) uint8. Raises the `PictureError` of the first bad."""
    sources = as_pictures(pictures)
    out = np.empty((len(sources), spec.channels, spec.height, spec.width), np.uint8)
    for number, result in enumerate(read_all(sources, lambda picture: fitted(picture.pixels(), spec))):
        if isinstance(result, PictureError):
            raise result
        out[number] = result
    return out


def fitted(pixels: NDArray[np.uint8], spec: InputSpec) -> NDArray[np.uint8]:
    """What the graph takes of one picture: (h, w, 3) → (channels, height, width)."""
    size = (spec.height, spec.width)
    return fit(pixels, size, channels=spec.channels, mode=spec.fit, background=spec.background).transpose(2, 0, 1)


def as_pictures(sources: Sequence[Source]) -> list[Picture]:
    """Whatever pictures were given as, without decoding files. Bytes are decoded. Raises `PictureError`."""
    return [_picture(source, number) for number, source in enumerate(sources)]


def _picture(source: Source, number: int) -> Picture:
    if isinstance(source, Picture):
        return source
    if isinstance(source, bytes):
        return Picture(source=decode(source), label="", name=f"picture {number}")
    if isinstance(source, np.ndarray):
        return Picture(source=as_rgb(source), label="", name=f"picture {number}")
    return Picture(source=Path(source), label="", name=os.fspath(source))


def _check(session: ort.InferenceSession, card: Card, folder: Path) -> None:
    """The graph takes and gives what the card says, by running it once."""
    spec = card.input
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(session.get_outputs()) != 1 or inputs[0].type != "tensor(uint8)":
        raise ModelAltered(f"{folder / GRAPH} does not take one uint8 array and give one")
    try:
        blank = np.zeros((2, spec.channels, spec.height, spec.width), np.uint8)
        (vectors,) = session.run(None, {inputs[0].name: blank})
    except Exception as error:  # as above
        raise ModelAltered(f"{folder / GRAPH} cannot embed a blank picture: {error}") from error
    if vectors.shape != (2, card.dim) or vectors.dtype != np.float32:
        raise ModelAltered(
            f"{folder / GRAPH} gives {vectors.dtype} {vectors.shape[1:]}, its card says {card.dim} floats"
        )
