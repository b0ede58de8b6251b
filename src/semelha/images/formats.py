"""Open image files of the formats that are read, without decoding pixels, within limits."""

from __future__ import annotations

import importlib
import re
import struct
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import BinaryIO, cast

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import TiffImageFile

from semelha.arguments import check_fields, check_int
from semelha.errors import NotAPicture, PictureTooLarge, TruncatedPicture
from semelha.images import header

FORMATS = {
    "JPEG": "JpegImagePlugin.jpeg_factory",
    "PNG": "PngImagePlugin.PngImageFile",
    "WEBP": "WebPImagePlugin.WebPImageFile",
    "BMP": "BmpImagePlugin.BmpImageFile",
    "TIFF": "TiffImagePlugin.TiffImageFile",
    "GIF": "GifImagePlugin.GifImageFile",
    "PPM": "PpmImagePlugin.PpmImageFile",
    "AVIF": "AvifImagePlugin.AvifImageFile",
    "HEIC": "pillow_heif.HeifImageFile",
}
"""Formats that are read, by their content, and what opens them: of Pillow, or of the extra `heic`."""
NAMES = ", ".join(("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "Netpbm", "AVIF", "HEIC"))
UNREAD = {
    "AVIF": "an AVIF picture, which takes Pillow 11.3 or newer: pip install --upgrade pillow",
    "HEIC": "a HEIC picture, which takes an extra: pip install 'semelha[heic]'",
    "JPEG XL": "a JPEG XL picture, which is not read: convert it to PNG or JPEG",
    "JPEG 2000": "a JPEG 2000 picture, which is not read: convert it to PNG or JPEG",
}
TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
# Exceptions of Pillow's readers on damaged data, besides its own.
DAMAGE = (
    OSError,
    RuntimeError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    struct.error,
)


class _QuietPillow:
    """Suppresses Pillow's warnings, of damaged metadata and of its own limit of pixels, while any thread is inside.

    `warnings.catch_warnings` replaces the filters of the whole process: if threads overlap, the last one to leave
    restores filters that another had set. Here the first thread to enter sets them, and the last one restores them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._filters.__exit__(None, None, None)


quiet = _QuietPillow()


@dataclass(frozen=True)
class Limits:
    """Upper limits of what is decoded, and the range of deep pictures. docs/pictures.md has the reasons.

    Parameters
    ----------
    max_bytes : int
        Length of a file.
    max_pixels : int
        Width times height of the picture in its file.
    max_memory : int
        Bytes of memory that decoding one picture may take, estimated before it begins. At a part of its size (see
        `at_least` of `decode`) a picture takes less.
    bits : int, optional
        Bits that count in grey pictures of more than 8 bits, 8 to 32: 12 for a camera of 12 bits whose files have 16.
        By default as the file says, or from its values.

    Raises
    ------
    UsageError
        A limit is below 1, or `bits` is not from 8 to 32.
    """

    max_bytes: int = 2**28
    max_pixels: int = 250_000_000
    max_memory: int = 2**30
    bits: int | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("max_bytes", "max_pixels", "max_memory"):
            check_int(name, getattr(self, name), 1, 2**62)
        if self.bits is not None:
            check_int("bits", self.bits, 8, 32)


def open_image(file: BinaryIO, length: int, name: str, limits: Limits) -> tuple[str, Image.Image]:
    """The format of a file, and its image of Pillow, whose pixels are not decoded yet."""
    if length > limits.max_bytes:
        raise PictureTooLarge(f"{name} has {length:,} bytes: max_bytes is {limits.max_bytes:,}")
    if length == 0:
        raise NotAPicture(f"{name} is empty")
    try:
        kind = header.format_of(file.read(64))
        factory = _factory(kind) if kind in FORMATS else None
        if kind is None or factory is None:
            problem = UNREAD.get(kind or "", f"no picture in a format that is read ({NAMES})")
            raise NotAPicture(f"{name} is {problem}")
        header.check_before_opening(file, length, kind, name)
        taken = file if length <= header.SMALL_FILE else header.BoundedFile(file, length, name)
        image: Image.Image = factory(taken, "")
    except SyntaxError as error:
        raise NotAPicture(f"{name} is no picture in a format that is read ({NAMES})") from error
    except Image.DecompressionBombError as error:
        raise PictureTooLarge(f"{name} has more pixels than Pillow takes") from error
    except MemoryError as error:
        raise PictureTooLarge(f"{name} fills the memory") from error
    except DAMAGE as error:
        raise TruncatedPicture(f"{name} is cut off or damaged: {error}") from error
    if image.width * image.height > limits.max_pixels:
        raise PictureTooLarge(
            f"{name} has {image.width:,} × {image.height:,} pixels: max_pixels is {limits.max_pixels:,} in all"
        )
    return kind, image


@cache
def _factory(kind: str) -> Callable[..., Image.Image] | None:
    """What opens files of a format; None if it is not installed."""
    module, name = FORMATS[kind].split(".")
    try:
        found = importlib.import_module(module if kind == "HEIC" else f"PIL.{module}")
    except ImportError:
        return None
    if kind == "AVIF" and not found.SUPPORTED:
        return None
    return cast("Callable[..., Image.Image]", getattr(found, name))


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation of a picture, or that in its XMP data: 1 to 8; 1 if it is damaged."""
    try:
        if isinstance(image, TiffImageFile):
            found = image.tag_v2.get(ExifTags.Base.Orientation, 1)
            return found if found in TURNED else 1
        exif = exif_of(image)
        if exif and (found := header.orientation_in(exif)):
            return found
        xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
        match = _XMP_ORIENTATION.search(xmp.encode() if isinstance(xmp, str) else xmp)
        return int(match[1]) if match and int(match[1]) in TURNED else 1
    except DAMAGE:
        return 1


def exif_of(image: Image.Image) -> bytes:
    """EXIF data of a picture that is no TIFF, without its prefix; empty if there is none. May raise `DAMAGE`."""
    exif = image.info.get("exif")
    if exif is None and "Raw profile type exif" in image.info:  # of ImageMagick, in PNG
        exif = bytes.fromhex("".join(image.info["Raw profile type exif"].split("\n")[3:]))
    return bytes(exif or b"").removeprefix(b"Exif\0\0")
