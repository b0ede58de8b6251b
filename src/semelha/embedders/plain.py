"""Feature extractors with the interface of a model, used as baselines."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from semelha.embedders.embed import embed_all
from semelha.embedders.extractors import FeatureExtractor
from semelha.features import Features, RawPixels
from semelha.images import Progress, Source
from semelha.metrics import Euclidean, Metric


class FeatureEmbedder:
    """Embeds pictures with a feature extractor.

    Parameters
    ----------
    features : Features
        Such as `RawPixels()`.
    metric : Metric, optional
        Euclidean by default.
    """

    def __init__(self, features: Features, metric: Metric | None = None) -> None:
        self.features = features
        self.metric: Metric = metric or Euclidean()
        self.dim = features.dim
        space = f"{features!r}/{features.version}/{self.metric.name}/{self.metric.parameters()}"
        arrays = b"".join(np.ascontiguousarray(array).tobytes() for array in self.metric.arrays().values())
        self.fingerprint = hashlib.sha256(space.encode() + arrays).hexdigest()

    def embed(
        self, pictures: Source | Iterable[Source], *, batch_size: int = 64, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Embed pictures, as `Model.embed`: (n, dim) float32. Raises `PictureError` or `UsageError`."""
        extractor = FeatureExtractor(self.features)
        return embed_all(extractor, pictures, self.dim, batch_size=batch_size, progress=progress)


def raw_pixels() -> FeatureEmbedder:
    """The baseline for learned models: 32 × 32 grey pixels, compared by Euclidean distance."""
    return FeatureEmbedder(RawPixels())
