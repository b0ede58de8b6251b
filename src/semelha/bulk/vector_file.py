"""Files of vectors: Parquet with a row for each picture, and the fingerprint of the model in the metadata.

Columns: `name`, `label` (null without one), `content_hash`, and `vector`, a fixed-size list of float32. See
docs/bulk.md.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from semelha.errors import DatasetError, FingerprintMismatch, MissingExtra
from semelha.text import as_unicode

FORMAT = "1"
VERSION, FINGERPRINT = b"semelha.vectors", b"semelha.fingerprint"
ROWS_OF_A_GROUP = 8192
MAX_TEXT = 4096  # bytes of a name, label or content hash
MAX_GROUP = 1 << 30  # bytes of a row group in memory
MAX_DIM = 1 << 16


def require_parquet() -> None:
    """Raise `MissingExtra` unless pyarrow is installed."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise MissingExtra('vectors in Parquet need pyarrow: pip install "semelha[parquet]"') from error


def vector_schema(dim: int, fingerprint: str) -> Any:
    """The Arrow schema of a file of vectors."""
    import pyarrow as pa

    fields = [
        pa.field("name", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("content_hash", pa.string(), nullable=False),
        pa.field("vector", pa.list_(pa.field("element", pa.float32()), dim), nullable=False),
    ]
    return pa.schema(fields, {VERSION: FORMAT, FINGERPRINT: fingerprint})


class VectorWriter:
    """Writes tables to a file of vectors, in row groups of `ROWS_OF_A_GROUP`. A context manager."""

    def __init__(self, file: BinaryIO, schema: Any) -> None:
        import pyarrow.parquet as pq

        texts = [field.name for field in schema if field.name != "vector"]
        self._schema = schema
        self._waiting: list[Any] = []
        self._count = 0
        # Vectors hardly compress, and uncompressed they are read in half of the time.
        self._writer = pq.ParquetWriter(
            file,
            schema,
            compression={**dict.fromkeys(texts, "zstd"), "vector.list.element": "NONE"},
            use_dictionary=["label"] if "label" in texts else False,
            write_statistics=False,
            write_page_checksum=True,
        )

    def write(self, table: Any) -> None:
        """Append a table of the schema."""
        self._waiting.append(table)
        self._count += len(table)
        if self._count >= ROWS_OF_A_GROUP:
            self._flush(ROWS_OF_A_GROUP)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None and self._count:
            self._flush(1)
        self._writer.close()

    def _flush(self, least: int) -> None:
        """Write row groups until fewer than `least` rows wait."""
        import pyarrow as pa

        joined = pa.concat_tables(self._waiting)
        while len(joined) >= least:
            self._writer.write_table(joined[:ROWS_OF_A_GROUP].combine_chunks(), row_group_size=ROWS_OF_A_GROUP)
            joined = joined[ROWS_OF_A_GROUP:]
        self._waiting, self._count = [joined], len(joined)


@dataclass(frozen=True, eq=False)
class VectorBatch:
    """Some rows of a file of vectors: those from `first` on.

    Attributes
    ----------
    first : int
    names : list of str
    labels : list of str or None
    hashes : list of str, or None
        None if the file has no content hashes.
    vectors : (rows, dim) float32
    """

    first: int
    names: list[str]
    labels: list[str | None]
    hashes: list[str] | None
    vectors: NDArray[np.float32]


class VectorFile:
    """A Parquet file of vectors, which may come from outside: types, lengths and numbers are checked as it is read.

    Needs the columns `name`, `vector` (lists of `dim` numbers), and `label` or `subject`; `content_hash` is optional.

    Parameters
    ----------
    path : path
    dim : int
        Numbers of a vector.
    fingerprint : str, optional
        Model of the vectors, for a file whose metadata does not say it.

    Attributes
    ----------
    rows : int
    fingerprint : str

    Raises
    ------
    DatasetError
        Here and while it is read: the file cannot be read, or is no such file.
    FingerprintMismatch
        `fingerprint` is another one than the file has.
    MissingExtra
        pyarrow is not installed.
    """

    def __init__(self, path: str | os.PathLike[str], *, dim: int, fingerprint: str | None = None) -> None:
        require_parquet()
        self.path, self.dim = Path(path), dim
        self._file = _opened(self.path)
        try:
            if self._metadata(VERSION) not in ("", FORMAT):
                raise DatasetError(f"{self._name} was written by a newer semelha: use that to read it")
            self._check_columns()
            self._check_size()
            known = self._metadata(FINGERPRINT)
            if known and fingerprint and known != fingerprint:
                raise FingerprintMismatch(f"{self._name} has vectors of the model {known[:12]}, not {fingerprint[:12]}")
            if not (known or fingerprint):
                raise DatasetError(f"{self._name} does not say which model made its vectors: pass its fingerprint")
        except BaseException:
            self._file.close()
            raise
        self.fingerprint = known or fingerprint or ""
        self.rows: int = self._file.metadata.num_rows

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def batches(self, size: int = 1024) -> Iterator[VectorBatch]:
        """The rows in batches of at most `size`."""
        import pyarrow as pa

        first = 0
        try:
            for batch in self._file.iter_batches(size, columns=self._columns, use_threads=False):
                batch.validate(full=True)
                yield self._batch(batch, first)
                first += len(batch)
        except (pa.ArrowException, OSError) as error:
            raise DatasetError(f"{self._name} is damaged after row {first:,}: {error}") from error
        if first != self.rows:
            raise DatasetError(f"{self._name} is damaged: it has {first:,} rows, and says {self.rows:,}")

    @property
    def _name(self) -> str:
        return as_unicode(str(self.path))

    def _metadata(self, key: bytes) -> str:
        found: bytes = (self._file.schema_arrow.metadata or {}).get(key, b"")
        return found[:200].decode("utf-8", "replace")

    def _check_columns(self) -> None:
        import pyarrow as pa

        schema = self._file.schema_arrow
        names = list(schema.names)
        self._label = "subject" if "subject" in names else "label"
        self._columns = ["name", self._label, "vector", *(["content_hash"] if "content_hash" in names else [])]
        for column in self._columns:
            if names.count(column) != 1:
                raise DatasetError(
                    f"{self._name} has {names.count(column)} columns called {column!r}: it must have one"
                )
            kind = schema.field(column).type
            if column == "vector":
                self._check_vectors(kind)
                continue
            text = kind.value_type if pa.types.is_dictionary(kind) else kind
            if not (pa.types.is_string(text) or pa.types.is_large_string(text)):
                raise DatasetError(f"the column {column!r} of {self._name} is of {kind}: it must be text")

    def _check_vectors(self, kind: Any) -> None:
        import pyarrow as pa

        is_fixed = pa.types.is_fixed_size_list(kind)
        is_list = is_fixed or pa.types.is_list(kind) or pa.types.is_large_list(kind)
        if not is_list or not (pa.types.is_float32(kind.value_type) or pa.types.is_float64(kind.value_type)):
            raise DatasetError(f"the column 'vector' of {self._name} is of {kind}: it must be lists of float32")
        if is_fixed and kind.list_size != self.dim:
            raise DatasetError(
                f"the vectors of {self._name} have {kind.list_size} numbers: the model's have {self.dim}"
            )

    def _check_size(self) -> None:
        metadata = self._file.metadata
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            if group.num_rows < 0 or max(group.total_byte_size, 4 * self.dim * group.num_rows) > MAX_GROUP:
                raise DatasetError(
                    f"{self._name} has a row group of more than {MAX_GROUP >> 20} MB: write it in smaller row groups"
                )

    def _batch(self, batch: Any, first: int) -> VectorBatch:
        has_hashes = "content_hash" in self._columns
        return VectorBatch(
            first,
            [*self._texts(batch, "name", first)],
            self._texts(batch, self._label, first, nullable=True),
            [*self._texts(batch, "content_hash", first)] if has_hashes else None,
            self._vectors(batch.column("vector"), first),
        )

    def _texts(self, batch: Any, column: str, first: int, *, nullable: bool = False) -> list[Any]:
        import pyarrow as pa
        import pyarrow.compute as pc

        texts = batch.column(column)
        if pa.types.is_dictionary(texts.type):
            texts = texts.dictionary_decode()
        if texts.null_count and not nullable:
            raise DatasetError(f"{self._name} has a row without {column} after row {first:,}")
        if len(texts) and (pc.max(pc.binary_length(texts)).as_py() or 0) > MAX_TEXT:
            raise DatasetError(f"{self._name} has a {column} of more than {MAX_TEXT} bytes after row {first:,}")
        found: list[Any] = texts.to_pylist()
        return found

    def _vectors(self, column: Any, first: int) -> NDArray[np.float32]:
        import pyarrow as pa
        import pyarrow.compute as pc

        flat = column.flatten()
        lengths_fit = pa.types.is_fixed_size_list(column.type) or pc.all(
            pc.equal(pc.list_value_length(column), self.dim)
        ).as_py() in (True, None)
        if column.null_count or flat.null_count or not lengths_fit or len(flat) != len(column) * self.dim:
            raise DatasetError(
                f"{self._name} has a vector after row {first:,} that is not a list of {self.dim} numbers"
            )
        with np.errstate(over="ignore"):  # found below
            vectors = flat.to_numpy(zero_copy_only=False).astype(np.float32).reshape(-1, self.dim)
        if not np.isfinite(vectors).all():
            bad = first + int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
            raise DatasetError(f"the vector in row {bad + 1:,} of {self._name} has numbers that are not finite")
        return np.asarray(vectors, np.float32)


def _opened(path: Path) -> Any:
    """The Parquet file. Raises `DatasetError`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    name = as_unicode(str(path))
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would block
            raise DatasetError(f"{name} is no file that can be read: it is a folder, a pipe or a device")
        return pq.ParquetFile(path, pre_buffer=False, page_checksum_verification=True)
    except OSError as error:
        raise DatasetError(f"{name} cannot be read: {error.strerror or error}") from error
    except (pa.ArrowException, ValueError) as error:
        raise DatasetError(f"{name} is no Parquet file: {error}") from error


def matrix(column: Any, dim: int) -> NDArray[np.float32]:
    """The numbers of a column of vectors without nulls: (rows, dim)."""
    chunks: Sequence[Any] = column.chunks if hasattr(column, "chunks") else [column]
    parts = [np.asarray(chunk.flatten()).reshape(-1, dim) for chunk in chunks]
    return np.concatenate(parts) if parts else np.empty((0, dim), np.float32)
