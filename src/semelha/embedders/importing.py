"""`import_model`: make a model folder of an ONNX file that was made elsewhere."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semelha.arguments import check_types
from semelha.embedders.card import Card, InputSpec
from semelha.embedders.extractors import check_alone
from semelha.embedders.graph_guess import BatchError, InputGuess, choose_input, choose_output
from semelha.embedders.import_settings import ImportSettings
from semelha.embedders.model import Model, write_model
from semelha.embedders.trial import TrialResult, try_graph, try_vectors
from semelha.errors import ModelAltered, ModelError
from semelha.files import check_writable
from semelha.text import as_unicode
from semelha.untrusted import read_bytes

MAX_GRAPH_BYTES = (1 << 31) - 1
"""Of an ONNX file: Protocol Buffers, its format, has no larger ones."""
TOLERANCE = 1e-2
"""Difference of two vectors that count as equal, as a part of their largest number: half precision computes so."""


@check_types
def import_model(
    file: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    preset: str | None = None,
    size: int | tuple[int, int] | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    bgr: bool | None = None,
    layout: str | None = None,
    output: str | None = None,
    first_token: bool | None = None,
    normalize: bool = False,
    fit: str | None = None,
) -> Model:
    """Make a model of an ONNX file that embeds pictures, and write it as the model folder `out`. Needs no torch.

    The graph is kept unchanged; the card says what it takes. What the arguments do not say is found in the file, or
    assumed: `model.card.training["imported"]["assumed"]` has a line for each. The file is tried in a child process with
    limits on memory and time first (docs/models.md). Its vectors are compared by cosine.

    Parameters
    ----------
    file : path
        With one input, (n, channels, height, width) or (n, height, width, channels), of uint8, float16 or float32, and
        1 or 3 channels. n, height and width may be fixed or free.
    out : path
        Must not exist.
    preset : {"arcface", "clip", "dinov2", "imagenet", "megadescriptor", "raw"}, optional
        Size, mean, std and fit of well-known models; "raw": floats from 0 to 255. Other arguments replace its values.
    size : int or (height, width), optional
        Input in pixels, for a graph that takes any. By default, that of the metadata, or 224.
    mean, std : float or sequence of float, optional
        The graph gets (pixel / 255 - mean) / std; one number, or one for each channel in the order R, G, B. By default
        those of the metadata or of ImageNet. A graph of uint8 gets pixels unchanged.
    bgr : bool, optional
        The graph takes its channels in the order B, G, R.
    layout : {"nchw", "nhwc"}, optional
        Order of the axes of the input. By default, found by the axis of 3 channels.
    output : str, optional
        Name of the output that is the embedding, for a graph with several.
    first_token : bool, optional
        Take the first token of an output (n, tokens, dim), which is refused otherwise.
    normalize : bool
        Scale vectors to norm 1.
    fit : {"pad", "stretch", "crop", "ink"}, optional
        How pictures are resized to the input (`semelha.images.fit`); "crop" by default.

    Returns
    -------
    Model

    Raises
    ------
    ModelError
        The file is no ONNX file that embeds pictures: the message says why. Or `out` exists or cannot be written.
    UsageError
        An argument has a wrong value, or contradicts the file.
    """
    settings = ImportSettings(
        preset=preset,
        size=size,
        mean=mean,
        std=std,
        bgr=bgr,
        layout=layout,
        output=output,
        first_token=first_token,
        normalize=normalize,
        fit=fit,
    )
    check_writable(Path(out), is_folder=True, error=ModelError)
    try:
        graph = _read_graph(Path(file))
        spec, guess = choose_input(try_graph(graph, None, str(file)), settings, str(file))
        card = _card(graph, spec, guess, Path(file), Path(out))
        return write_model(out, card=card, weights={}, onnx=graph)
    except (ModelAltered, BatchError) as error:  # the former is of files of a model folder
        raise ModelError(str(error)) from error


def _read_graph(file: Path) -> bytes:
    """The bytes of the file. Raises `ModelError`."""
    try:
        graph = read_bytes(file, max_bytes=MAX_GRAPH_BYTES, error=ModelError)
    except FileNotFoundError as error:
        raise ModelError(f"there is no file {file}") from error
    if not graph:
        raise ModelError(f"{file} is empty")
    check_alone(graph, str(file))
    return graph


def _card(graph: bytes, spec: InputSpec, guess: InputGuess, file: Path, out: Path) -> Card:
    """The card of a graph that passes its checks.

    A graph that cannot take several pictures at a time, whatever its input says, gets one at a time.
    """
    assert spec.graph is not None
    assumptions = guess.assumptions
    for batch in (spec.graph.batch, 1):
        one = spec.model_copy(update={"graph": spec.graph.model_copy(update={"batch": batch})})
        try:
            chosen, dim, more = choose_output(_embed_blank(graph, one, guess), one, guess)
            _check_vectors(graph, chosen, guess.name)
            break
        except (ModelAltered, BatchError):
            if batch is not None:
                raise
            assumptions = [*assumptions, "batch: 1, because several pictures at a time have other vectors, or none"]
    imported = {"file": as_unicode(file.name), "preset": guess.settings.preset, "assumed": [*assumptions, *more]}
    return Card.draft(
        name=as_unicode(out.name),
        input=chosen,
        dim=dim,
        metric={"name": "cosine"},
        training={"imported": imported},
        classes=(),
        content_hashes=(),
        results={},
    )


def _embed_blank(graph: bytes, spec: InputSpec, guess: InputGuess) -> TrialResult:
    """The trial of a graph with its input. Raises as `try_graph`."""
    try:
        return try_graph(graph, spec, guess.name)
    except ModelAltered as error:
        if not guess.has_free_size:
            raise
        size = f"{spec.height} × {spec.width}"
        raise ModelAltered(f"{error}, at {size} pixels: choose another with size") from error


def _check_vectors(graph: bytes, spec: InputSpec, name: str) -> None:
    """Raise `ModelError` unless pictures have finite vectors that differ, the same each time and in any batch."""
    with np.errstate(all="ignore"):  # what is not finite is refused
        try:
            vectors = try_vectors(graph, spec, name)
        except ValueError as error:
            raise BatchError(f"{name} cannot embed four pictures: {error!s:.300}") from error
        together, alone = vectors[:4], vectors[4:8]
        is_same = _agree(together, alone)
        is_random = not is_same and not _agree(vectors[7], vectors[8])
        if not np.isfinite(vectors).all():
            raise ModelError(f"{name} gives vectors that are not finite")
        if np.ptp(together, axis=0).max() <= 1e-6 * np.abs(together).max():
            raise ModelError(f"{name} gives the same vector for different pictures")
    if is_random:
        raise ModelError(f"{name} gives different vectors for the same picture")
    if not is_same:
        raise BatchError(f"{name} gives a picture another vector if it is embedded together with others")


def _agree(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    """Whether vectors are equal up to rounding; those that are not finite are not."""
    return bool(np.abs(a - b).max() <= TOLERANCE * np.abs(a).max())
