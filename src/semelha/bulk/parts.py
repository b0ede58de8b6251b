"""Parts of a bulk embedding: what is done is kept in small files, so that an interrupted run can be continued.

A part is named after its pictures (names, labels, boxes, and size and time of their files) and the model. The pictures
of a part that is there are not read again. Pictures of other parts are recognized by their content hash.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.bulk.places import RemotePicture
from semelha.bulk.vector_file import FINGERPRINT, VectorWriter, matrix, vector_schema
from semelha.errors import DatasetError, SemelhaError
from semelha.files import atomic_write, file_lock, make_folder, remove_partial_files
from semelha.images import Packed, Picture

logger = logging.getLogger(__name__)

SUFFIX = ".parts"
HASH_LENGTH = 64  # characters of the longest content hash
CACHED = 16  # row groups of vectors that are kept in memory


class KnownHashes:
    """A sorted set of content hashes, which takes 64 bytes each. Ray shares it between processes."""

    def __init__(self, hashes: NDArray[np.bytes_]) -> None:
        self.hashes = hashes

    def __contains__(self, content_hash: object) -> bool:
        return self.find(str(content_hash)) is not None

    def find(self, content_hash: str) -> int | None:
        """Place of a hash in the order; None if it is not there."""
        wanted = np.bytes_(content_hash.encode())
        place = int(np.searchsorted(self.hashes, wanted))
        return place if place < len(self.hashes) and self.hashes[place] == wanted else None


class Parts:
    """The parts of a file of vectors, in the folder beside it.

    Vectors of the file itself, if an earlier run finished it with the same model, are known too.
    """

    def __init__(self, out: Path, dim: int, fingerprint: str) -> None:
        import pyarrow as pa

        self.folder = out.with_name(out.name + SUFFIX)
        self.dim, self._fingerprint = dim, fingerprint
        schema = vector_schema(dim, fingerprint)
        nullable = [field.with_nullable(True) for field in schema]
        self.schema = pa.schema([*nullable, pa.field("reason", pa.string())], schema.metadata)
        self._names: set[str] = set()
        hashes: list[NDArray[np.bytes_]] = []
        self._places: list[tuple[Path, int]] = []  # files and row groups
        lengths: list[int] = []
        for path in (*sorted(self.folder.glob("*.parquet")), *([out] if out.is_file() else [])):
            groups = self._hashes_of(path)
            if groups is None:
                continue
            if path is not out:
                self._names.add(path.stem)
            for number, group in enumerate(groups):
                hashes.append(group)
                lengths.append(len(group))
                self._places.append((path, number))
        joined = np.concatenate(hashes) if hashes else np.empty(0, f"S{HASH_LENGTH}")
        self._starts = np.cumsum([0, *lengths])
        self._rows = np.argsort(joined, kind="stable")
        self.known = KnownHashes(joined[self._rows])
        self._cache: OrderedDict[int, NDArray[np.float32]] = OrderedDict()

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def write(self, name: str, table: Any) -> int:
        """Write a part, with the vectors that are known, and return how many these are."""
        filled, reused = self._filled(table)
        with atomic_write(self._path(name)) as file, VectorWriter(file, self.schema) as writer:
            writer.write(filled.select(self.schema.names).cast(self.schema))
        self._names.add(name)
        return reused

    def read(self, name: str) -> Any:
        """The table of a part. Raises `DatasetError` if it is damaged."""
        with _reading(self._path(name)) as file:
            return file.read()

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.parquet"

    def _filled(self, table: Any) -> tuple[Any, int]:
        """The table with a vector in each row, and the number of those that were known.

        A row without a content hash, whose picture cannot be used, has zeros: pyarrow 17 does not read null ones.
        """
        import pyarrow as pa

        column = table.column("vector").combine_chunks()
        if not column.null_count:
            return table, 0
        missing = np.flatnonzero(~np.asarray(column.is_valid()))
        hashes = table.column("content_hash").to_pylist()
        vectors = np.zeros((len(column), self.dim), np.float32)
        vectors[np.asarray(column.is_valid())] = matrix(column.drop_null(), self.dim)
        reused = 0
        for row in missing.tolist():
            place = None if hashes[row] is None else self.known.find(hashes[row])
            if place is not None:
                vectors[row] = self._vector(int(self._rows[place]))
                reused += 1
        field = self.schema.field("vector")
        filled = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), type=field.type)
        return table.set_column(table.schema.get_field_index("vector"), field, filled), reused

    def _vector(self, row: int) -> NDArray[np.float32]:
        place = int(np.searchsorted(self._starts, row, side="right")) - 1
        if place not in self._cache:
            path, group = self._places[place]
            with _reading(path) as file:
                table = file.read_row_group(group, columns=["vector"])
            self._cache[place] = matrix(table.column("vector"), self.dim)
            if len(self._cache) > CACHED:
                self._cache.popitem(last=False)
        self._cache.move_to_end(place)
        vector: NDArray[np.float32] = self._cache[place][row - int(self._starts[place])]
        return vector

    def _hashes_of(self, path: Path) -> list[NDArray[np.bytes_]] | None:
        """Content hashes of each row group of a file of this model; b"" for a row without a vector."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            file = pq.ParquetFile(path)
            if (file.schema_arrow.metadata or {}).get(FINGERPRINT) != self._fingerprint.encode():
                return None
            if file.schema_arrow.field("vector").type.list_size != self.dim:
                return None
            groups = [file.read_row_group(n, columns=["content_hash"]) for n in range(file.num_row_groups)]
            return [
                np.array([content or "" for content in group.column(0).to_pylist()], f"S{HASH_LENGTH}")
                for group in groups
            ]
        except (pa.ArrowException, OSError, ValueError, LookupError, AttributeError) as error:
            logger.warning("%s cannot be used, its pictures are embedded again: %s", path, error)
            return None


