"""An immutable segment of an index: rows and their search structure. On the disk it is one file."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from semelha.errors import IndexFileError, SemelhaError
from semelha.index.archive import read_archive, write_archive
from semelha.index.cells import Cells
from semelha.index.checks import check_ids, whole_number
from semelha.index.exact import Flat, Tree
from semelha.index.graph import Graph
from semelha.index.rows import DeletedMask, Found, Rows
from semelha.index.settings import settings
from semelha.index.space import Queries, Space

FORMAT = 1
SUFFIX = ".segment"
STRUCTURE_PREFIX = "structure."  # of the names of the structure's arrays

State = Literal["open", "waiting", "built"]
STATES_IN_FILES: Mapping[str, State] = {"waiting": "waiting", "made": "built"}
"""States of the segments that are files, by their names in a file."""


class Structure(Protocol):
    """An immutable search structure over rows, such as a graph.

    It does not contain the rows: the caller passes those that the structure was built from to each method.
    """

    kind: ClassVar[str]

    def nearest(self, rows: Rows, queries: Queries, k: int, deleted: DeletedMask | None = None) -> Found:
        """Find the k nearest rows of each query that are not deleted; all of them if there are fewer than k."""
        ...

    def header(self) -> dict[str, Any]:
        """Settings that are saved beside the arrays, for JSON."""
        ...

    def arrays(self, rows: Rows) -> dict[str, NDArray[Any]]:
        """Arrays that are saved beside the rows."""
        ...

    @classmethod
    def restore(cls, rows: Rows, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore a structure from a saved header and arrays. Raises `ValueError` or `KeyError` if they are invalid."""
        ...

    def stats(self) -> dict[str, object]:
        """Statistics for `Index.stats`."""
        ...


class Builder(Protocol):
    """Settings of a structure and the algorithm that builds it; a frozen dataclass."""

    @property
    def recall(self) -> float:
        """The mean recall@10 that searches must reach; 1 for exact search."""
        ...

    def check(self, space: Space) -> None:
        """Raise `UsageError` for a metric under which the structure cannot search."""
        ...

    def build(self, rows: Rows, check_cancelled: Callable[[], None]) -> tuple[Rows, Structure]:
        """Return the rows in the structure's order, and the structure. `check_cancelled` raises to cancel the build."""
        ...

    def settings(self) -> dict[str, Any]:
        """Settings as the manifest of a saved index names them, for JSON."""
        ...


STRUCTURES: Mapping[str, type[Structure]] = {kind.kind: kind for kind in (Flat, Tree, Cells, Graph)}
"""Structures by their `kind`, which is also their name in a file."""


@dataclass(frozen=True)
class Provenance:
    """The metric and the model of an index's vectors; only vectors of equal provenance can be compared."""

    metric: str  # as JSON: its name, its parameters and the checksums of its arrays
    fingerprint: str  # of the model


@dataclass(frozen=True)
class SegmentFile:
    """The file of a segment: its folder and name, the checksum of its header, and its provenance."""

    folder: Path
    name: str
    checksum: str
    provenance: Provenance

    def is_saved_in(self, folder: Path, provenance: Provenance) -> bool:
        """Whether this file lies in the folder and has this provenance."""
        return (self.folder, self.provenance) == (folder, provenance) and (folder / self.name).exists()


@dataclass(frozen=True, eq=False)
class Segment:
    """Rows and their structure.

    `state` is "open" for the delta, to which rows are added, "waiting" for a full delta that has not been merged yet,
    and "built" for a segment with the structure of the index.
    """

    rows: Rows
    structure: Structure
    state: State
    file: SegmentFile | None = None

    def nearest(self, queries: Queries, k: int, deleted: DeletedMask | None = None) -> Found:
        """Find the k nearest rows of each query that are not deleted; all of them if there are fewer than k."""
        return self.structure.nearest(self.rows, queries, k, deleted)

    @cached_property
    def bytes(self) -> int:
        """Size of vectors, ids and structure."""
        structure = sum(array.nbytes for array in self.structure.arrays(self.rows).values())
        return self.rows.vectors.nbytes + self.rows.ids.nbytes + structure

    def stats(self) -> dict[str, object]:
        """Statistics for `Index.stats`."""
        return {"kind": self.structure.kind, "vectors": len(self.rows), "bytes": self.bytes, **self.structure.stats()}


def delta_segment(rows: Rows, mapped: NDArray[np.float32] | None = None) -> Segment:
    """A segment of rows that are scanned until they are merged; "open" if they are fewer than `max_delta_size`."""
    return Segment(rows, Flat(rows, mapped), "open" if len(rows) < settings.max_delta_size else "waiting")


def write_segment(segment: Segment, folder: Path, provenance: Provenance, generation: int) -> SegmentFile:
    """Write a waiting or built segment durably, under a new name. Raises `IndexFileError`."""
    name = f"{generation}-{secrets.token_hex(6)}{SUFFIX}"
    content = {
        "format": FORMAT,
        "metric": provenance.metric,
        "fingerprint": provenance.fingerprint,
        "generation": generation,
        "count": len(segment.rows),
        "state": "made" if segment.state == "built" else segment.state,
        "kind": segment.structure.kind,
        "structure": segment.structure.header(),
    }
    arrays: dict[str, NDArray[Any]] = {"ids": segment.rows.ids, "vectors": segment.rows.vectors}
    arrays |= {STRUCTURE_PREFIX + key: array for key, array in segment.structure.arrays(segment.rows).items()}
    return SegmentFile(folder, name, write_archive(folder / name, content, arrays), provenance)


def read_segment(file: SegmentFile, space: Space, threads: int) -> Segment:
    """Read a segment. Raises `IndexFileError` if it is damaged, of other provenance, not the expected file, or open."""
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
        prefix = STRUCTURE_PREFIX
        of_structure = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
        structure = STRUCTURES[content["kind"]].restore(rows, content["structure"], of_structure)
        if content["state"] not in STATES_IN_FILES:
            raise ValueError(f"its state is none of {', '.join(STATES_IN_FILES)}")
        return Segment(rows, structure, STATES_IN_FILES[content["state"]], file)
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
