"""Features with nothing learned, with the face of an embedder: what baselines are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from semelha.embedders.sources import Source, as_pictures
from semelha.errors import PictureError
from semelha.features import RawPixels
from semelha.images import read_all
from semelha.metrics import Euclidean, Metric


class Features(Protocol):
    """What makes a vector (dim,) of the pixels (h, w, 3) of one picture."""

    dim: int

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]: ...


class FeatureEmbedder:
    """An extractor of features at work.

    Parameters
    ----------
    features : Features
        Such as `RawPixels()`; its `repr` names it.
    metric : Metric, optional
        Euclidean if not given.
    """

    def __init__(self, features: Features, metric: Metric | None = None) -> None:
        self.features = features
        self.metric: Metric = metric or Euclidean()
        self.dim = features.dim
        self.fingerprint = hashlib.sha256(f"{features!r}/{self.metric.name}".encode()).hexdigest()

    def embed(
        self,
        pictures: Sequence[Source],
        *,
        batch_size: int = 64,
        progress: Callable[[int, int], None] | None = None,
    ) -> NDArray[np.float32]:
        """(n, dim) float32. Raises `PictureError`."""
        sources = as_pictures(pictures)
        out = np.empty((len(sources), self.dim), np.float32)
        for number, result in enumerate(read_all(sources, lambda picture: self.features(picture.pixels()))):
            if isinstance(result, PictureError):
                raise result
            out[number] = result
            if progress is not None and ((number + 1) % batch_size == 0 or number + 1 == len(sources)):
                progress(number + 1, len(sources))
        return out


def raw_pixels() -> FeatureEmbedder:
    """The baseline that whatever is learned must beat: 32 × 32 grey pixels, Euclidean distance."""
    return FeatureEmbedder(RawPixels())
