"""Pictures that a gallery on Milvus called unknown, recorded by any of its processes for all of them."""

from __future__ import annotations

import base64
import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semelha.errors import GalleryError
from semelha.store.called_unknown import MOST, CalledUnknown, digests
from semelha.store.milvus.client import Collection
from semelha.store.milvus.numbers import new_numbers

logger = logging.getLogger(__name__)

AT_ONCE = 5000  # digests in a row
MANY_ROWS = 1000  # that are joined into fewer


class SharedCalledUnknown(CalledUnknown):
    """Digests of content hashes, in rows of the collection."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    def record(self, hashes: Sequence[str]) -> None:
        """Record pictures, by content hash."""
        if not hashes:
            return
        try:
            self._write(digests(hashes))
        except GalleryError as error:
            logger.warning("pictures that were called unknown are not recorded: %s", error)

    def read(self) -> NDArray[np.uint64]:
        """The digests."""
        rows = self._collection.find("kind == 'unknown'", ["body"])
        found = np.frombuffer(b"".join(base64.b64decode(row["body"]) for row in rows), "<u8")
        if len(rows) > MANY_ROWS:
            self._write(found[-MOST:])
            self._collection.delete([row["id"] for row in rows])
        return found

    def replace(self, found: NDArray[np.uint64]) -> None:
        """Forget the digests, and record others."""
        rows = self._collection.find("kind == 'unknown'", ["id"])
        self._write(found)
        self._collection.delete([row["id"] for row in rows])

    def _write(self, found: NDArray[np.uint64]) -> None:
        parts = [found[start : start + AT_ONCE].tobytes() for start in range(0, len(found), AT_ONCE)]
        numbers = new_numbers(len(parts))
        self._collection.write(
            [
                self._collection.row(number, "unknown", body=base64.b64encode(part).decode())
                for number, part in zip(numbers, parts, strict=True)
            ]
        )
