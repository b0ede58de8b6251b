"""`Model`: load a model folder, embed pictures, and write model folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.arguments import check_types
from semelha.embedders.card import Card
from semelha.embedders.derived import DerivedExtractor
from semelha.embedders.embed import embed_all
from semelha.embedders.extractors import Extractor, GraphExtractor, features_of
from semelha.embedders.folder import CARD, GRAPH, PARTS, WEIGHTS, read_card, read_file, read_tensors, write_folder
from semelha.embedders.graph import Graph
from semelha.errors import ModelAltered, UsageError
from semelha.images import Progress, Source
from semelha.metrics import Metric, metric_from_card

METRIC = "metric."
"""Prefix of the names of the metric's tensors among the weights."""


class Model:
    """A trained model: computes vectors of pictures, and has the metric that compares them. Needs no torch.

    Attributes
    ----------
    folder : Path
        Folder of the model.
    card : Card
    dim : int
        Length of a vector.
    metric : Metric
        Metric that compares its vectors.
    fingerprint : str
        Identifies the vector space.
    extractor : Extractor
        Computes the vectors.
    parts : tuple of Model
        Models that it is derived from, if any.
    """

    @check_types
    def __init__(
        self, folder: Path, card: Card, extractor: Extractor, metric: Metric, parts: tuple[Model, ...] = ()
    ) -> None:
        self.folder = folder
        self.card = card
        self.dim = card.dim
        self.metric = metric
        self.fingerprint = card.fingerprint
        self.extractor = extractor
        self.parts = parts

    def __repr__(self) -> str:
        return f"Model({str(self.folder)!r}, dim={self.dim}, fingerprint={self.fingerprint[:12]!r})"

    @check_types
    def embed(
        self, pictures: Source | Iterable[Source], *, batch_size: int = 64, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Embed pictures.

        Parameters
        ----------
        pictures : picture or iterable of pictures
            Paths, bytes, binary files, pixels (h, w[, 3]) uint8, PIL images or `Picture`. One picture gives one row.
        batch_size : int
            Pictures that the network computes at a time.
        progress : callable, optional
            Called with (pictures done, pictures in all).

        Returns
        -------
        (n, dim) float32

        Raises
        ------
        PictureError
            A picture cannot be used; the message names it.
        UsageError
            `pictures` or an element of it is no picture, or `batch_size` is below 1.
        """
        return embed_all(self.extractor, pictures, self.dim, batch_size=batch_size, progress=progress)

    @check_types
    def prepare(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        """Prepare one picture (h, w, 3) uint8 for `embed_prepared`. Safe in threads."""
        return self.extractor.prepare(pixels)

    @check_types
    def embed_prepared(self, prepared: NDArray[Any]) -> NDArray[np.float32]:
        """Embed prepared pictures: (n, …) → (n, dim) float32.

        For a network these are pictures resized to its input, (n, channels, height, width) uint8.

        Raises
        ------
        UsageError
            The array has another shape or dtype than prepared pictures.
        """
        if not len(prepared):
            return np.empty((0, self.dim), np.float32)
        return self.extractor.vectors(prepared)

    def contents(self) -> tuple[bytes | None, dict[str, NDArray[Any]]]:
        """Read its graph, if any, and its tensors without the metric's, to build a model with another metric.

        Raises `ModelError` if its folder was changed.
        """
        tensors = read_tensors(read_file(self.folder, WEIGHTS, self.card), self.folder / WEIGHTS)
        graph = read_file(self.folder, GRAPH, self.card) if self.card.input is not None else None
        return graph, {name: array for name, array in tensors.items() if not name.startswith(METRIC)}


@check_types
def load_embedder(path: str | os.PathLike[str], *, threads: int | None = None) -> Model:
    """Load a model folder.

    Parameters
    ----------
    path : path
    threads : int, optional
        For ONNX Runtime; chosen by ONNX Runtime by default.

    Raises
    ------
    ModelIncomplete
        A file is missing.
    ModelAltered
        A file was changed or damaged.
    ModelTooNew
        The folder was written by a newer semelha.
    """
    folder = Path(path)
    card = read_card(folder)
    graph = read_file(folder, GRAPH, card) if card.input is not None else None
    tensors = read_tensors(read_file(folder, WEIGHTS, card), folder / WEIGHTS)
    places = [Path(PARTS, str(number)) for number in range(len(card.derived.parts) if card.derived else 0)]
    for place in places:
        read_file(folder, (place / CARD).as_posix(), card)
    parts = tuple(load_embedder(folder / place, threads=threads) for place in places)
    return _model(folder, card, graph, tensors, parts, name=str(folder), threads=threads)


def write_model(
    folder: str | os.PathLike[str],
    *,
    card: Card,
    weights: Mapping[str, NDArray[Any]],
    onnx: bytes | None = None,
    parts: tuple[Model, ...] = (),
) -> Model:
    """Write a model folder atomically.

    Parameters
    ----------
    folder : path
        Must not exist.
    card : Card
        Made by `Card.draft`.
    weights : mapping of str to array
        Weights of the network, and arrays of the metric, whose names begin with "metric.".
    onnx : bytes, optional
        A graph from (n, channels, height, width) uint8 to (n, dim) float32, without external data. None for feature
        extractors and derived models.
    parts : tuple of Model
        Models that a derived model is made of; their folders are copied.

    Raises
    ------
    ModelAltered
        The graph or the metric does not match the card.
    ModelError
        `folder` exists, or cannot be written.
    """
    model = _model(Path(folder), card, onnx, weights, parts, name=f"the graph for {folder}", threads=None)
    copied = [part.folder for part in parts]
    model.card = write_folder(Path(folder), card=card, onnx=onnx, weights=weights, parts=copied)
    model.fingerprint = model.card.fingerprint
    return model


def _model(
    folder: Path,
    card: Card,
    onnx: bytes | None,
    tensors: Mapping[str, NDArray[Any]],
    parts: tuple[Model, ...],
    *,
    name: str,
    threads: int | None,
) -> Model:
    """Build the extractor and the metric, and check them against each other."""
    extractor: Extractor
    if card.derived is not None:
        extractor = DerivedExtractor(parts, card, name=str(folder))
    elif onnx is None:
        extractor = features_of(card, name=str(folder))
    else:
        extractor = GraphExtractor(Graph(onnx, card, name=name, threads=threads), card)
    arrays = {key.removeprefix(METRIC): value for key, value in tensors.items() if key.startswith(METRIC)}
    metric = metric_from_card(card.metric, arrays)
    one = np.eye(1, card.dim, dtype=np.float32)
    try:
        metric.between(one, one)
    except UsageError as error:
        raise ModelAltered(f"the metric of {folder} does not take vectors of {card.dim} numbers: {error}") from error
    return Model(folder, card, extractor, metric, parts)
