"""`Model`: load a model folder, embed pictures, and write model folders; the extractor of derived models."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semelha.arguments import check_int, check_types
from semelha.embedders import trial
from semelha.embedders.card import Card
from semelha.embedders.embed import embed_all
from semelha.embedders.extractors import Extractor, GraphExtractor, check_alone, features_of
from semelha.embedders.folder import (
    CARD,
    GRAPH,
    PARTS,
    WEIGHTS,
    read_card,
    read_file,
    read_tensors,
    whole_folder,
    write_folder,
    write_whole,
)
from semelha.embedders.trial import cache_folder
from semelha.errors import ModelAltered, ModelError, UsageError
from semelha.images import Progress, Skipped, Source, View
from semelha.metrics import Metric, metric_from_card

METRIC = "metric."
"""Prefix of the names of the metric's tensors among the weights."""

BLANK = Image.new("RGB", (64, 64), "white")


class Model:
    """A trained model: computes vectors of pictures, and has the metric that compares them. Needs no torch.

    Attributes
    ----------
    dim : int
        Dimension of a vector.
    metric : Metric
        Metric that compares its vectors.
    fingerprint : str
        Identifies the vector space.
    extractor : Extractor
        Computes the vectors.
    parts : tuple of Model
        Models that it is derived from, if any.
    threads : int or None
        Threads that decode pictures for it; None: as for `semelha.images.read_pictures`.

    A model is pickled with the content of its folder. Where it is loaded again, its folder is used if it is there and
    unchanged, otherwise a copy in the user's cache folder. Copies share what computes vectors.
    """

    @check_types
    def __init__(
        self,
        folder: Path,
        card: Card,
        extractor: Extractor,
        metric: Metric,
        parts: tuple[Model, ...] = (),
        threads: int | None = None,
    ) -> None:
        self.folder = Path(os.path.abspath(folder))  # the program may change its working folder
        self.card = card
        self.dim = card.dim
        self.metric = metric
        self.fingerprint = card.fingerprint
        self.extractor = extractor
        self.parts = parts
        self.threads = threads

    def __copy__(self) -> Model:
        return Model(self.folder, self.card, self.extractor, self.metric, self.parts, self.threads)

    def __deepcopy__(self, memo: object) -> Model:
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, ...]:
        if read_card(self.folder).fingerprint != self.fingerprint:
            raise ModelAltered(f"{self.folder} has another model now: load it again before it is pickled")
        return _unpickled, (str(self.folder), self.fingerprint, self.threads, whole_folder(self.folder))

    def __repr__(self) -> str:
        return f"Model({str(self.folder)!r}, dim={self.dim}, fingerprint={self.fingerprint[:12]!r})"

    @check_types
    def embed(
        self,
        pictures: Source | Iterable[Source],
        *,
        batch_size: int = 64,
        progress: Progress | None = None,
        skipped: list[Skipped] | None = None,
        threads: int | None = None,
    ) -> NDArray[np.float32]:
        """Embed pictures: (n, dim) float32.

        Parameters
        ----------
        pictures : picture or iterable of pictures
            Paths, bytes, binary files, pixels (h, w[, 3]) uint8, PIL images or `Picture`. One picture gives one row.
        batch_size : int
            Pictures that the network computes at a time.
        progress : callable, optional
            Called with (pictures done, pictures in all).
        skipped : list of Skipped, optional
            Pictures that cannot be used are appended to it, and the vectors are those of the others, in order.
        threads : int, optional
            Threads that decode pictures; by default those with which the model was loaded.

        Raises
        ------
        PictureError
            A picture cannot be used, and there is no list `skipped`; the message names the picture.
        UsageError
            `pictures` or an element of it is no picture, or `batch_size` or `threads` is below 1.
        """
        return embed_all(
            self.extractor,
            pictures,
            self.dim,
            batch_size=batch_size,
            progress=progress,
            skipped=skipped,
            threads=self.threads if threads is None else threads,
        )

    def contents(self) -> tuple[bytes | None, dict[str, NDArray[Any]]]:
        """Read its graph, if any, and its tensors without the metric's, to build a model with another metric.

        Raises `ModelError` if its folder was changed.
        """
        tensors = read_tensors(read_file(self.folder, WEIGHTS, self.card), self.folder / WEIGHTS)
        graph = read_file(self.folder, GRAPH, self.card) if self.card.input is not None else None
        return graph, {name: array for name, array in tensors.items() if not name.startswith(METRIC)}


