"""An immutable segment of an index: rows and their search structure. On the disk it is one file."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from semelha.errors import IndexFileError, SemelhaError
from semelha.index.archive import read_archive, write_archive
from semelha.index.cells import Cells
from semelha.index.checks import check_ids, whole_number
from semelha.index.exact import Flat, Tree
from semelha.index.graph import Graph
from semelha.index.rows import DeletedMask, Found, Rows
from semelha.index.space import Queries, Space

FORMAT = 1
SUFFIX = ".segment"
OWN = "structure."  # prefix of the names of the structure's arrays
DELTA = 4096
"""Number of vectors at which the delta becomes a segment."""

State = Literal["open", "waiting", "made"]


class Structure(Protocol):
    """An immutable way to search rows. The caller passes the rows that it was built from."""

    kind: ClassVar[str]

    def nearest(self, rows: Rows, queries: Queries, k: int, deleted: DeletedMask | None = None) -> Found:
        """Find the k nearest rows of each query, or all if fewer are not deleted."""
        ...

    def header(self) -> dict[str, Any]:
        """Settings that are saved beside the arrays, for JSON."""
        ...

    def arrays(self, rows: Rows) -> dict[str, NDArray[Any]]:
        """Arrays that are saved beside the rows."""
        ...

    def stats(self) -> dict[str, object]:
        """Statistics for `Index.stats`."""
        ...


class Builder(Protocol):
    """Settings of a structure and the algorithm that builds it; a frozen dataclass. `recall` is 1 for exact search."""

    @property
    def recall(self) -> float: ...

    def check(self, space: Space) -> None:
        """Raise `UsageError` for a metric under which the structure cannot search."""
        ...

    def build(self, rows: Rows, stop: Callable[[], None]) -> tuple[Rows, Structure]:
        """Return the rows in the structure's order, and the structure. `stop` is called often, and may raise."""
        ...

    def settings(self) -> dict[str, Any]:
        """Settings as the manifest of a saved index names them, for JSON."""
        ...


STRUCTURES: Mapping[str, type[Flat] | type[Tree] | type[Cells] | type[Graph]] = {
    kind.kind: kind for kind in (Flat, Tree, Cells, Graph)
}
"""Structures by the name that a file gives them."""


@dataclass(frozen=True)
class Provenance:
    """Metric (name, parameters and checksums of its arrays, as JSON) and model fingerprint of an index's vectors."""

    metric: str
    fingerprint: str


@dataclass(frozen=True)
class SegmentFile:
    """The file of a segment: its folder and name, the checksum of its header, and its provenance."""

    folder: Path
    name: str
    checksum: str
    provenance: Provenance

    def is_in(self, folder: Path, provenance: Provenance) -> bool:
        """Whether the segment need not be written to the folder again."""
        return (self.folder, self.provenance) == (folder, provenance) and (folder / self.name).exists()


@dataclass(frozen=True, eq=False)
class Segment:
    """Rows and their structure.

    `state` is "open" for the growing delta, "waiting" for a full delta that waits to be merged, and "made" for a
    segment with the structure of the index.
    """

    rows: Rows
    structure: Structure
    state: State
    file: SegmentFile | None = None

    def nearest(self, queries: Queries, k: int, deleted: DeletedMask | None = None) -> Found:
        """Find the k nearest rows of each query, or all if fewer are not deleted."""
        return self.structure.nearest(self.rows, queries, k, deleted)

    @cached_property
    def bytes(self) -> int:
        """Size of vectors, ids and structure."""
        own = sum(array.nbytes for array in self.structure.arrays(self.rows).values())
        return self.rows.vectors.nbytes + self.rows.ids.nbytes + own

    def stats(self) -> dict[str, object]:
        """Statistics for `Index.stats`."""
        return {"kind": self.structure.kind, "vectors": len(self.rows), "bytes": self.bytes, **self.structure.stats()}


def delta_segment(rows: Rows, mapped: NDArray[np.float32] | None = None) -> Segment:
    """Rows that are scanned until they are merged; open for more rows while there are fewer than `DELTA`."""
    return Segment(rows, Flat(rows, mapped), "open" if len(rows) < DELTA else "waiting")


def write_segment(segment: Segment, folder: Path, provenance: Provenance, generation: int) -> SegmentFile:
    """Write a segment under a new name; durable when this returns. Raises `IndexFileError`."""
    name = f"{generation}-{secrets.token_hex(6)}{SUFFIX}"
    content = {
        "format": FORMAT,
        "metric": provenance.metric,
        "fingerprint": provenance.fingerprint,
        "generation": generation,
        "count": len(segment.rows),
        "state": segment.state,
        "kind": segment.structure.kind,
        "structure": segment.structure.header(),
    }
    arrays: dict[str, NDArray[Any]] = {"ids": segment.rows.ids, "vectors": segment.rows.vectors}
    own = {OWN + key: array for key, array in segment.structure.arrays(segment.rows).items()}
    return SegmentFile(folder, name, write_archive(folder / name, content, {**arrays, **own}), provenance)


def read_segment(file: SegmentFile, space: Space, threads: int) -> Segment:
    """Read a segment. Raises `IndexFileError` if it is damaged, of other provenance, or not the expected file."""
    path = file.folder / file.name
    content, arrays, checksum = read_archive(path, threads=threads)
    if checksum != file.checksum:
        raise IndexFileError(f"{path} is not the file that the index was saved with")
    if content.get("format") != FORMAT:
        raise IndexFileError(f"{path} does not have the format {FORMAT}, which this version of semelha reads")
    if (content.get("metric"), content.get("fingerprint")) != (file.provenance.metric, file.provenance.fingerprint):
        raise IndexFileError(f"{path} contains vectors of another model or metric")
    try:
        rows = checked_rows(space, arrays)
        if whole_number(content, "count") != len(rows):
            raise ValueError("its count is not the number of its vectors")
        own = {name.removeprefix(OWN): array for name, array in arrays.items() if name.startswith(OWN)}
        structure = STRUCTURES[content["kind"]].restored(rows, content["structure"], own)
        if content["state"] not in ("waiting", "made"):
            raise ValueError("its state is none of waiting, made")
        return Segment(rows, structure, content["state"], file)
    except (KeyError, TypeError, ValueError, SemelhaError) as error:
        raise IndexFileError(f"{path} cannot be used: {error}") from error


def checked_rows(space: Space, arrays: Mapping[str, NDArray[Any]]) -> Rows:
    """The rows of a file. Raises `ValueError`, `KeyError` or `UsageError` if they are invalid."""
    ids, vectors = arrays["ids"], arrays["vectors"]
    if ids.dtype != np.int64 or ids.ndim != 1 or vectors.dtype != np.float32 or vectors.ndim != 2:
        raise ValueError("its ids or vectors have the wrong shape or type")
    if len(ids) != len(vectors) or not len(ids):
        raise ValueError("it does not have one vector for each id")
    space.metric.check(vectors, "its vectors")
    rows = Rows(space, ids, vectors)
    check_ids(rows.sorted_ids)
    return rows
