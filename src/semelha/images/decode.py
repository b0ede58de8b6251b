"""Decode image files safely to RGB pixels.

Length, format, structure and size of a file, and the memory that decoding takes, are checked before any pixel is
decoded. Errors are `PictureError`s with one sentence.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import math
import os
import re
import stat
import struct
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

from semelha.arguments import check_fields, check_int
from semelha.errors import NotAPicture, PictureError, PictureTooLarge, TruncatedPicture
from semelha.images import header, netpbm, tones

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
Box = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels of the upright picture; right and bottom are outside."""

_PIXEL_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}  # in memory; of other modes 4
_DECODER_BYTES = {"WEBP": 16, "AVIF": 16, "HEIC": 12}  # per pixel while these decode, measured, the picture included
_TURNED = {
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
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, ArithmeticError, struct.error)


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


_quiet = _QuietPillow()


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


def decode(
    source: str | os.PathLike[str] | bytes,
    *,
    box: Box | None = None,
    limits: Limits = Limits(),
    at_least: int | None = None,
) -> NDArray[np.uint8]:
    """Decode a JPEG, PNG, WebP, BMP, TIFF, GIF, Netpbm, AVIF or HEIC file, turned upright as its EXIF data says.

    The format is recognized by the content. Of several frames the first is decoded. Alpha is laid on white; 16-bit and
    floating-point grey are scaled to 8 bits, not clipped; CMYK and palettes become RGB: (height, width, 3) uint8. May
    be called from many threads at once.

    Parameters
    ----------
    source : path or bytes
        A file or its content.
    box : (left, top, right, bottom), optional
        The part to return, in pixels of the upright picture at full size.
    limits : Limits, optional
    at_least : int, optional
        Side in pixels to which the picture will be resized. A JPEG is then decoded at 1/2, 1/4 or 1/8 of its size, as
        long as the shorter side of the result has twice as many pixels. Without it, every picture is decoded in full.

    Raises
    ------
    NotAPicture, TruncatedPicture, PictureTooLarge
    PictureError
        The file cannot be read, or the box does not lie in the picture.
    """
    with OpenPicture(source, box=box, limits=limits, at_least=at_least) as opened:
        return opened.pixels()