@check_types
def load_embedder(path: str | os.PathLike[str], *, threads: int | None = None, trusted: bool = False) -> Model:
    """Load a model folder.

    A graph that this user has neither written nor loaded before is tried first, in a child process with limits on
    memory and time: see docs/models.md.

    Parameters
    ----------
    threads : int, optional
        Threads that compute, and threads that decode pictures for it; by default as many of each as this process may
        use processors, at most 32 and 8.
    trusted : bool
        Load the graph without trying it, now and from now on.

    Raises
    ------
    ModelIncomplete, ModelAltered, ModelTooNew
    ModelError
        The graph takes too much memory or time.
    UsageError
        `threads` is not from 1 to 1024.
    """
    if threads is not None:
        check_int("threads", threads, 1, 1024)
    folder = Path(path)
    card = read_card(folder)
    graph = read_file(folder, GRAPH, card) if card.input is not None else None
    if graph is not None:
        check_alone(graph, str(folder))
        if trusted:
            trial.remember(card)
        trial.check_graph(graph, card, str(folder))
    tensors = read_tensors(read_file(folder, WEIGHTS, card), folder / WEIGHTS)
    places = [Path(PARTS, str(number)) for number in range(len(card.derived.parts) if card.derived else 0)]
    for place in places:
        read_file(folder, (place / CARD).as_posix(), card)
    parts = tuple(load_embedder(folder / place, threads=threads, trusted=trusted) for place in places)
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
    trial.remember(model.card)
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
        extractor = GraphExtractor(onnx, card, name=name, threads=threads)
    arrays = {key.removeprefix(METRIC): value for key, value in tensors.items() if key.startswith(METRIC)}
    metric = metric_from_card(card.metric, arrays)
    one = np.eye(1, card.dim, dtype=np.float32)
    try:
        metric.between(one, one)
    except UsageError as error:
        raise ModelAltered(f"the metric of {folder} does not take vectors of {card.dim} numbers: {error}") from error
    return Model(folder, card, extractor, metric, parts, threads)


def _unpickled(place: str, fingerprint: str, threads: int | None, contents: dict[str, bytes]) -> Model:
    """The model of a pickle: from its folder, or from its content, which is kept in the user's cache folder."""
    folder = Path(place)
    try:
        is_there = read_card(folder).fingerprint == fingerprint
    except ModelError:
        is_there = False
    if not is_there:
        folder = cache_folder() / "models" / fingerprint
        try:
            write_whole(contents, folder)
        except ModelError:
            if not folder.exists():  # another process may have written it
                raise
    return load_embedder(folder, threads=threads, trusted=True)


