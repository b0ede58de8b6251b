"""Pictures as requests send them: files as they are, pixels as PNG files."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from semelha.errors import PictureError
from semelha.images import Packed, Picture, Skipped, Source, as_picture
from semelha.images.picture import name_of
from semelha.text import as_unicode
from semelha.untrusted import MAX_NAME_LENGTH, read_bytes

Content = dict[str, Any]
BATCH = 32  # pictures of a request, where a call may take several requests
BATCH_BYTES = 24 << 20  # characters of their files in base64


def content_of(source: Source, position: int = 0) -> Content:
    """A picture for JSON. Raises `PictureError` if it cannot be read; it is not decoded."""
    picture = as_picture(source, position=position)
    content: Content = {
        "data": base64.b64encode(_file(picture)).decode(),
        "name": as_unicode(picture.name)[-MAX_NAME_LENGTH:],
    }
    if picture.box is not None:
        content["box"] = [int(one) for one in picture.box]
    return content


def contents_of(sources: Sequence[Source]) -> Iterator[Content | PictureError]:
    """Each picture for JSON, or the error of one that cannot be read."""
    for position, source in enumerate(sources):
        try:
            yield content_of(source, position)
        except PictureError as error:
            yield error


def usable(
    sources: Sequence[Source], contents: Iterable[Content | PictureError], skipped: list[Skipped] | None
) -> list[Content]:
    """The pictures that can be read. Raises the first error if there is no list for the others, or no picture."""
    found: list[Content] = []
    errors: list[PictureError] = []
    for position, one in enumerate(contents):
        if isinstance(one, dict):
            found.append(one)
            continue
        errors.append(one)
        if skipped is None:
            raise one
        skipped.append(Skipped(name_of(sources[position], position), str(one)))
    if errors and not found:
        raise errors[0]
    return found


def batches(contents: Iterator[Content | PictureError]) -> Iterator[list[Content | PictureError]]:
    """Pictures in groups that one request takes."""
    batch: list[Content | PictureError] = []
    size = 0
    for one in contents:
        length = len(one["data"]) if isinstance(one, dict) else 0
        if batch and (len(batch) == BATCH or size + length > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += length
    if batch:
        yield batch


def _file(picture: Picture) -> bytes:
    source = picture.source
    if isinstance(source, np.ndarray):
        file = io.BytesIO()
        Image.fromarray(source).save(file, "PNG", compress_level=1)
        return file.getvalue()
    if isinstance(source, Packed):
        return source.read(max_bytes=picture.limits.max_bytes)
    if isinstance(source, Path):
        try:
            return read_bytes(source, max_bytes=picture.limits.max_bytes, error=PictureError)
        except FileNotFoundError as error:
            raise PictureError(f"{source} cannot be read: {error.strerror}") from error
    return source
