"""Save and load an index: a folder with a file for each segment, and a manifest that names the valid ones.

The manifest is replaced last, in one step: until then the folder contains the old index, afterwards the new one.
Segments that the manifest does not name are deleted after that.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.errors import IndexFileError, UsageError
from semelha.files import remove_partial_files
from semelha.index.archive import checksum, read_archive, write_archive
from semelha.index.checks import number, whole_number
from semelha.index.recall import Approximate, MeasuredRecall
from semelha.index.rows import DeletedMask
from semelha.index.segment import (
    FORMAT,
    SUFFIX,
    Builder,
    Provenance,
    SegmentFile,
    checked_rows,
    delta_segment,
    read_segment,
    write_segment,
)
from semelha.index.snapshot import SegmentView, Snapshot
from semelha.metrics import Metric

MANIFEST = "manifest"
GENERATIONS = (-(1 << 63), (1 << 63) - 1)

logger = logging.getLogger(__name__)


def provenance_of(metric: Metric, fingerprint: str) -> Provenance:
    """The provenance of vectors of this metric and model."""
    arrays = {name: checksum(np.ascontiguousarray(array)) for name, array in metric.arrays().items()}
    return Provenance(json.dumps([metric.name, metric.parameters(), arrays], sort_keys=True), fingerprint)


def save_snapshot(
    snapshot: Snapshot, folder: Path, provenance: Provenance, builder: Builder, generation: int
) -> Snapshot:
    """Save a snapshot to a folder. Returns it with the files of its segments.

    Raises `IndexFileError` if a file cannot be written; the folder then contains what it contained before.
    """
    try:
        return _saved(snapshot, folder, provenance, builder, generation)
    except IndexFileError:
        _clear(folder, _named(folder))  # new segments take room on a disk that is full
        raise


def _saved(snapshot: Snapshot, folder: Path, provenance: Provenance, builder: Builder, generation: int) -> Snapshot:
    parts: list[SegmentView] = []
    files: list[SegmentFile] = []
    depths: list[dict[str, Any] | None] = []  # an audit may have changed the depth in the file of a segment
    arrays: dict[str, NDArray[Any]] = {}
    for part in snapshot.parts:
        if part.segment.state == "open":
            live = part.live_rows()
            arrays.update(ids=live.ids, vectors=live.vectors)
            parts.append(part)
            continue
        file = part.segment.file
        if file is None or not file.is_saved_in(folder, provenance):
            file = write_segment(part.segment, folder, provenance, generation)
        if part.deleted is not None:
            arrays[f"removed {len(files)}"] = np.flatnonzero(part.deleted.mask)
        files.append(file)
        structure = part.segment.structure
        depths.append(structure.depth.header() if isinstance(structure, Approximate) else None)
        parts.append(replace(part, segment=replace(part.segment, file=file)))
    content = {
        "format": FORMAT,
        "metric": provenance.metric,
        "fingerprint": provenance.fingerprint,
        "maker": builder.settings(),
        "generation": generation,
        "count": len(snapshot),
        "segments": [[file.name, file.checksum, depth] for file, depth in zip(files, depths, strict=True)],
    }
    write_archive(folder / MANIFEST, content, arrays)
    _clear(folder, {file.name for file in files})
    return replace(snapshot, parts=tuple(parts))


def load_snapshot(folder: Path, empty: Snapshot, provenance: Provenance, builder: Builder) -> tuple[Snapshot, int]:
    """Load the snapshot of a folder and its generation.

    Raises `IndexFileError` if a file is missing or damaged, or of another model, metric, format or kind of index.
    """
    before = ""
    while True:
        content, arrays, now = read_archive(folder / MANIFEST)
        try:
            return _loaded(folder, content, arrays, empty, provenance, builder)
        except IndexFileError:
            if now == before:
                raise
        before = now  # another process may have saved, and deleted the segments of this manifest


def generation_on_disk(folder: Path) -> int | None:
    """The generation of the index in a folder; None if there is none that can be read."""
    try:
        return whole_number(read_archive(folder / MANIFEST)[0], "generation", *GENERATIONS)
    except (IndexFileError, KeyError, ValueError):
        return None


def recall_on_disk(folder: Path) -> float | None:
    """The recall that the index in a folder keeps; None if there is none that can be read."""
    try:
        return number(read_archive(folder / MANIFEST)[0]["maker"], "recall", 0, 1) or None
    except (IndexFileError, KeyError, TypeError, ValueError):
        return None


def _loaded(
    folder: Path,
    content: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    empty: Snapshot,
    provenance: Provenance,
    builder: Builder,
) -> tuple[Snapshot, int]:
    path = folder / MANIFEST
    if content.get("format") != FORMAT:
        raise IndexFileError(f"{path} does not have the format {FORMAT}, which this version of semelha reads")
    if (content.get("metric"), content.get("fingerprint")) != (provenance.metric, provenance.fingerprint):
        raise IndexFileError(f"{path} is of another model or metric")
    if content.get("maker") != builder.settings():
        raise IndexFileError(f"{path} is of another kind of index, or of other settings")
    try:
        parts = []
        for place, (name, wanted, depth) in enumerate(content["segments"]):
            if Path(name).name != name or not name.endswith(SUFFIX):
                raise ValueError(f"{name} is not the name of a segment")
            file = SegmentFile(folder, name, wanted, provenance)
            segment = read_segment(file, empty.space, empty.threads.count)
            if isinstance(segment.structure, Approximate):
                measured = MeasuredRecall.restore(depth, segment.structure.deepest)
                segment = replace(segment, structure=segment.structure.at(measured))
            parts.append(SegmentView(segment, _deleted(arrays.get(f"removed {place}"), len(segment.rows))))
        if "ids" in arrays:
            own = {name: arrays[name].copy() for name in ("ids", "vectors")}
            parts.append(SegmentView(delta_segment(checked_rows(empty.space, own).sorted())))
        snapshot = replace(empty, parts=tuple(part for part in parts if len(part)))
        _check_together(snapshot.parts)
        if whole_number(content, "count") != len(snapshot):
            raise ValueError("its count is not the number of its vectors")
        generation = whole_number(content, "generation", *GENERATIONS)
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise IndexFileError(f"{path} cannot be used: {error}") from error
    return snapshot, generation


def _check_together(parts: Sequence[SegmentView]) -> None:
    """Raise `ValueError` if an id is in two segments, or their vectors differ in dimension."""
    if len({part.segment.rows.vectors.shape[1] for part in parts}) > 1:
        raise ValueError("the vectors of its segments differ in dimension")
    if len(parts) < 2:
        return  # each segment was checked when it was read
    live = [slice(None) if part.deleted is None else ~part.deleted.mask for part in parts]
    ids = np.sort(np.concatenate([part.segment.rows.ids[rows] for part, rows in zip(parts, live, strict=True)]))
    if (ids[1:] == ids[:-1]).any():
        raise ValueError("an id is in two segments")


def _deleted(rows: NDArray[Any] | None, n: int) -> DeletedMask | None:
    if rows is None:
        return None
    if rows.dtype != np.int64 or rows.ndim != 1 or (len(rows) and not 0 <= rows.min() <= rows.max() < n):
        raise ValueError("it deletes rows that do not exist")
    mask = np.zeros(n, bool)
    mask[rows] = True
    return DeletedMask(mask)


def _named(folder: Path) -> set[str] | None:
    """The segments that the manifest of a folder names; None if it cannot be read."""
    if not (folder / MANIFEST).exists():
        return set()
    try:
        return {str(name) for name, *_ in read_archive(folder / MANIFEST)[0]["segments"]}
    except (IndexFileError, KeyError, TypeError, ValueError):
        return None


def _clear(folder: Path, kept: set[str] | None) -> None:
    """Delete other segments and partial files; a failure is logged, and the next save tries again."""
    if kept is None:
        return
    try:
        remove_partial_files(folder)
        for path in folder.iterdir():
            if path.name.endswith(SUFFIX) and path.name not in kept:
                path.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("unused files in %s cannot be deleted: %s", folder, error.strerror or error)
