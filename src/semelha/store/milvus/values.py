"""Vectors and pictures of a gallery on Milvus, which are kept outside of its database; the database refers to them.

A vector is a row of the collection, read back to the bit, and cached because it never changes. A picture is a file of
a folder or of an object store.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semelha.errors import GalleryError, GalleryNotWritable, GalleryUnavailable, MissingExtra, UsageError
from semelha.files import write_file
from semelha.index.space import Space
from semelha.store.milvus.client import EXAMPLES, EXTRA, Collection
from semelha.store.milvus.numbers import new_numbers

logger = logging.getLogger(__name__)

CACHE_BYTES = 256 << 20
VECTOR, PICTURE = b"v", b"p"  # the first byte of a reference
VECTOR_LENGTH, PICTURE_LENGTH = 9, 17  # no vector has such a length, and no picture is so short


def is_vector(blob: bytes) -> bool:
    """Whether a value refers to a vector."""
    return len(blob) == VECTOR_LENGTH and blob[:1] == VECTOR


def is_picture(blob: bytes) -> bool:
    """Whether a value refers to a picture."""
    return len(blob) == PICTURE_LENGTH and blob[:1] == PICTURE


def vector_reference(number: int) -> bytes:
    """The reference to a vector by the number of its row."""
    return VECTOR + number.to_bytes(8, "big")


def number_in(reference: bytes) -> int:
    """The number of the row of a vector."""
    return int.from_bytes(reference[1:], "big")


class StoredVectors:
    """The vectors of examples in a collection."""

    def __init__(self, collection: Collection, space: Space) -> None:
        self._collection = collection
        self._space = space
        self._cache: dict[int, bytes] = {}
        self._lock = threading.Lock()

    def write(self, blobs: Sequence[bytes], slot: int) -> list[bytes]:
        """Write vectors, float32, and return a reference to each. `slot` is that of the journal at present."""
        if not blobs:
            return []
        numbers = new_numbers(len(blobs))
        self.write_numbered(numbers, np.frombuffer(b"".join(blobs), "<f4").reshape(len(blobs), -1), slot)
        return [vector_reference(number) for number in numbers]

    def write_numbered(self, numbers: Sequence[int], vectors: NDArray[np.float32], slot: int) -> None:
        """Write vectors (n, d) into rows of these numbers."""
        mapped = self._space.map_stored(vectors) if "mapped" in self._collection.dimensions else vectors
        rows = []
        for number, vector, image in zip(numbers, vectors, mapped, strict=True):
            values = {"vector": vector, "mapped": image} if mapped is not vectors else {"vector": vector}
            rows.append(self._collection.row(number, "example", slot=slot, **values))
        self._collection.write(rows, EXAMPLES)

    def norm(self, blobs: Sequence[bytes]) -> float:
        """The largest norm of vectors after the metric's map."""
        mapped = self._space.map_stored(np.frombuffer(b"".join(blobs), "<f4").reshape(len(blobs), -1))
        return float(np.linalg.norm(mapped, axis=1).max())

    def read(self, numbers: Sequence[int], *, keep: bool = True) -> dict[int, bytes]:
        """Vectors by the numbers of their rows, float32; without those that were deleted. `keep` caches them."""
        with self._lock:
            found = {number: self._cache[number] for number in numbers if number in self._cache}
        missing = [number for number in numbers if number not in found]
        step = max(1, (16 << 20) // (8 * self._collection.dimensions["vector"]))
        for start in range(0, len(missing), step):
            rows = self._collection.get(missing[start : start + step], ["vector"], EXAMPLES)
            new = {number: np.asarray(row["vector"], "<f4").tobytes() for number, row in rows.items()}
            found |= new
            if keep:
                self._remember(new)
        return found

    def delete(self, numbers: Sequence[int]) -> None:
        """Delete vectors."""
        with self._lock:
            for number in numbers:
                self._cache.pop(number, None)
        self._collection.delete(numbers, EXAMPLES)

    def _remember(self, new: dict[int, bytes]) -> None:
        most = CACHE_BYTES // (4 * self._collection.dimensions["vector"] + 100)
        with self._lock:
            self._cache |= new
            if len(self._cache) > most:  # the oldest half goes
                for number in list(self._cache)[: len(self._cache) - most // 2]:
                    del self._cache[number]


class StoredPictures:
    """The pictures of a gallery: files in a folder, or objects in a store that fsspec knows, such as s3://bucket/shop.

    `place` is absolute. Raises `UsageError` if it cannot be used.
    """

    def __init__(self, place: str) -> None:
        try:
            from fsspec.core import url_to_fs
        except ModuleNotFoundError as error:
            raise MissingExtra(EXTRA) from error
        try:
            self._files, self._root = url_to_fs(place)
        except (ImportError, ValueError) as error:
            raise UsageError(f"the pictures cannot be kept in {place}: {error}") from error
        protocol = self._files.protocol
        self._is_local = "file" in ([protocol] if isinstance(protocol, str) else protocol)
        self.place = str(Path(self._root).absolute()) if self._is_local else place

    def write(self, pictures: Sequence[bytes]) -> list[bytes]:
        """Write pictures, and return a reference to each; durable when this returns."""
        references = [PICTURE + secrets.token_bytes(16) for _ in pictures]
        for reference, picture in zip(references, pictures, strict=True):
            self.write_as(reference, picture)
        return references

    def write_as(self, reference: bytes, picture: bytes) -> None:
        """Write a picture under a reference."""
        path = self._path(reference)
        try:
            if self._is_local:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                write_file(Path(path), [picture], private=True, error=GalleryNotWritable)
            else:
                self._files.pipe_file(path, picture)
        except OSError as error:
            raise GalleryNotWritable(f"a picture cannot be written to {self.place}: {error}") from error
        except Exception as error:  # each kind of store has its own
            raise self._failed(error) from error

    def has(self, reference: bytes) -> bool:
        """Whether there is a picture under a reference."""
        try:
            return bool(self._files.exists(self._path(reference)))
        except Exception as error:
            raise self._failed(error) from error

    def read(self, reference: bytes) -> bytes | None:
        """A picture; None if it was deleted."""
        try:
            data: bytes = self._files.cat_file(self._path(reference))
        except FileNotFoundError:
            return None
        except Exception as error:
            raise self._failed(error) from error
        return data

    def delete(self, references: Iterable[bytes]) -> None:
        """Delete pictures."""
        for reference in references:
            try:
                self._files.rm_file(self._path(reference))
            except FileNotFoundError:
                pass
            except Exception as error:
                raise self._failed(error) from error

    def _path(self, reference: bytes) -> str:
        name = reference[1:].hex()
        return f"{self._root}/{name[:2]}/{name}.webp"

    def _failed(self, error: Exception) -> GalleryError:
        return error if isinstance(error, GalleryError) else GalleryUnavailable(f"{self.place} cannot be used: {error}")
