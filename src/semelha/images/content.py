"""Content hashes: recognize the same picture again, for duplicates and for pictures that a model was trained on.

Two ways to compute them exist, which a set of hashes records as its *basis*:

"encoded"
    A JPEG by its compressed data, without metadata, together with its orientation and its box: the hash needs no
    decoding, and does not depend on the scale at which the picture is decoded. It begins with "jpeg:". Every other
    picture by its pixels: the same for a picture in any lossless format, and for an array.
"pixels"
    Every picture by its pixels, decoded in full. Sets written by semelha before 0.2 have this basis. Hashes of pictures
    that are not JPEGs are the same in both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Literal

import numpy as np
import xxhash
from numpy.typing import NDArray
from PIL import Image

from semelha.images.decode import Box, OpenPicture
from semelha.images.picture import Picture
from semelha.images.tones import strips

HashBasis = Literal["encoded", "pixels"]
"""How a content hash is computed: of the data of a JPEG, and the pixels of others ("encoded"); or of pixels alone."""

CURRENT: HashBasis = "encoded"

_START_OF_SCAN, _STUFFED = 0xDA, {0x01, *range(0xD0, 0xD8)}  # markers without a length
_METADATA = {*range(0xE1, 0xEE), 0xEF, 0xFE}  # APP1 to APP13, APP15 and comments; APP0 and APP14 tell the color space


def content_hash(picture: Image.Image | NDArray[np.uint8]) -> str:
    """SHA-256 of shape and pixels, in hex: the same for a picture in any file format without loss.

    The picture is an RGB image of Pillow or its pixels (h, w, 3).
    """
    if isinstance(picture, np.ndarray):
        digest = hashlib.sha256(repr(picture.shape).encode())
        digest.update(np.ascontiguousarray(picture).data)
        return digest.hexdigest()
    digest = hashlib.sha256(repr((picture.height, picture.width, 3)).encode())
    for strip in strips(picture):  # a copy of all pixels would take as much memory again
        digest.update(strip.tobytes())
    return digest.hexdigest()


def content_hashes(picture: Picture, bases: Collection[HashBasis] = (CURRENT,)) -> tuple[str, ...]:
    """The content hash of a picture in each of the bases: see the head of this module.

    A picture is in a set of hashes if one of its hashes is, in the bases that the set records: a model's card in
    `content_bases`, a gallery in its metadata. Raises `PictureError`.
    """
    if isinstance(picture.source, np.ndarray):
        return (content_hash(picture.pixels()),)
    hashes = []
    for basis in bases:
        with picture.open() as opened:
            hashes.append(hash_of(opened, basis) or content_hash(opened.image()))
    return tuple(dict.fromkeys(hashes))


def hash_of(opened: OpenPicture, basis: HashBasis) -> str | None:
    """The hash of an encoded picture where that needs no pixels: of a JPEG by its data; otherwise None."""
    if basis == "pixels" or not opened.is_jpeg:
        return None
    return jpeg_hash(opened.encoded(), orientation=opened.orientation, box=opened.box)


def jpeg_hash(encoded: bytes, *, orientation: int, box: Box | None) -> str:
    """XXH3-128 of a JPEG's compressed data, EXIF orientation (1 to 8) and box, in hex after "jpeg:".

    Segments with metadata (EXIF, XMP, color profiles, comments) are left out, so that adding or removing them does not
    change the hash.
    """
    digest = xxhash.xxh3_128(f"{orientation} {box}".encode())
    place = 2
    while place + 4 <= len(encoded) and encoded[place] == 0xFF:
        marker = encoded[place + 1]
        if marker == 0xFF:  # a fill byte
            place += 1
            continue
        if marker == _START_OF_SCAN:
            break
        end = place + 2 + (0 if marker in _STUFFED else int.from_bytes(encoded[place + 2 : place + 4], "big"))
        if marker not in _METADATA:
            digest.update(encoded[place:end])
        place = end
    digest.update(memoryview(encoded)[place:])
    return f"jpeg:{digest.hexdigest()}"
