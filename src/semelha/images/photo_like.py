"""Augmentation that makes a clean product picture look like a photo from a shelf: `photo_like`, `is_clean`."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter
from scipy import ndimage

from semelha.images.picture import as_rgb

TOLERANCES = (8, 20)
"""How much each channel of a pixel of the background may differ from the color of the border, by its noise."""
PLAIN_SHARE = 0.8
"""Share of the border that must have its color."""
HALO = (32, 1 / 80)
"""Pixels that differ by less than the first from the border's color are no part of the edge of a product, which is as
wide as the second, a fraction of the longer side: compression and resizing leave a pale line there."""
MIN_PRODUCT = 0.02
"""Smallest area of a product, as a fraction of its picture."""
SCALES = (0.6, 1.0)
"""Size of the product on the canvas, as a fraction of the largest that fits."""
PLAIN_BACKGROUNDS = 0.2
"""Share of the results whose background is a plain color, and no photo."""
REFERENCE_SIDE = 224
"""Blurs and shifts are in pixels of a picture with this longer side."""

_CORNERS = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)


def is_clean(picture: NDArray[np.uint8]) -> bool:
    """Whether the border of a picture (h, w, 3) uint8 has one color, as product pictures of catalogues have.

    Raises `PictureError` if it is no such array.
    """
    return _border(as_rgb(picture)) is not None


def product_mask(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where the product is in a picture (h, w, 3) uint8: (h, w) bool.

    The background is what has the color of the border, and is connected to it. All is product if the border has
    several colors, or if nothing else would be left.

    Raises `PictureError` if it is no such array.
    """
    pixels = as_rgb(picture)
    whole = np.ones(pixels.shape[:2], np.bool_)
    border = _border(pixels)
    if border is None:
        return whole
    color, tolerance = border
    differences = _differences(pixels, color)
    plain = np.pad(differences <= tolerance, 1, constant_values=True)  # the margin connects what touches the border
    parts, _ = ndimage.label(plain)
    parts, count = ndimage.label(parts[1:-1, 1:-1] != parts[0, 0])
    if count == 0:
        return whole
    areas = np.bincount(parts.ravel())
    areas[0] = 0
    large = areas >= areas.max() / 50  # smaller ones are noise of the compression
    product: NDArray[np.bool_] = large[parts]
    inner = _blurred(product, round(HALO[1] * max(product.shape))) == 255
    product &= inner | (differences > HALO[0])
    return product if product.mean() >= MIN_PRODUCT else whole


def photo_like(
    picture: NDArray[np.uint8], backgrounds: Sequence[NDArray[np.uint8]], random: np.random.Generator
) -> NDArray[np.uint8]:
    """Make a clean picture look like a photo: (h, w, 3) uint8 → (h', w', 3) uint8.

    The product is cut out of its plain background, rotated a little, seen slightly from the side, and pasted onto a
    blurred part of a photo or onto a plain color. Shadow, light, color, blur, resolution, noise and JPEG compression
    are changed at random. A picture without a plain border is pasted whole.

    Parameters
    ----------
    picture : (h, w, 3) uint8
    backgrounds : sequence of (h, w, 3) uint8
        Photos of places where such products stand, of any size. If empty, all backgrounds are plain colors.
    random : numpy.random.Generator
        The same state gives the same result.

    Returns
    -------
    (h', w', 3) uint8
        The longer side is that of `picture`; the proportions are those of one of the backgrounds.

    Raises
    ------
    PictureError
        A picture is no such array.
    """
    pixels = as_rgb(picture)
    scene = as_rgb(backgrounds[int(random.integers(len(backgrounds)))]) if len(backgrounds) else pixels
    shrink = max(pixels.shape[:2]) / max(scene.shape[:2])
    size = max(1, round(scene.shape[1] * shrink)), max(1, round(scene.shape[0] * shrink))
    is_plain = not len(backgrounds) or random.random() < PLAIN_BACKGROUNDS
    canvas = _plain(size, random) if is_plain else _part_of(scene, size, random)
    _paste(_cut_out(pixels), canvas, random)
    return np.asarray(_captured(_recolored(canvas, random), random))


