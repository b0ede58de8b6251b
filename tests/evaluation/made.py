"""A data set and an embedder with known vectors."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

import semelha
from semelha.embedders import Source
from semelha.images import Dataset, Picture
from semelha.metrics import Euclidean, Metric

evaluate = partial(semelha.evaluate, baselines=False)


class Known:
    """Takes the first pixel of a picture as its vector."""

    dim = 3
    fingerprint = "known"

    def __init__(self) -> None:
        self.metric: Metric = Euclidean()

    def embed(
        self,
        pictures: Sequence[Source],
        *,
        batch_size: int = 64,
        progress: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        vectors = np.array([picture.pixels()[0, 0] for picture in pictures], np.float32).reshape(-1, 3)
        if progress is not None:
            progress(len(vectors), len(vectors))
        return vectors


def dataset(
    *,
    seed: int = 0,
    classes: int = 400,
    each: int = 3,
    name: str = "points",
    split: Callable[[int], str | None] = {}.get,
) -> Dataset:
    """Points around centers in a cube; picture `number` of a class is in the split that `split` gives it."""
    random = np.random.default_rng(seed)
    pictures = []
    for label in range(classes):
        center = random.integers(10, 245, 3)
        for number in range(each):
            pixels = np.zeros((8, 8, 3), np.uint8)
            pixels[0, 0] = center + random.integers(-4, 5, 3)
            pictures.append(Picture(pixels, f"<b>{label}", name=f"{label}/{number}", split=split(number)))
    return Dataset(name, tuple(pictures))