class OpenPicture:
    """An encoded picture whose header is read and whose pixels are not decoded yet. A context manager.

    Takes the arguments of `decode` and raises its errors; `name` is for error messages. `orientation` is the EXIF
    orientation; `decoding_bytes` estimates the memory that decoding takes.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | bytes,
        *,
        name: str | None = None,
        box: Box | None = None,
        limits: Limits = Limits(),
        at_least: int | None = None,
    ) -> None:
        self._name = name or ("the picture" if isinstance(source, bytes) else os.fspath(source))
        self._limits = limits
        self.box = box
        self._file, length = _binary_file(source)
        try:
            with _quiet:
                self._kind, self._image = _opened(self._file, length, self._name, limits)
                self.is_jpeg = isinstance(self._image, JpegImageFile)
                self.orientation = _orientation(self._image)
            self._full, self._scale = self._image.size, 1
            coefficients = self._check_scans() if self.is_jpeg else 0
            if at_least is not None and self.is_jpeg:
                self._scale = self._draft(at_least)
            self.decoding_bytes = coefficients + self._pixel_bytes(length)
            if self.decoding_bytes > limits.max_memory:
                raise PictureTooLarge(
                    f"{self._name} ({self._full[0]:,} × {self._full[1]:,} pixels, {self._kind}) takes "
                    f"{self.decoding_bytes / 2**20:,.0f} MB of memory to decode: max_memory is "
                    f"{limits.max_memory / 2**20:,.0f} MB"
                )
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> OpenPicture:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole picture, upright."""
        width, height = self._full
        return (height, width) if _orientation(self._image) >= 5 else (width, height)

    def encoded(self) -> bytes:
        """The file as it is."""
        self._file.seek(0)
        return self._file.read()

    def pixels(self) -> NDArray[np.uint8]:
        """Decode: (height, width, 3) uint8, upright, the part in the box. Once only."""
        return np.asarray(self.image())

    def image(self) -> Image.Image:
        """Decode: an RGB image of Pillow, upright, the part in the box. Once only."""
        image, name = self._image, self._name
        try:
            with _quiet:
                if self._kind == "PPM":
                    image = netpbm.load(cast(ImageFile.ImageFile, image))
                image.load()
                if self.box is not None and self._scale > 1:
                    image = self._in_box(image, self.box)
                stated = self._stated_range()
                if self._kind == "TIFF":  # Pillow may have turned it, and knows
                    with contextlib.suppress(*_DAMAGE):  # damaged metadata does not make intact pixels unusable
                        ImageOps.exif_transpose(image, in_place=True)
                elif self.orientation != 1:
                    image = image.transpose(_TURNED[self.orientation])
                white_is_zero = self._tag(ExifTags.Base.PhotometricInterpretation) == 0
                bits = self._limits.bits
                image = tones.to_rgb(image, name, bits=bits, stated=stated, white_is_zero=white_is_zero)
                if self.box is None or self._scale > 1:
                    return image
                check_box(self.box, *image.size, name)
                return image if self.box == (0, 0, *image.size) else image.crop(self.box)
        except Image.DecompressionBombError as error:
            raise PictureTooLarge(f"{name} has a part of more pixels than Pillow takes") from error
        except MemoryError as error:
            raise PictureTooLarge(f"{name} ({image.width:,} × {image.height:,} pixels) fills the memory") from error
        except _DAMAGE as error:
            raise TruncatedPicture(f"{name} is cut off or damaged: {error}") from error

    def _check_scans(self) -> int:
        """Bytes of the coefficients that libjpeg keeps if it decodes the JPEG in several passes; else 0."""
        image = cast(JpegImageFile, self._image)
        width, height = self._full
        progressive = "progressive" in image.info
        if not header.check_scans(self._file, width * height, image.layers, progressive, self._name):
            return 0
        samples = [across * down for _, across, down, *_ in image.layer]
        return 2 * width * height * sum(samples) // max(1, *samples)

    def _pixel_bytes(self, length: int) -> int:
        """Bytes that decoding takes at most: the decoded picture, and the next one that is made of it."""
        image = self._image
        pixels = image.width * image.height
        stored = _PIXEL_BYTES.get(image.mode, 4)
        turned = 0 if self.orientation == 1 else stored
        becomes_rgb = 0 if image.mode == "RGB" and not image.has_transparency_data else 4
        most = pixels * max(_DECODER_BYTES.get(self._kind, stored), stored + max(turned, becomes_rgb))
        if self._kind == "PPM":
            return most + netpbm.extra_bytes(cast(ImageFile.ImageFile, image), length)
        tile = [self._tag(number) for number in (322, 323)]  # width and height
        if all(isinstance(each, int) for each in tile):
            depth = self._tag(ExifTags.Base.BitsPerSample)
            most += 2 * tile[0] * tile[1] * sum(depth if isinstance(depth, tuple) else (depth or 1,)) // 8
        return most

    def _tag(self, number: int) -> Any:
        """A tag of a TIFF file; None of another format, or if it is absent or damaged."""
        try:
            return self._image.tag_v2.get(number) if isinstance(self._image, TiffImageFile) else None
        except _DAMAGE:
            return None

    def _stated_range(self) -> tones.Range | None:
        """The range of grey of more than 8 bits that the file states, if it does."""
        if not self._image.mode.startswith("I"):
            return None
        if self._kind == "PNG":
            bits = header.significant_bits(self._file)
            most = 2**bits - 1 if bits else 0
            return (0.0, float(most)) if most and np.asarray(self._image).max() <= most else None
        for low, high in ((340, 341), (280, 281)):  # SMinSampleValue and SMaxSampleValue, or those of TIFF 5
            least, most = (_first(self._tag(number)) for number in (low, high))
            if most is not None and most > (least or 0.0) and not (least is None and most >= 65535):
                return least or 0.0, most
        depth = _first(self._tag(ExifTags.Base.BitsPerSample))
        return (0.0, 2.0**depth - 1) if depth is not None and 8 < depth < 16 else None

    def _draft(self, at_least: int) -> int:
        """Set the smallest scale at which the picture, or its box, still has twice the side that is needed."""
        width, height = self._full
        left, top, right, bottom = self.box or (0, 0, width, height)
        side = min(right - left, bottom - top)
        scale = next((each for each in (8, 4, 2) if side >= 2 * at_least * each), 1)
        if scale > 1:
            self._image.draft(None, (width // scale, height // scale))
        return -(-width // self._image.width)

    def _in_box(self, image: Image.Image, box: Box) -> Image.Image:
        """Crop a picture that was decoded at a scale and is not upright yet; edges between pixels are interpolated."""
        width, height = self._full
        check_box(box, *((height, width) if self.orientation >= 5 else (width, height)), self._name)
        left, top, right, bottom = box
        if self.orientation >= 5:
            left, top, right, bottom = top, left, bottom, right
        if self.orientation in (2, 3, 7, 8):
            left, right = width - right, width - left
        if self.orientation in (3, 4, 6, 7):
            top, bottom = height - bottom, height - top
        scale = self._scale
        part = (left / scale, top / scale, right / scale, bottom / scale)
        size = (round(part[2] - part[0]), round(part[3] - part[1]))
        return image.resize(size, Image.Resampling.BICUBIC, box=part)


def to_rgb(image: Image.Image, name: str = "the picture") -> NDArray[np.uint8]:
    """Pixels of a Pillow image, upright: (height, width, 3) uint8. Raises `PictureError`."""
    try:
        with _quiet:
            image.load()
            return np.asarray(tones.to_rgb(ImageOps.exif_transpose(image), name))
    except MemoryError as error:
        raise PictureTooLarge(f"{name} ({image.width:,} × {image.height:,} pixels) fills the memory") from error
    except _DAMAGE as error:
        raise TruncatedPicture(f"{name} cannot be used: {error}") from error


def cropped(pixels: NDArray[np.uint8], box: Box, name: str) -> NDArray[np.uint8]:
    """Copy the part of a picture (height, width, 3) inside a box. Raises `PictureError`."""
    check_box(box, pixels.shape[1], pixels.shape[0], name)
    left, top, right, bottom = box
    return pixels[top:bottom, left:right].copy()  # a view would keep the whole picture in memory


def check_box(box: Box, width: int, height: int, name: str) -> None:
    """Raise `PictureError` unless the box lies in a picture of this size."""
    left, top, right, bottom = box
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise PictureError(f"the box {box} does not lie in {name}, which has {width} × {height} pixels")


def _binary_file(source: str | os.PathLike[str] | bytes) -> tuple[BinaryIO, int]:
    """An open file, and its length."""
    if isinstance(source, bytes):
        return io.BytesIO(source), len(source)
    name = os.fspath(source)
    try:
        status = os.stat(name)
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for a writer
            raise PictureError(f"{name} cannot be read: it is no file")
        return open(name, "rb"), status.st_size
    except (OSError, ValueError) as error:
        raise PictureError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _opened(file: BinaryIO, length: int, name: str, limits: Limits) -> tuple[str, Image.Image]:
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
    except _DAMAGE as error:
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


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation of a picture, or that in its XMP data: 1 to 8; 1 if it is damaged."""
    try:
        if isinstance(image, TiffImageFile):
            found = image.tag_v2.get(ExifTags.Base.Orientation, 1)
            return found if found in _TURNED else 1
        exif = image.info.get("exif")
        if exif is None and "Raw profile type exif" in image.info:  # of ImageMagick, in PNG
            exif = bytes.fromhex("".join(image.info["Raw profile type exif"].split("\n")[3:]))
        if exif and (found := header.orientation_in(exif)):
            return found
        xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
        match = _XMP_ORIENTATION.search(xmp.encode() if isinstance(xmp, str) else xmp)
        return int(match[1]) if match and int(match[1]) in _TURNED else 1
    except _DAMAGE:
        return 1


def _first(value: object) -> float | None:
    """The first number of a tag, if it is finite."""
    if isinstance(value, tuple) and value:
        value = value[0]
    try:
        number = float(cast(float, value))
    except (TypeError, ValueError, ArithmeticError):
        return None
    return number if math.isfinite(number) else None