def _border(pixels: NDArray[np.uint8]) -> tuple[tuple[int, int, int], int] | None:
    """The color of the border and the tolerance that its noise needs, or None if it has several colors."""
    width = max(1, min(pixels.shape[:2]) // 50)
    edges = pixels[:width], pixels[-width:], pixels[:, :width], pixels[:, -width:]
    border = np.concatenate([edge.reshape(-1, 3) for edge in edges]).astype(np.int16)
    color = np.median(border, axis=0).astype(np.int16)
    differences = np.abs(border - color).max(axis=1)  # (border pixels,)
    least, most = TOLERANCES
    if (differences <= most).mean() < PLAIN_SHARE:
        return None
    red, green, blue = color.tolist()
    return (red, green, blue), int(np.clip(3 * np.quantile(differences, 0.75), least, most))


def _differences(pixels: NDArray[np.uint8], color: tuple[int, int, int]) -> NDArray[np.uint8]:
    """(h, w) largest difference of a channel of each pixel from a color."""
    image = Image.fromarray(pixels)
    red, green, blue = ImageChops.difference(image, Image.new("RGB", image.size, color)).split()
    return np.asarray(ImageChops.lighter(ImageChops.lighter(red, green), blue))


def _blurred(mask: NDArray[np.bool_], radius: int) -> NDArray[np.uint8]:
    """(h, w) mean of a mask in a square about each pixel, on the scale 0..255."""
    return np.asarray(Image.fromarray(255 * mask.astype(np.uint8)).filter(ImageFilter.BoxBlur(radius)))


def _cut_out(pixels: NDArray[np.uint8]) -> Image.Image:
    """The product as RGBA, with a soft edge and a transparent margin of two pixels."""
    product = product_mask(pixels)
    rows, columns = np.flatnonzero(product.any(axis=1)), np.flatnonzero(product.any(axis=0))
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    image = Image.fromarray(np.pad(pixels[part], ((2, 2), (2, 2), (0, 0)), mode="edge"))
    alpha = np.maximum(_blurred(np.pad(product[part], 2), 1), 128) - 128  # the edge lies inside: it has no background
    image.putalpha(Image.fromarray(2 * alpha))
    return image


def _plain(size: tuple[int, int], random: np.random.Generator) -> Image.Image:
    color = random.uniform(40, 240) + random.uniform(-25, 25, 3)
    red, green, blue = np.clip(color, 0, 255).astype(int).tolist()
    return Image.new("RGB", size, (red, green, blue))


def _part_of(scene: NDArray[np.uint8], size: tuple[int, int], random: np.random.Generator) -> Image.Image:
    """A random part of a photo, somewhat blurred."""
    height, width = scene.shape[:2]
    share = random.uniform(0.4, 1.0)
    left, top = random.uniform(0, 1 - share, 2)
    box = (left * width, top * height, (left + share) * width, (top + share) * height)
    coarse = max(size) / REFERENCE_SIDE * random.uniform(1.5, 6.0)  # pixels of the result for one of the blurred
    blurred = [max(1, round(side / coarse)) for side in size]
    image = Image.fromarray(scene).resize(blurred, Image.Resampling.BILINEAR, box=box)
    if random.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return image.resize(size, Image.Resampling.BICUBIC)


def _paste(product: Image.Image, canvas: Image.Image, random: np.random.Generator) -> None:
    """Paste a product (RGBA) with its shadow onto the canvas, scaled, turned and seen a little from the side."""
    room = np.array(canvas.size, np.float64)
    scale = random.uniform(*SCALES) * min(canvas.width / product.width, canvas.height / product.height)
    size = scale * np.array(product.size)
    if scale <= 0.5:
        product = product.reduce(int(1 / scale))
    corners = _CORNERS * size / 2 * random.uniform(0.92, 1.04, (4, 2))  # (4, 2) about the center
    angle = math.radians(random.normal(0, 5))
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    center = room / 2 + (room - size) / 2 * random.uniform(-0.8, 0.8, 2)
    change = _perspective(corners @ turn + center, (_CORNERS + 1) / 2 * product.size)
    layer = product.transform(canvas.size, Image.Transform.PERSPECTIVE, change, Image.Resampling.BILINEAR)
    alpha = layer.getchannel("A")
    unit = max(canvas.size) / REFERENCE_SIDE
    coarse, strength = unit * random.uniform(5, 16), random.uniform(0, 0.8)
    shadow = alpha.resize([max(1, round(side / coarse)) for side in canvas.size], Image.Resampling.BILINEAR)
    shadow = shadow.point([round(strength * value) for value in range(256)])
    right, down = (random.uniform((-8, 0), (8, 8)) * unit).round().astype(int).tolist()
    canvas.paste((0, 0, 0), (right, down), shadow.resize(canvas.size, Image.Resampling.BICUBIC))
    canvas.paste(layer, (0, 0), alpha)


def _perspective(targets: NDArray[np.float64], sources: NDArray[np.float64]) -> list[float]:
    """The 8 coefficients that Pillow needs to map four corners (4, 2) of the result to four of the picture."""
    equations = np.zeros((8, 8))
    for axis in (0, 1):
        rows = equations[4 * axis : 4 * axis + 4]
        rows[:, 3 * axis : 3 * axis + 2], rows[:, 3 * axis + 2] = targets, 1
        rows[:, 6:] = -targets * sources[:, [axis]]
    coefficients: list[float] = np.linalg.solve(equations, sources.T.ravel()).tolist()
    return coefficients


def _recolored(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Change brightness, temperature, contrast and saturation, as one matrix."""
    temperature, tint = random.normal(0, 0.08), random.normal(0, 0.03)
    gains = math.exp(random.uniform(-0.4, 0.2)) * np.array([1 + temperature, 1 + tint, 1 - temperature])
    contrast, saturation = random.uniform(0.7, 1.15), random.uniform(0.6, 1.15)
    middle = np.asarray(image.resize((1, 1), Image.Resampling.BOX)).mean()
    matrix = contrast * (saturation * np.eye(3) + (1 - saturation) / 3) * gains
    offsets = np.full((3, 1), (1 - contrast) * gains.mean() * middle)
    return image.convert("RGB", tuple(np.hstack([matrix, offsets]).ravel().tolist()))


def _captured(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """What a camera does: fewer pixels, blur by focus or motion, uneven light, noise, and JPEG."""
    size, share = image.size, random.uniform(0.5, 1.0)
    width, height = (max(1, round(share * side)) for side in size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    kind = random.random()
    if kind < 0.5:
        image = image.filter(ImageFilter.BoxBlur(random.uniform(0, 1.5) * max(image.size) / REFERENCE_SIDE))
    elif kind < 0.75:
        image = image.filter(_motion(random.uniform(0, math.pi)))
    angle, strength = random.uniform(0, 2 * math.pi), random.uniform(0, 0.35)
    down, right = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)
    light = 1 + strength * (math.sin(angle) * down + math.cos(angle) * right)  # (height, width)
    pixels = np.asarray(image) * light[:, :, None]
    pixels += random.uniform(0, 6) * random.standard_normal((height, width, 1), np.float32)
    np.clip(pixels, 0, 255, out=pixels)
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "JPEG", quality=int(random.integers(40, 91)))
    return Image.open(file).convert("RGB").resize(size, Image.Resampling.BICUBIC)


def _motion(angle: float) -> ImageFilter.Kernel:
    """A blur along a line of five pixels at an angle in radians."""
    steps = np.linspace(-2, 2, 9)
    kernel = np.zeros((5, 5))
    kernel[np.rint(2 + steps * math.sin(angle)).astype(int), np.rint(2 + steps * math.cos(angle)).astype(int)] = 1
    return ImageFilter.Kernel((5, 5), kernel.ravel().tolist())
