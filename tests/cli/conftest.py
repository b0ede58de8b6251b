"""Photos."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.tiny_model import noise


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of four classes with three pictures each."""
    for label in range(4):
        folder = tmp_path / "photos" / f"thing {label}"
        folder.mkdir(parents=True)
        for number in range(3):
            pixels = noise(label).astype(np.int16) + noise(100 + 10 * label + number) // 16
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "photos"
