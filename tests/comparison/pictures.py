"""Pictures of which methods that learn nothing name most."""

import numpy as np
from tests.tiny_model import noise

from semelha.images import Dataset, Picture


def pictures(*, classes: int = 12, each: int = 4, weight: float = 1.0) -> Dataset:
    """Noise that the pictures of a class have in common, and noise of their own."""
    found = []
    for label in range(classes):
        common = noise(label).astype(np.float64)
        for number in range(each):
            own = noise(1000 + 10 * label + number)
            pixels = np.clip((common + weight * own) / (1 + weight), 0, 255).astype(np.uint8)
            found.append(Picture(pixels, f"class {label}", f"{label}/{number}"))
    return Dataset("noise", tuple(found))
