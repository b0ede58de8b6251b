"""Folders of small pictures."""

from pathlib import Path

from PIL import Image
from tests.tiny_model import noise


def photos(folder: Path, *, classes: int = 3, each: int = 4) -> Path:
    """Class folders of PNG files, all of different content."""
    for label in range(classes):
        for number in range(each):
            save(folder / f"thing {label}" / f"{number}.png", 100 * label + number)
    return folder


def save(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(seed)).save(path)
