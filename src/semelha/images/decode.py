"""Decode image files safely to RGB pixels.

Length, format and size of a file are checked before any pixel is decoded. Errors are `PictureError`s with one sentence.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import struct
import threading
import warnings
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

from semelha.errors import NotAPicture, PictureError, PictureTooLarge, TruncatedPicture

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
Box = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels of the upright picture; right and bottom are outside."""

_PHOTOMETRIC = ExifTags.Base.PhotometricInterpretation
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
    """Upper limits of what is decoded.

    Parameters
    ----------
    max_bytes : int
        Length of a file.
    max_pixels : int
        Width times height. Above twice `PIL.Image.MAX_IMAGE_PIXELS` (179 million) Pillow itself refuses.
    """

    max_bytes: int = 64 * 2**20
    max_pixels: int = 100_000_000


def decode(
    source: str | os.PathLike[str] | bytes,
    *,
    box: Box | None = None,
    limits: Limits = Limits(),
    at_least: int | None = None,
) -> NDArray[np.uint8]:
    """Decode a JPEG, PNG, WebP, BMP, TIFF or GIF (its first frame), turned upright as its EXIF data says.

    Alpha is laid on white; 16-bit and floating-point grey are scaled to 8 bits, not clipped; CMYK and
    palettes become RGB: (height, width, 3) uint8. May be called from many threads at once.

    Parameters
    ----------
    box : (left, top, right, bottom), optional
        The part to return, in pixels of the upright picture at full size.
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
    orientation of a JPEG, 1 for every other picture; `decoded_pixels` counts what will be decoded.
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
        self.box = box
        self._file, length = _binary_file(source)
        try:
            with _quiet:
                self._image = _opened(self._file, length, self._name, limits)
                self.is_jpeg = isinstance(self._image, JpegImageFile)
                self.orientation = _orientation(self._image) if self.is_jpeg else 1
            self._full, self._scale = self._image.size, 1
            if at_least is not None and self.is_jpeg:
                self._scale = self._draft(at_least)
        except BaseException:
            self._file.close()
            raise
        self.decoded_pixels = self._image.width * self._image.height

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
                image.load()
                if self.box is not None and self._scale > 1:
                    image = self._in_box(image, self.box)
                white_is_zero = isinstance(image, TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == 0
                if not self.is_jpeg or self.orientation != 1:
                    with contextlib.suppress(*_DAMAGE):  # damaged metadata does not make intact pixels unusable
                        ImageOps.exif_transpose(image, in_place=True)
                image = _to_rgb(image, white_is_zero=white_is_zero)
        except Image.DecompressionBombError as error:
            raise PictureTooLarge(f"{name} has too many pixels: {error}") from error
        except MemoryError as error:
            raise PictureTooLarge(f"{name} ({image.width:,} × {image.height:,} pixels) fills the memory") from error
        except _DAMAGE as error:
            raise TruncatedPicture(f"{name} is cut off or damaged: {error}") from error
        if self.box is None or self._scale > 1:
            return image
        check_box(self.box, *image.size, name)
        return image.crop(self.box)

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
            return np.asarray(_to_rgb(ImageOps.exif_transpose(image), white_is_zero=False))
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


def _opened(file: BinaryIO, length: int, name: str, limits: Limits) -> Image.Image:
    if length > limits.max_bytes:
        raise PictureTooLarge(f"{name} has {length:,} bytes: the limit is {limits.max_bytes:,}")
    if length == 0:
        raise NotAPicture(f"{name} is empty")
    try:
        image: Image.Image = Image.open(file, formats=FORMATS)
    except UnidentifiedImageError as error:
        raise NotAPicture(f"{name} is no picture in a format that is read ({', '.join(FORMATS)})") from error
    except Image.DecompressionBombError as error:
        raise PictureTooLarge(f"{name} has too many pixels: {error}") from error
    except _DAMAGE as error:
        raise TruncatedPicture(f"{name} is cut off or damaged: {error}") from error
    if image.width * image.height > limits.max_pixels:
        raise PictureTooLarge(
            f"{name} has {image.width:,} × {image.height:,} pixels: the limit is {limits.max_pixels:,} in all"
        )
    return image


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except _DAMAGE:
        return 1


def _to_rgb(image: Image.Image, *, white_is_zero: bool) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        grey = _scaled(np.asarray(image), image.mode)
        if white_is_zero:  # Pillow inverts pictures of at most 8 bits only
            grey = 255 - grey
        image = Image.fromarray(grey)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _scaled(values: NDArray[np.generic], mode: str) -> NDArray[np.uint8]:
    """Scale grey of more than 8 bits to 8: from the narrowest usual range that has the values, or from their own."""
    with np.errstate(invalid="ignore"):  # a signaling NaN becomes a quiet one
        numbers = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(numbers.min()), float(numbers.max())
    usual = (1.0, 255.0, 65535.0) if mode == "F" else (65535.0,)  # Pillow reads 16 bits as I;16 or as I
    if low >= 0:
        low, high = 0.0, next((most for most in usual if high <= most), high)
    return np.rint((numbers - low) * 255 / max(high - low, 1e-12)).astype(np.uint8)
