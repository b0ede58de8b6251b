"""`MilvusView`: a view of the database of a gallery on Milvus, with its vectors and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.errors import GalleryError
from semelha.store.milvus.values import StoredPictures, StoredVectors, is_picture, is_vector, number_in
from semelha.store.view import View

VECTORS = {"vectors": "data", "set_aside": "vector"}
PICTURES = {"pictures": "data", "set_aside": "picture", "rejections": "picture", "reviews": "picture"}
"""Columns whose values are kept outside of the database; merging copies a value from one to another."""
NORM = "max_norm"  # in the table meta
CACHED = 1024  # vectors that are read at once and kept; more are those of a pass over all


class MilvusView(View):
    """A view of the database, with its vectors and pictures from where they are kept."""

    def __init__(self, *arguments: Any, vectors: StoredVectors, pictures: StoredPictures | None) -> None:
        self._vectors = vectors
        self._pictures = pictures
        super().__init__(*arguments)

    def _resolved(self, values: Sequence[bytes]) -> list[bytes]:
        numbers = [number_in(one) for one in values if is_vector(one)]
        found = self._vectors.read(numbers, keep=len(numbers) <= CACHED) if numbers else {}
        if len(found) < len(set(numbers)):
            raise GalleryError("an example was removed while it was read: try again")
        return [found[number_in(one)] if is_vector(one) else one for one in values]

    def _file(self, value: bytes | None) -> bytes | None:
        if value is None or not is_picture(value):
            return value
        return self._pictures.read(value) if self._pictures is not None else None

    def references_since(self, change: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Examples that were added after a change, 0 for all, and the rows of their vectors: numbers (n,) and (n,)."""
        rows = self._rows(
            "SELECT id, data FROM examples JOIN vectors ON example_id = id WHERE change > ? ORDER BY change, id",
            (change,),
        )
        return (
            np.array([number for number, _ in rows], np.int64),
            np.array([number_in(data) for _, data in rows], np.int64),
        )

    def max_norm(self) -> float:
        """The largest norm of a mapped vector that was ever enrolled."""
        return float(self._meta(NORM) or 0.0)
