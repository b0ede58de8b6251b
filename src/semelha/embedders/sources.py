"""Pictures in, whatever they were given as."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semelha.embedders.card import InputSpec
from semelha.errors import PictureError, UsageError
from semelha.images import Picture, as_rgb, decode, fit

Source = str | os.PathLike[str] | bytes | NDArray[np.uint8] | Picture
"""A picture: a file, its bytes, its pixels, or a `Picture`."""


def fitted(pixels: NDArray[np.uint8], spec: InputSpec) -> NDArray[np.uint8]:
    """What the graph takes of one picture: (h, w, 3) → (channels, height, width)."""
    size = (spec.height, spec.width)
    return fit(pixels, size, channels=spec.channels, mode=spec.fit, background=spec.background).transpose(2, 0, 1)


def as_pictures(sources: Sequence[Source], *, first: int = 0) -> list[Picture]:
    """Whatever pictures were given as, without decoding files. Bytes are decoded.

    Raises the `PictureError` of the first that cannot be used; where it has no name, by its number, counted from
    `first`.
    """
    if isinstance(sources, str | bytes):  # sequences too, but of letters
        raise UsageError("pictures are given as a list, one picture too: [picture]")
    return [_picture(source, f"picture {number}") for number, source in enumerate(sources, start=first)]


def _picture(source: Source, name: str) -> Picture:
    if isinstance(source, Picture):
        return source
    if isinstance(source, bytes):
        try:
            return Picture(source=decode(source), label="", name=name)
        except PictureError as error:
            raise type(error)(f"{name}: {error}") from error
    if isinstance(source, np.ndarray):
        return Picture(source=as_rgb(source, name=name), label="", name=name)
    return Picture(source=Path(source), label="", name=os.fspath(source))
