"""Pictures to vectors, with ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from semelha.embedders.card import Card
from semelha.embedders.folder import GRAPH, WEIGHTS, read_card, read_file, write_folder
from semelha.embedders.graph import Graph
from semelha.embedders.sources import Source, prepare
from semelha.errors import UsageError
from semelha.metrics import Metric, metric_from_card

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

    def __init__(self, folder: Path, card: Card, graph: Graph) -> None:
        self.folder = folder
        self.card = card
        self.dim = card.dim
        self.metric = metric_from_card(card.metric)
        self.fingerprint = card.fingerprint
        self._graph = graph

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
            out.append(self.embed_pixels(prepare(pictures[start : start + batch_size], self.card.input, first=start)))
            if progress is not None:
                progress(min(start + batch_size, len(pictures)), len(pictures))
        return np.concatenate(out)

    def embed_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed pictures that are fitted already: (n, channels, height, width) uint8 → (n, dim) float32."""
        spec = self.card.input
        shape = (spec.channels, spec.height, spec.width)
        if pixels.dtype != np.uint8 or pixels.shape[1:] != shape:
            raise UsageError(
                f"the model takes (n, {', '.join(map(str, shape))}) uint8, not {pixels.shape} {pixels.dtype}"
            )
        if not len(pixels):
            return np.empty((0, self.dim), np.float32)
        return self._graph(pixels)


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
    return NetworkEmbedder(folder, card, Graph(graph, card, name=str(folder / GRAPH), threads=threads))


def write_model(
    folder: str | os.PathLike[str], *, card: Card, onnx: bytes, weights: Mapping[str, NDArray[Any]]
) -> NetworkEmbedder:
    """Write a model folder, whole or not at all.

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
    ModelAltered
        The graph is not what the card says.
    ModelError
        `folder` exists, or cannot be written.
    """
    graph = Graph(onnx, card, name=f"the graph for {folder}")
    sealed = write_folder(Path(folder), card=card, onnx=onnx, weights=weights)
    return NetworkEmbedder(Path(folder), sealed, graph)
