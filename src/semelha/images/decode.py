"""Decoding: bytes from anywhere in, RGB pixels or one clear error out.

Whatever the file says of itself is checked before a pixel is decoded: its length, its format, its size.
"""

from __future__ import annotations

import io
import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from semelha.errors import NotAPicture, PictureError, PictureTooLarge, TruncatedPicture
from semelha.images.quiet import QuietPillow

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
Box = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels of the upright picture; right and bottom are outside."""

_PHOTOMETRIC = ExifTags.Base.PhotometricInterpretation
_quiet = QuietPillow()
# What Pillow's readers raise on damaged bytes, besides its own errors.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, ArithmeticError, struct.error)


@dataclass(frozen=True)
class Limits:
    """The most that is decoded.

    Parameters
    ----------
    max_bytes : int
        Length of the file.
    max_pixels : int
        Width times height. Above twice `PIL.Image.MAX_IMAGE_PIXELS` (179 million) Pillow itself refuses.
    """

    max_bytes: int = 64 * 2**20
    max_pixels: int = 100_000_000


def decode(
    source: str | os.PathLike[str] | bytes, *, box: Box | None = None, limits: Limits = Limits()
) -> NDArray[np.uint8]:
    """Decode a JPEG, PNG, WebP, BMP, TIFF or GIF (its first frame), turned upright as its EXIF data says.

    Alpha is laid on white; 16-bit and floating-point grey are scaled to 8 bits, not clipped; CMYK and
    palettes become RGB. May be called from many threads at once.

    Parameters
    ----------
    source : path or bytes
    box : (left, top, right, bottom), optional
        The part to return, in pixels of the upright picture.
    limits : Limits

    Returns
    -------
    (height, width, 3) uint8, RGB

    Raises
    ------
    NotAPicture, TruncatedPicture, PictureTooLarge
    PictureError
        The file cannot be read, or the box does not lie in the picture.
    """
    if isinstance(source, bytes):
        name = "the picture"
        pixels = _decoded(io.BytesIO(source), len(source), name, limits)
    else:
        name = os.fspath(source)
        with _readable(name) as file:
            pixels = _decoded(file, os.fstat(file.fileno()).st_size, name, limits)
    return pixels if box is None else cropped(pixels, box, name)


def check_header(source: Path, *, limits: Limits = Limits()) -> None:
    """Raise what `decode` would raise for a file that is no picture or too large, without decoding it."""
    with _readable(str(source)) as file:
        _opened(file, os.fstat(file.fileno()).st_size, str(source), limits)


def cropped(pixels: NDArray[np.uint8], box: Box, name: str) -> NDArray[np.uint8]:
    """The part of a picture (height, width, 3) inside a box, copied. Raises `PictureError`."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = box
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise PictureError(f"the box {box} does not lie in {name}, which has {width} × {height} pixels")
    return pixels[top:bottom, left:right].copy()  # a view would keep the whole picture in memory


def _readable(name: str) -> BinaryIO:
    try:
        if not stat.S_ISREG(os.stat(name).st_mode):  # a pipe would wait for a writer forever
            raise PictureError(f"{name} cannot be read: it is no file")
        return open(name, "rb")
    except (OSError, ValueError) as error:
        raise PictureError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _decoded(file: BinaryIO, length: int, name: str, limits: Limits) -> NDArray[np.uint8]:
    image = _opened(file, length, name, limits)
    try:
        with _quiet:
            image.load()
            white_is_zero = isinstance(image, TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == 0
            return _to_rgb(_upright(image), white_is_zero=white_is_zero)
    except Image.DecompressionBombError as error:
        raise PictureTooLarge(f"{name} has too many pixels: {error}") from error
    except MemoryError as error:
        raise PictureTooLarge(f"{name} ({image.width:,} × {image.height:,} pixels) fills the memory") from error
    except _DAMAGE as error:
        raise TruncatedPicture(f"{name} is cut off or damaged: {error}") from error


def _opened(file: BinaryIO, length: int, name: str, limits: Limits) -> Image.Image:
    if length > limits.max_bytes:
        raise PictureTooLarge(f"{name} has {length:,} bytes: the limit is {limits.max_bytes:,}")
    if length == 0:
        raise NotAPicture(f"{name} is empty")
    try:
        with _quiet:
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


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except _DAMAGE:  # damaged metadata beside whole pixels is no reason to refuse a picture
        return image


def _to_rgb(image: Image.Image, *, white_is_zero: bool) -> NDArray[np.uint8]:
    if image.mode == "F" or image.mode.startswith("I"):
        grey = _scaled(np.asarray(image), image.mode)
        if white_is_zero:  # Pillow sees to it in pictures of 8 bits and fewer only
            grey = 255 - grey
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"))


def _scaled(values: NDArray[np.generic], mode: str) -> NDArray[np.uint8]:
    """Grey of more than 8 bits, to 8: by the narrowest usual range that holds the values, or by their own."""
    with np.errstate(invalid="ignore"):  # a signaling NaN becomes a quiet one
        numbers = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(numbers.min()), float(numbers.max())
    usual = (1.0, 255.0, 65535.0) if mode == "F" else (65535.0,)  # Pillow reads 16 bits as I;16 or as I
    if low >= 0:
        low, high = 0.0, next((most for most in usual if high <= most), high)
    return np.rint((numbers - low) * 255 / max(high - low, 1e-12)).astype(np.uint8)
