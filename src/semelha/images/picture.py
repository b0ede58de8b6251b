"""`Picture`, a picture with its label, and the other forms in which callers pass pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeGuard, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semelha.arguments import check_fields, check_types
from semelha.errors import PictureError, UsageError
from semelha.images.decode import Box, OpenPicture, cropped, to_rgb
from semelha.images.formats import Limits
from semelha.images.packed import Packed


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture with its label and other data.

    Parameters
    ----------
    source : Path, bytes, (h, w) or (h, w, 3) uint8, or Packed
        A file, its content, pixels, or a part of an archive.
    label : str
        Its class; "" if unknown.
    name : str
        Its path below the folder of the data set, or another name for messages.
    group : str, optional
        Burst, encounter, shelf: evaluation never matches pictures of one group.
    split : str, optional
        The part of the data set that it belongs to, such as "train" or "test".
    box : (left, top, right, bottom), optional
        The crop to use.
    limits : Limits, optional
        Limits of decoding it, wherever it is read.
    domain : str, optional
        The kind of picture, where a data set has several: "iconic" for a clean picture from a catalogue.
    """

    source: Path | bytes | NDArray[np.uint8] | Packed
    label: str
    name: str
    group: str | None = None
    split: str | None = None
    box: Box | None = None
    limits: Limits = Limits()
    domain: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)

    def pixels(self) -> NDArray[np.uint8]:
        """Decode and crop: (height, width, 3) uint8. Raises `PictureError`."""
        if isinstance(self.source, np.ndarray):
            return as_rgb(self.source, self.box, self.name)
        with self.open() as opened:
            return opened.pixels()

    @check_types
    def open(self, limits: Limits | None = None, *, at_least: int | None = None) -> OpenPicture:
        """Read the header of a file or of its content; arguments and errors as for `decode`.

        Without `limits` those of the picture hold.

        Raises `UsageError` for an array, and `DatasetError` if the archive of the picture cannot be read.
        """
        source, limits = self.source, limits or self.limits
        if isinstance(source, np.ndarray):
            raise UsageError(f"{self.name} is an array: only a file or its content is opened")
        name = str(source) if isinstance(source, Path) else self.name
        if isinstance(source, Packed):
            source = source.read(max_bytes=limits.max_bytes)
        return OpenPicture(source, name=name, box=self.box, limits=limits, at_least=at_least)


Source = str | os.PathLike[str] | bytes | BinaryIO | NDArray[np.uint8] | Image.Image | Picture
"""A picture: a path, an encoded file as bytes or as an open binary file, pixels (h, w[, 3]) uint8, a PIL image, or a
`Picture`."""

TAKEN = "a path, bytes, a binary file, an array (h, w[, 3]) of uint8, a PIL image or a Picture"


def iterate_sources(pictures: Source | Iterable[Source]) -> Iterator[Source]:
    """Iterate over pictures; a single picture is a sequence of one. Raises `UsageError` for anything else."""
    if is_source(pictures):
        yield pictures
        return
    if isinstance(pictures, np.ndarray) and pictures.ndim != 4:
        raise UsageError(
            f"pictures is an array {pictures.shape}: one picture is (h, w) or (h, w, 3), several are a list of them"
        )
    if not isinstance(pictures, Iterable):
        raise UsageError(f"pictures is {pictures!r:.60}: it must be {TAKEN}, or several of them")
    yield from cast("Iterable[Source]", pictures)


def is_source(value: object) -> TypeGuard[Source]:
    """Whether a value is one picture."""
    if isinstance(value, np.ndarray):
        return value.ndim == 2 or (value.ndim == 3 and value.shape[2] == 3)
    return isinstance(value, str | os.PathLike | bytes | Image.Image | Picture) or hasattr(value, "read")


def as_picture(source: Source, *, position: int = 0) -> Picture:
    """Convert a source to a `Picture`, named by its `position` if it has no name. Files are not decoded yet.

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
    raise UsageError(f"pictures[{position}] is {source!r:.60}: a picture is {TAKEN}")


def name_of(source: Source, position: int) -> str:
    """The name of a picture in results and messages: its own, its path, or its position in a sequence."""
    if isinstance(source, Picture):
        return source.name
    return str(os.fspath(source)) if isinstance(source, str | os.PathLike) else f"picture {position}"


def as_pictures(sources: Source | Iterable[Source], *, first: int = 0) -> list[Picture]:
    """Convert sources to pictures, numbered from `first`. Raises as `as_picture` and `iterate_sources`."""
    return [as_picture(source, position=number) for number, source in enumerate(iterate_sources(sources), start=first)]


def as_rgb(pixels: NDArray[np.uint8], box: Box | None = None, name: str = "the picture") -> NDArray[np.uint8]:
    """Convert an array of pixels to RGB: (h, w) or (h, w, 3) uint8 → (h, w, 3). Raises `PictureError`."""
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise PictureError(
            f"{name} is an array {pixels.shape} of {pixels.dtype}: it must be (h, w) or (h, w, 3) of uint8"
        )
    if pixels.size == 0:
        raise PictureError(f"{name} has no pixels")
    rgb = np.repeat(pixels[:, :, None], 3, axis=2) if pixels.ndim == 2 else pixels
    return rgb if box is None else cropped(rgb, box, name)
