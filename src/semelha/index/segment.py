"""A segment: rows and the structure that they are searched by. It never changes; on the disk it is one file."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from semelha.errors import IndexFileError, SemelhaError
from semelha.index.archive import read_archive, write_archive
from semelha.index.card import whole_number
from semelha.index.flat import Flat
from semelha.index.rows import Found, Hidden, Rows, check_ids
from semelha.index.space import Queries, Space
from semelha.index.structure import STRUCTURES, Structure

FORMAT = 1
SUFFIX = ".segment"
OWN = "structure."  # before the names of the structure's arrays
DELTA = 4096
"""Vectors that are scanned before they are to be merged."""

State = Literal["open", "waiting", "made"]


@dataclass(frozen=True)
class Mark:
    """Whose vectors they are.

    Attributes
    ----------
    metric : str
        Name and arrays of the metric.
    fingerprint : str
        Of the model.
    """

    metric: str
    fingerprint: str


@dataclass(frozen=True)
class SegmentFile:
    """Where a segment is kept: a name in a folder, the checksum of its header, and whose vectors it says to hold."""

    folder: Path
    name: str
    checksum: str
    mark: Mark

    def serves(self, folder: Path, mark: Mark) -> bool:
        """It need not be written to the folder again."""
        return (self.folder, self.mark) == (folder, mark) and (folder / self.name).exists()


@dataclass(frozen=True, eq=False)
class Segment:
    """Rows and their structure.

    Attributes
    ----------
    rows : Rows
    structure : Structure
    state : {"open", "waiting", "made"}
        Whether it is the delta, which grows; or waits to be merged; or has the structure that the index asks for.
    file : SegmentFile or None
    """

    rows: Rows
    structure: Structure
    state: State
    file: SegmentFile | None = None

    def nearest(self, queries: Queries, k: int, hidden: Hidden | None = None) -> Found:
        """The k nearest of each query, or all where fewer are not hidden."""
        return self.structure.nearest(self.rows, queries, k, hidden)

    @cached_property
    def bytes(self) -> int:
        """Of vectors, ids and structure."""
        own = sum(array.nbytes for array in self.structure.arrays(self.rows).values())
        return self.rows.vectors.nbytes + self.rows.ids.nbytes + own

    def stats(self) -> dict[str, object]:
        """What there is to say of it."""
        return {"kind": self.structure.kind, "vectors": len(self.rows), "bytes": self.bytes, **self.structure.stats()}


def delta(rows: Rows, mapped: NDArray[np.float32] | None = None) -> Segment:
    """Rows that are scanned until they are merged: open to more of them while they are few."""
    return Segment(rows, Flat(rows, mapped), "open" if len(rows) < DELTA else "waiting")


def write_segment(segment: Segment, folder: Path, mark: Mark, generation: int) -> SegmentFile:
    """Write a segment under a new name; durable when this returns. Raises `IndexFileError`."""
    name = f"{generation}-{secrets.token_hex(6)}{SUFFIX}"
    content = {
        "format": FORMAT,
        "metric": mark.metric,
        "fingerprint": mark.fingerprint,
        "generation": generation,
        "count": len(segment.rows),
        "state": segment.state,
        "kind": segment.structure.kind,
        "structure": segment.structure.card(),
    }
    arrays: dict[str, NDArray[Any]] = {"ids": segment.rows.ids, "vectors": segment.rows.vectors}
    own = {OWN + key: array for key, array in segment.structure.arrays(segment.rows).items()}
    return SegmentFile(folder, name, write_archive(folder / name, content, {**arrays, **own}), mark)


def read_segment(file: SegmentFile, space: Space, threads: int) -> Segment:
    """A segment as it was written. Raises `IndexFileError` where it is damaged, foreign or not the one meant."""
    path = file.folder / file.name
    content, arrays, checksum = read_archive(path, threads=threads)
    if checksum != file.checksum:
        raise IndexFileError(f"{path} is another file than the index was saved with")
    if content.get("format") != FORMAT:
        raise IndexFileError(f"{path} has not the format {FORMAT}, which this semelha reads")
    if (content.get("metric"), content.get("fingerprint")) != (file.mark.metric, file.mark.fingerprint):
        raise IndexFileError(f"{path} holds vectors of another model or metric")
    try:
        rows = checked_rows(space, arrays)
        if whole_number(content, "count") != len(rows):
            raise ValueError("it does not hold as many vectors as it says")
        own = {name.removeprefix(OWN): array for name, array in arrays.items() if name.startswith(OWN)}
        structure = STRUCTURES[content["kind"]].restored(rows, content["structure"], own)
        if content["state"] not in ("waiting", "made"):
            raise ValueError("it is neither made nor waits to be")
        return Segment(rows, structure, content["state"], file)
    except (KeyError, TypeError, ValueError, SemelhaError) as error:
        raise IndexFileError(f"{path} cannot be used: {error}") from error


def checked_rows(space: Space, arrays: Mapping[str, NDArray[Any]]) -> Rows:
    """The rows of a file. Raises `ValueError`, `KeyError` or `UsageError` where an index could not hold them."""
    ids, vectors = arrays["ids"], arrays["vectors"]
    if ids.dtype != np.int64 or ids.ndim != 1 or vectors.dtype != np.float32 or vectors.ndim != 2:
        raise ValueError("ids and vectors are of another form")
    if len(ids) != len(vectors) or not len(ids):
        raise ValueError("there is not one vector for each id")
    space.metric.check(vectors, "its vectors")
    rows = Rows(space, ids, vectors)
    check_ids(rows)
    return rows
