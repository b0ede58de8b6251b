"""Pictures as files of all formats."""

import io

import numpy as np
from PIL import Image

FORMATS = ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"]


def file_of(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def noise(height: int = 40, width: int = 56, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


# What the camera did to the upright picture, for each value of the EXIF orientation.
STORED_AS = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, 1),
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: np.rot90(p, -1),
}


def quarters() -> np.ndarray:
    """(32, 48, 3): four colors, so that every way to turn it gives another picture."""
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:16, :24], pixels[:16, 24:], pixels[16:, :24] = (200, 40, 40), (40, 160, 40), (40, 40, 200)
    return pixels


def smooth(height: int, width: int) -> np.ndarray:
    coarse = np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
