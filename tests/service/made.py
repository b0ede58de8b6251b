"""Files of pictures, as requests send them."""

import base64
import io

import numpy as np
from PIL import Image
from tests.tiny_model import noise


def png(pixels: np.ndarray) -> bytes:
    """A file of pixels (h, w, 3)."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def near(seed: int) -> bytes:
    """A file of nearly what `noise(seed)` is."""
    return png((noise(seed).astype(int) + noise(seed + 10_000) // 32).clip(0, 255).astype(np.uint8))


def files(*pictures: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    """Pictures as the files of a form."""
    return [("picture", (f"{number}.png", picture)) for number, picture in enumerate(pictures)]


def text(picture: bytes) -> str:
    """A file as text in JSON."""
    return base64.b64encode(picture).decode()
