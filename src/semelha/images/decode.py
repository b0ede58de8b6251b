"""Decoding: bytes from anywhere in, RGB pixels or one clear error out.

Whatever the file says of itself is checked before a pixel is decoded: its length, its format, its size in pixels.
"""

from __future__ import annotations

import io
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from semelha.errors import NotAPicture, PictureError, PictureTooLarge, TruncatedPicture

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
Box = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels of the upright picture; right and bottom are outside."""


@dataclass(frozen=True)
class Limits:
    """The most that is decoded.

    Parameters
    ----------
    max_bytes : int
        Length of the file.
    max_pixels : int
        Width times height.
    """

    max_bytes: int = 64 * 2**20
    max_pixels: int = 100_000_000


def decode(
    source: str | os.PathLike[str] | bytes, *, box: Box | None = None, limits: Limits = Limits()
) -> NDArray[np.uint8]:
    """Decode a JPEG, PNG, WebP, BMP, TIFF or GIF (its first frame), turned upright as its EXIF data says.

    Alpha is laid on white; 16-bit and floating-point grey are scaled to 8 bits, not clipped; CMYK and palettes become RGB.

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
    name = "the picture" if isinstance(source, bytes) else str(source)
    image = _opened(_read(source, name, limits), name, limits)
    try:
        pixels = _to_rgb(_upright(image))
    except Image.DecompressionBombError as error:
        raise PictureTooLarge(f"{name} unpacks to more than it may: {error}") from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, MemoryError) as error:
        raise TruncatedPicture(f"{name} is cut off or damaged: {error}") from error
    return pixels if box is None else cropped(pixels, box, name)


def check_header(source: Path, *, limits: Limits = Limits()) -> None:
    """Raise what `decode` would raise for a file that is no picture or too large, without decoding it."""
    name = str(source)
    try:
        if source.stat().st_size > limits.max_bytes:
            raise PictureTooLarge(_too_many_bytes(name, source.stat().st_size, limits))
        with source.open("rb") as file:
            _opened(file, name, limits)
    except OSError as error:
        raise PictureError(f"{name} cannot be read: {error.strerror or error}") from error


def _read(source: str | os.PathLike[str] | bytes, name: str, limits: Limits) -> io.BytesIO:
    if isinstance(source, bytes):
        data = source
    else:
        try:
            with open(source, "rb") as file:
                data = file.read(limits.max_bytes + 1)
        except (OSError, ValueError) as error:
            raise PictureError(
                f"{name} cannot be read: {getattr(error, 'strerror', None) or error}"
            ) from error
    if len(data) > limits.max_bytes:
        raise PictureTooLarge(_too_many_bytes(name, len(data), limits))
    return io.BytesIO(data)


def _too_many_bytes(name: str, length: int, limits: Limits) -> str:
    return f"{name} has {length:,} bytes or more: the limit is {limits.max_bytes:,}"


def _opened(file: io.IOBase, name: str, limits: Limits) -> Image.Image:
    if not file.read(1):
        raise NotAPicture(f"{name} is empty")
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own limit, below, is the one that counts
            image: Image.Image = Image.open(file, formats=FORMATS)  # type: ignore[arg-type]
    except UnidentifiedImageError as error:
        raise NotAPicture(f"{name} is no picture in a format that is read ({', '.join(FORMATS)})") from error
    except Image.DecompressionBombError as error:
        raise PictureTooLarge(f"{name} has too many pixels: the limit is {limits.max_pixels:,}") from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, OverflowError) as error:
        raise TruncatedPicture(f"{name} is cut off or damaged: {error}") from error
    width, height = image.size
    if width * height > limits.max_pixels:
        raise PictureTooLarge(
            f"{name} has {width:,} × {height:,} pixels: the limit is {limits.max_pixels:,} in all"
        )
    return image


def _upright(image: Image.Image) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # damaged metadata beside whole pixels is no reason to refuse a picture
        image.load()
        try:
            return ImageOps.exif_transpose(image)
        except (SyntaxError, ValueError, TypeError, KeyError, OSError, ZeroDivisionError):
            return image


def _to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    mode = image.mode
    if mode.startswith("I") or mode == "F":
        grey = _scaled(np.asarray(image), mode)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return np.asarray(image.convert("RGB"))


def _scaled(values: NDArray[np.generic], mode: str) -> NDArray[np.uint8]:
    """Grey of more than 8 bits, to 8: 16-bit by its range; wider integers and floats by what they hold."""
    numbers = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = (float(numbers.min()), float(numbers.max())) if numbers.size else (0.0, 1.0)
    if mode == "F" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif low >= 0 and high <= 65535 and mode != "F":
        low, high = 0.0, 65535.0
    elif low >= 0 and high <= 255:
        low, high = 0.0, 255.0
    return np.rint((numbers - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)


def cropped(pixels: NDArray[np.uint8], box: Box, name: str) -> NDArray[np.uint8]:
    """The part of a picture (height, width, 3) inside a box. Raises `PictureError` where it does not lie in it."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = box
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise PictureError(f"the box {box} does not lie in {name}, which has {width} × {height} pixels")
    return pixels[top:bottom, left:right]