class DerivedExtractor:
    """Embeds several views of a picture with several models.

    The vectors of the views are averaged (`mean_of_views`). The vectors of several models, which are compared by
    cosine, are scaled to the square roots of their weights and concatenated: the cosine similarity of the result is the
    weighted mean of their similarities. Raises `ModelAltered` if the parts are not those in the card, or cannot be
    combined.
    """

    def __init__(self, parts: Sequence[Model], card: Card, *, name: str) -> None:
        spec = card.derived
        if spec is None or [part.fingerprint for part in parts] != spec.parts:
            raise ModelAltered(f"the parts of {name} are not those that its card names")
        if sum(part.dim for part in parts) != card.dim:
            raise ModelAltered(f"the vectors of the parts of {name} do not make {card.dim} numbers, as its card says")
        try:
            check_parts(parts, spec.views)
        except UsageError as error:
            raise ModelAltered(f"{name} cannot be made of its parts: {error}") from error
        self.parts = tuple(parts)
        self.views = tuple(spec.views)
        shares = np.array(spec.weights) / sum(spec.weights)
        self._lengths = np.sqrt(shares).tolist()
        blanks = [part.extractor.prepare(BLANK) for part in parts]
        self._shapes = [(blank.shape, blank.dtype, blank.nbytes) for blank in blanks]
        self.side = _side(parts, self.views)
        self._bytes = len(self.views) * sum(blank.nbytes for blank in blanks)

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """An RGB image of Pillow → (bytes,): the prepared views of each part, concatenated."""
        taken = [np.ascontiguousarray(each) for part in self.parts for each in _prepared_views(part, image, self.views)]
        return np.concatenate([each.reshape(-1).view(np.uint8) for each in taken])

    def vectors(self, prepared: NDArray[Any]) -> NDArray[np.float32]:
        """(n, bytes) → (n, dim). Raises `UsageError` for another shape or dtype."""
        if prepared.dtype != np.uint8 or prepared.shape[1:] != (self._bytes,):
            raise UsageError(f"the model takes (n, {self._bytes}) uint8, not {prepared.shape} {prepared.dtype}")
        joined, at = [], 0
        for part, (shape, kind, size), length in zip(self.parts, self._shapes, self._lengths, strict=True):
            views = []
            for _ in self.views:
                block = np.ascontiguousarray(prepared[:, at : at + size]).view(kind)
                views.append(part.extractor.vectors(block.reshape(len(prepared), *shape)))
                at += size
            found = mean_of_views(views, part.metric)
            joined.append(found if len(self.parts) == 1 else length * _normalized(found))
        return np.concatenate(joined, axis=1).astype(np.float32, copy=False)


def check_parts(parts: Sequence[Model], views: Sequence[View]) -> None:
    """Raise `UsageError` if these models and views cannot be combined."""
    if len(views) > 1 and any(part.metric.domain == "gaussians" for part in parts):
        raise UsageError("Gaussians of several views have no mean: take one view")
    others = {part.metric.name for part in parts if not part.metric.is_cosine}
    if len(parts) > 1 and others:
        raise UsageError(
            f"models that are joined are compared by cosine, and here is one compared by {', '.join(sorted(others))}"
        )


def mean_of_views(views: Sequence[NDArray[np.float32]], metric: Metric) -> NDArray[np.float32]:
    """Average vectors (n, d) over views.

    Histograms stay histograms. Other vectors get the mean of their norms, which a learned distance may depend on.
    """
    if len(views) == 1:
        return views[0]
    mean = np.mean(views, axis=0)
    if metric.domain == "histograms":
        return np.asarray(mean / mean.sum(axis=1, keepdims=True), np.float32)
    norms = np.mean([np.linalg.norm(each, axis=1, keepdims=True) for each in views], axis=0)
    return np.asarray(norms * _normalized(mean), np.float32)


def _prepared_views(part: Model, image: Image.Image, views: Sequence[View]) -> list[NDArray[Any]]:
    """Prepare each view for a part. For a network, views are made of the resized picture, which is faster."""
    if part.card.input is None:
        pixels = np.asarray(image)
        return [part.extractor.prepare(Image.fromarray(view(pixels))) for view in views]
    fitted = part.extractor.prepare(image).transpose(1, 2, 0)
    return [view(fitted).transpose(2, 0, 1) for view in views]


def _side(parts: Sequence[Model], views: Sequence[View]) -> int | None:
    """Side that a picture needs for all parts. Features see views of the picture itself, which may enlarge it."""
    nearest = max(1.0, *(view.scale for view in views))
    sides = [
        None if part.extractor.side is None
        else part.extractor.side if part.card.input is not None
        else math.ceil(part.extractor.side * nearest)
        for part in parts
    ]  # fmt: skip
    known = [side for side in sides if side is not None]
    return max(known) if len(known) == len(sides) else None


def _normalized(x: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.where(norms > 0, norms, 1), np.float32)
