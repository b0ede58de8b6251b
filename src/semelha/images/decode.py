"""Decode image files safely to RGB pixels.

Length, format, structure and size of a file, and the memory that decoding takes, are checked before any pixel is
decoded. Errors are `PictureError`s with one sentence.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import stat
import sys
from datetime import datetime
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

from semelha.errors import PictureError, PictureTooLarge, TruncatedPicture
from semelha.images import header, netpbm, tones
from semelha.images.formats import DAMAGE, TURNED, Limits, exif_of, open_image, orientation_of, quiet

Box = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels of the upright picture; right and bottom are outside."""

_PIXEL_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}  # in memory; of other modes 4
_DECODER_BYTES = {"WEBP": 16, "AVIF": 16, "HEIC": 12}  # per pixel while these decode, measured, the picture included

_OTHER_BYTES = {"RGB;16B": "RGB;16L", "RGB;16L": "RGB;16B"}
_OTHER_BYTES["RGB;16N"] = "RGB;16B" if sys.byteorder == "little" else "RGB;16L"
"""For color of 16 bits, of which Pillow takes the high bytes: the raw mode by which it takes the low bytes."""


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
        self._file, self._length = _binary_file(source)
        try:
            with quiet:
                self._kind, self._image = open_image(self._file, self._length, self._name, limits)
                self.is_jpeg = isinstance(self._image, JpegImageFile)
                self.orientation = orientation_of(self._image)
            self._full, self._scale = self._image.size, 1
            coefficients = self._check_scans() if self.is_jpeg else 0
            if at_least is not None and self.is_jpeg:
                self._scale = self._draft(at_least)
            self.decoding_bytes = coefficients + self._pixel_bytes()
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
        swapped = self._tag(ExifTags.Base.ImageWidth) not in (None, width)  # by Pillow
        return (height, width) if self.orientation >= 5 and not swapped else (width, height)

    def capture_time(self) -> datetime | None:
        """When the picture was taken, by the clock of the camera (DateTimeOriginal); None if the file does not say."""
        try:
            exif = io.BytesIO(exif_of(self._image))
            file, length = (self._file, self._length) if self._kind == "TIFF" else (exif, len(exif.getvalue()))
            written = header.capture_time_in(file, length)
            return None if written is None else datetime.strptime(written, "%Y:%m:%d %H:%M:%S")
        except DAMAGE:
            return None

    def signature(self) -> tuple[int, bytes]:
        """Length and last bytes of the file: files of the same content have the same."""
        length = self._file.seek(0, os.SEEK_END)
        self._file.seek(max(0, length - 64))
        return length, self._file.read()

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
            with quiet:
                if self._kind == "PPM":
                    image = netpbm.load(cast(ImageFile.ImageFile, image))
                rawmode = _rawmode(image)
                image.load()
                if rawmode in _OTHER_BYTES:
                    image = self._deep_color(image, _OTHER_BYTES[rawmode])
                if self.box is not None and self._scale > 1:
                    image = self._in_box(image, self.box)
                stated = self._stated_range()
                if self._kind == "TIFF":  # Pillow may have turned it, and knows
                    with contextlib.suppress(*DAMAGE):  # damaged metadata does not make intact pixels unusable
                        ImageOps.exif_transpose(image, in_place=True)
                elif self.orientation != 1:
                    image = image.transpose(TURNED[self.orientation])
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
        except DAMAGE as error:
            raise TruncatedPicture(f"{name} is cut off or damaged: {error}") from error

    def _deep_color(self, image: Image.Image, rawmode: str) -> Image.Image:
        """Color of 16 bits, of which Pillow keeps the high bytes: scaled if values use a part of their range."""
        bits = self._limits.bits
        if bits is None and max(np.max(each) for each in image.getextrema()) >= 64:  # more than 14 bits
            return image
        self._file.seek(0)
        low = cast(ImageFile.ImageFile, open_image(self._file, self._length, self._name, self._limits)[1])
        low.tile = [_with_rawmode(each, rawmode) for each in low.tile]
        low.load()
        return tones.color_of_bytes(image, low, self._name, bits)

    def _check_scans(self) -> int:
        """Bytes of the coefficients that libjpeg keeps if it decodes the JPEG in several passes; else 0."""
        image = cast(JpegImageFile, self._image)
        width, height = self._full
        progressive = "progressive" in image.info
        if not header.check_scans(self._file, width * height, image.layers, progressive, self._name):
            return 0
        samples = [across * down for _, across, down, *_ in image.layer]
        return 2 * width * height * sum(samples) // max(1, *samples)

    def _pixel_bytes(self) -> int:
        """Bytes that decoding takes at most: the decoded picture, and the next one that is made of it."""
        image = self._image
        pixels = image.width * image.height
        stored = _PIXEL_BYTES.get(image.mode, 4)
        turned = 0 if self.orientation == 1 else stored
        becomes_rgb = 0 if image.mode == "RGB" and not image.has_transparency_data else 4
        if _rawmode(image) in _OTHER_BYTES:
            becomes_rgb = 8  # the low bytes, and the picture
        most = pixels * max(_DECODER_BYTES.get(self._kind, stored), stored + max(turned, becomes_rgb))
        if self._kind == "PPM":
            return most + netpbm.extra_bytes(cast(ImageFile.ImageFile, image), self._length)
        tile = [self._tag(number) for number in (322, 323)]  # width and height
        if all(isinstance(each, int) for each in tile):
            depth = self._tag(ExifTags.Base.BitsPerSample)
            most += 2 * tile[0] * tile[1] * sum(depth if isinstance(depth, tuple) else (depth or 1,)) // 8
        return most

    def _tag(self, number: int) -> Any:
        """A tag of a TIFF file; None of another format, or if it is absent or damaged."""
        try:
            return self._image.tag_v2.get(number) if isinstance(self._image, TiffImageFile) else None
        except DAMAGE:
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
        with quiet:
            image.load()
            return np.asarray(tones.to_rgb(ImageOps.exif_transpose(image), name))
    except MemoryError as error:
        raise PictureTooLarge(f"{name} ({image.width:,} × {image.height:,} pixels) fills the memory") from error
    except DAMAGE as error:
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


def _first(value: object) -> float | None:
    """The first number of a tag, if it is finite."""
    if isinstance(value, tuple) and value:
        value = value[0]
    try:
        number = float(cast(float, value))
    except (TypeError, ValueError, ArithmeticError):
        return None
    return number if math.isfinite(number) else None


def _rawmode(image: Image.Image) -> str:
    """How the decoder of Pillow unpacks the first tile of a picture; "" if it does not say."""
    args = image.tile[0][3] if isinstance(image, ImageFile.ImageFile) and image.tile else ""
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def _with_rawmode(tile: Any, rawmode: str) -> Any:
    """A tile that its decoder unpacks in another way; a named tuple since Pillow 11."""
    args = (rawmode, *tile[3][1:]) if isinstance(tile[3], tuple) else rawmode
    return tile._replace(args=args) if hasattr(tile, "_replace") else (*tile[:3], args)
