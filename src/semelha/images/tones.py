"""Convert decoded pictures to RGB of 8 bits in strips, so that memory does not grow with every step.

Grey of more than 8 bits, and floating-point grey, is scaled to 8 bits from the range of its values. It is, in this
order: the number of bits that the caller passes; the range that the file states (TIFF SMinSampleValue and
SMaxSampleValue, or BitsPerSample; PNG sBIT; Netpbm maxval); or the narrowest usual range that has the values. The last
is an assumption, which is logged once for each range.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

logger = logging.getLogger(__name__)

STRIP_PIXELS = 2**20
USUAL_BITS = (8, 10, 12, 14, 16)
Range = tuple[float, float]

_reported: set[float] = set()
_lock = threading.Lock()


def to_rgb(
    image: Image.Image,
    name: str,
    *,
    bits: int | None = None,
    stated: Range | None = None,
    white_is_zero: bool = False,
) -> Image.Image:
    """An RGB image of 8 bits, with alpha laid on white. See the head of this module for the range of grey.

    `white_is_zero` inverts grey of more than 8 bits: Pillow inverts pictures of at most 8 bits only.
    """
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode != "F" and not image.mode.startswith("I"):
        return _in_strips(image, _eight_bits_to_rgb)
    low, high = _range(image, name, bits, stated)

    def scaled(strip: Image.Image) -> Image.Image:
        grey = scale(np.asarray(strip), low, high)
        return Image.fromarray(255 - grey if white_is_zero else grey).convert("RGB")

    return _in_strips(image, scaled)


def color_of_bytes(high: Image.Image, low: Image.Image, name: str, bits: int | None) -> Image.Image:
    """An RGB image of color of 16 bits, from the images of its high and low bytes, scaled as grey is."""

    def pairs() -> Iterator[NDArray[np.uint16]]:
        for one, other in zip(strips(high), strips(low), strict=True):
            yield np.asarray(one).astype(np.uint16) * np.uint16(256) + np.asarray(other)

    most = _assumed(name, max(float(each.max()) for each in pairs()), []) if bits is None else 2.0**bits - 1
    image, top = Image.new("RGB", high.size), 0
    for each in pairs():
        image.paste(Image.fromarray(scale(each, 0.0, most)), (0, top))
        top += len(each)
    return image


def scale(values: NDArray[np.generic], low: float, high: float) -> NDArray[np.uint8]:
    """Scale numbers from `low`..`high` to 0..255, rounded; numbers outside are clipped, NaN becomes `low`."""
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:
        table = np.arange(2 ** (8 * values.dtype.itemsize), dtype=np.float64)
        return np.asarray(_scaled(table, low, high)[values], np.uint8)
    return _scaled(finite(values), low, high)


def finite(values: NDArray[np.generic]) -> NDArray[np.float64]:
    """Numbers as float64, with 0 in the place of those that are not finite."""
    with np.errstate(invalid="ignore"):  # a signaling NaN becomes a quiet one
        return np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def _scaled(numbers: NDArray[np.float64], low: float, high: float) -> NDArray[np.uint8]:
    scaled = (numbers - low) * 255 / max(high - low, 1e-12)
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)


def _range(image: Image.Image, name: str, bits: int | None, stated: Range | None) -> Range:
    if bits is not None and image.mode != "F":
        return 0.0, float(2**bits - 1)
    if stated is not None:
        return stated
    arrays = (np.asarray(each) for each in strips(image))
    numbers = (finite(each) if each.dtype.kind == "f" else each for each in arrays)
    extremes = [(float(each.min()), float(each.max())) for each in numbers]
    low, high = min(least for least, _ in extremes), max(most for _, most in extremes)
    if low < 0:
        return low, high
    return 0.0, _assumed(name, high, [1.0] if image.mode == "F" else [])


def _assumed(name: str, high: float, more: list[float]) -> float:
    """The greatest value of the narrowest usual range that has `high`; reported if it is an assumption."""
    usual = [*more, *(float(2**each - 1) for each in USUAL_BITS)]
    assumed = next((most for most in usual if high <= most), high)
    if high > 0 and 1 < assumed < 65535:
        _report(name, high, assumed)
    return assumed


def _report(name: str, high: float, assumed: float) -> None:
    with _lock:
        if assumed in _reported:
            return
        _reported.add(assumed)
    logger.warning(
        "%s has values up to %g, and its file does not say how many bits count: 0 to %g becomes black to white, here "
        "and in every such picture (Limits(bits=16) or --bits 16 sets another range)",
        name,
        high,
        assumed,
    )


def _eight_bits_to_rgb(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _in_strips(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    if image.width * image.height <= STRIP_PIXELS:
        return convert(image)
    converted = Image.new("RGB", image.size)
    top = 0
    for strip in strips(image):
        converted.paste(convert(strip), (0, top))
        top += strip.height
    return converted


def strips(image: Image.Image) -> Iterator[Image.Image]:
    """The parts of an image from top to bottom, of about a million pixels each."""
    if image.width * image.height <= STRIP_PIXELS:
        yield image
        return
    rows = max(1, STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield image.crop((0, top, image.width, min(top + rows, image.height)))
