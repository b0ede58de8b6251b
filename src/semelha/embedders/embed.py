"""From pictures, whatever they were given as, to vectors: decoded in threads, embedded in batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from semelha.embedders.extractors import Extractor
from semelha.embedders.sources import Source, as_pictures
from semelha.errors import PictureError
from semelha.images import read_all
from semelha.metrics import Metric

Progress = Callable[[int, int], None]
"""Called with (done, in all)."""


class Embedder(Protocol):
    """What turns pictures into vectors of one space."""

    dim: int
    metric: Metric
    fingerprint: str

    def embed(
        self, pictures: Sequence[Source], *, batch_size: int = 64, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """(n, dim) float32."""
        ...


def embed_all(
    extractor: Extractor, pictures: Sequence[Source], dim: int, *, batch_size: int, progress: Progress | None
) -> NDArray[np.float32]:
    """(n, dim) float32.

    Raises the `PictureError` of the first that cannot be used, which names it; where it has no name, by its number.
    """
    out = np.empty((len(pictures), dim), np.float32)
    for start in range(0, len(pictures), batch_size):
        block = as_pictures(pictures[start : start + batch_size], first=start)
        prepared = []
        for result in read_all(block, lambda picture: extractor.prepare(picture.pixels())):
            if isinstance(result, PictureError):
                raise result
            prepared.append(result)
        out[start : start + len(block)] = extractor.vectors(np.stack(prepared))
        if progress is not None:
            progress(start + len(block), len(pictures))
    return out
