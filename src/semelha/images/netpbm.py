"""Decode Netpbm files (PBM, PGM, PPM) whose values are text or have an unusual maximum: Pillow takes seconds for them.

The rest, of one byte for each sample, is left to Pillow, and so is the header of all of them.
"""

from __future__ import annotations

import re
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from semelha.images import tones

_COMMENT = re.compile(rb"#[^\r\n]*")


def load(image: ImageFile.ImageFile) -> Image.Image:
    """The decoded picture, if Pillow would decode it in Python; else the one that was passed. Raises `ValueError`."""
    codec, _, offset, arguments = image.tile[0]
    if codec not in ("ppm", "ppm_plain"):
        return image
    assert image.fp is not None
    image.fp.seek(offset)
    data = image.fp.read()
    bands = len(image.getbands())
    count = image.width * image.height * bands
    shape = (image.height, image.width, bands) if bands > 1 else (image.height, image.width)
    if image.mode == "1":
        bits = np.frombuffer(b"".join(_COMMENT.sub(b"", data).split())[:count], np.uint8)
        return Image.fromarray(np.where(_whole(bits, count).reshape(shape) == ord("1"), 0, 255).astype(np.uint8))
    most = int(cast("tuple[Any, ...]", arguments)[-1])
    if codec == "ppm_plain":
        values = np.fromstring(_COMMENT.sub(b" ", data).strip(), np.int64, sep=" ")[:count]
        if len(values) and not 0 <= values.min() <= values.max() <= most:
            raise ValueError(f"a value is not from 0 to {most}")
    else:
        values = np.frombuffer(data, np.uint8 if most < 256 else ">u2", min(count, len(data) // (1 + (most > 255))))
    return Image.fromarray(tones.scale(_whole(values, count).reshape(shape), 0, most))


def extra_bytes(image: ImageFile.ImageFile, length: int) -> int:
    """Bytes that `load` takes besides the picture, of a file of this length."""
    codec = image.tile[0][0]
    if codec == "ppm_plain":
        return 6 * length + 24 * image.width * image.height * len(image.getbands())
    return 2 * length if codec == "ppm" else 0


def _whole(values: NDArray[Any], count: int) -> NDArray[Any]:
    if len(values) < count:
        raise ValueError(f"it has {len(values):,} of {count:,} values")
    return values