@contextmanager
def _reading(path: Path) -> Iterator[Any]:
    """A Parquet file, whose checksums are verified. Raises `DatasetError` if it is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"{path} is damaged: remove it, and its pictures are embedded again ({error})") from error


@contextmanager
def locked_parts(out: Path, dim: int, fingerprint: str) -> Iterator[Parts]:
    """The parts of a file of vectors, which one process writes at a time. Raises `SemelhaError` if another does."""
    folder = out.with_name(out.name + SUFFIX)
    try:
        make_folder(folder)
    except OSError as error:
        raise SemelhaError(f"{folder} cannot be written: {error.strerror or error}") from error
    with file_lock(folder / ".lock", wait=False, error=SemelhaError) as is_locked:
        if not is_locked:
            raise SemelhaError(f"another process writes {out}: wait for it, or choose another file")
        remove_partial_files(folder)
        yield Parts(out, dim, fingerprint)


def part_name(pictures: Sequence[Picture], fingerprint: str) -> str:
    """The name of the part of these pictures, which is another one if a file changes."""
    digest = hashlib.sha256(fingerprint.encode())
    for picture in pictures:
        described = (picture.name, picture.label, picture.box, picture.limits, _version(picture))
        digest.update(f"\n{described!r}".encode(errors="backslashreplace"))
    return digest.hexdigest()[:32]


def _version(picture: Picture) -> str:
    """What changes with the content of a picture."""
    if isinstance(picture, RemotePicture):
        return picture.version
    if isinstance(picture.source, Path):
        try:
            status = os.stat(picture.source)
        except (OSError, ValueError):
            return "missing"
        return f"{status.st_size} {status.st_mtime_ns}"
    if isinstance(picture.source, Packed):
        return picture.source.digest
    content = picture.source.tobytes() if isinstance(picture.source, np.ndarray) else picture.source
    return hashlib.sha256(content).hexdigest()
