"""The forms in which callers pass pictures, and their conversion to `Picture`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeGuard, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semelha.errors import PictureError, UsageError
from semelha.images.dataset import Picture, as_rgb
from semelha.images.decode import to_rgb

Source = str | os.PathLike[str] | bytes | BinaryIO | NDArray[np.uint8] | Image.Image | Picture
"""A picture: a path, an encoded file as bytes or as an open binary file, pixels (h, w[, 3]) uint8, a PIL image, or a
`Picture`."""

TAKEN = "a path, bytes, a binary file, an array (h, w[, 3]) of uint8, a PIL image or a Picture"


def iterate_sources(pictures: Source | Iterable[Source], argument: str = "pictures") -> Iterator[Source]:
    """Iterate over pictures; a single picture is a sequence of one. Raises `UsageError` for anything else."""
    if is_source(pictures):
        yield pictures
        return
    if isinstance(pictures, np.ndarray) and pictures.ndim != 4:
        raise UsageError(
            f"{argument} is an array {pictures.shape}: one picture is (h, w) or (h, w, 3), several are a list of them"
        )
    if not isinstance(pictures, Iterable):
        raise UsageError(f"{argument} is {pictures!r:.60}: it must be {TAKEN}, or several of them")
    yield from cast("Iterable[Source]", pictures)


def is_source(value: object) -> TypeGuard[Source]:
    """Whether a value is one picture."""
    if isinstance(value, np.ndarray):
        return value.ndim == 2 or (value.ndim == 3 and value.shape[2] == 3)
    return isinstance(value, str | os.PathLike | bytes | Image.Image | Picture) or hasattr(value, "read")


def as_picture(source: Source, *, position: int = 0, argument: str = "pictures") -> Picture:
    """Convert a source to a `Picture`. Files and bytes are not decoded yet.

    Parameters
    ----------
    source : Source
    position : int
        Names a picture that has no name.
    argument : str
        What the error calls the sequence of pictures.

    Raises
    ------
    PictureError
        The array or PIL image has no usable pixels, or the file object cannot be read.
    UsageError
        It is no picture at all.
    """
    if isinstance(source, Picture):
        return source
    name = name_of(source, position)
    if isinstance(source, str | os.PathLike) and not isinstance(os.fspath(source), bytes):
        return Picture(source=Path(source), label="", name=name)
    if isinstance(source, bytes | bytearray | memoryview):
        return Picture(source=bytes(source), label="", name=name)
    if isinstance(source, np.ndarray):
        return Picture(source=as_rgb(source, name=name), label="", name=name)
    if isinstance(source, Image.Image):
        return Picture(source=to_rgb(source, name), label="", name=name)
    if hasattr(source, "read"):
        try:
            data = source.read()
        except (OSError, ValueError) as error:
            raise PictureError(f"{name} cannot be read: {error}") from error
        if isinstance(data, bytes):
            return Picture(source=data, label="", name=name)
    raise UsageError(f"{argument}[{position}] is {source!r:.60}: a picture is {TAKEN}")


def name_of(source: Source, position: int) -> str:
    """The name of a picture in results and messages: its own, its path, or its position in a sequence."""
    if isinstance(source, Picture):
        return source.name
    return str(os.fspath(source)) if isinstance(source, str | os.PathLike) else f"picture {position}"


def as_pictures(sources: Source | Iterable[Source], *, first: int = 0) -> list[Picture]:
    """Convert sources to pictures, numbered from `first`. Raises as `as_picture` and `iterate_sources`."""
    return [as_picture(source, position=number) for number, source in enumerate(iterate_sources(sources), start=first)]
