"""The folder of an index: a file for each segment, and a manifest that says which of them count.

The manifest is written last. Until it has its name the folder is what it was; afterwards the segments that it does not
name are cleared away.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.errors import IndexFileError, UsageError
from semelha.files import remove_partial_files
from semelha.index.archive import checksum, read_archive, write_archive
from semelha.index.card import number, whole_number
from semelha.index.cells import Cells
from semelha.index.graph import Graph
from semelha.index.promise import Measured
from semelha.index.rows import Hidden
from semelha.index.segment import FORMAT, SUFFIX, Mark, SegmentFile, checked_rows, delta, read_segment, write_segment
from semelha.index.snapshot import Part, Snapshot
from semelha.index.structure import Maker
from semelha.metrics import Metric

MANIFEST = "manifest"
GENERATIONS = (-(1 << 63), (1 << 63) - 1)

logger = logging.getLogger(__name__)


def mark_of(metric: Metric, fingerprint: str) -> Mark:
    """Whose vectors an index of this metric and model holds."""
    arrays = {name: checksum(np.ascontiguousarray(array)) for name, array in metric.arrays().items()}
    return Mark(json.dumps([metric.name, metric.parameters(), arrays], sort_keys=True), fingerprint)


def save_snapshot(snapshot: Snapshot, folder: Path, mark: Mark, maker: Maker, generation: int) -> Snapshot:
    """Make the folder hold this snapshot. Returns the same, its segments on the disk.

    Raises
    ------
    IndexFileError
        There is no room, or no right to write; the folder holds what it held.
    """
    try:
        return _saved(snapshot, folder, mark, maker, generation)
    except IndexFileError:
        _clear(folder, _named(folder))  # what was written for nothing takes the room that is lacking
        raise


def _saved(snapshot: Snapshot, folder: Path, mark: Mark, maker: Maker, generation: int) -> Snapshot:
    parts: list[Part] = []
    files: list[SegmentFile] = []
    depths: list[dict[str, Any] | None] = []  # an audit may have changed what the file of a segment says
    arrays: dict[str, NDArray[Any]] = {}
    for part in snapshot.parts:
        if part.segment.state == "open":
            held = part.held()
            arrays.update(ids=held.ids, vectors=held.vectors)
            parts.append(part)
            continue
        file = part.segment.file
        if file is None or not file.serves(folder, mark):
            file = write_segment(part.segment, folder, mark, generation)
        if part.removed is not None:
            arrays[f"removed {len(files)}"] = np.flatnonzero(part.removed.mask)
        files.append(file)
        structure = part.segment.structure
        depths.append(structure.depth.card() if isinstance(structure, Graph | Cells) else None)
        parts.append(replace(part, segment=replace(part.segment, file=file)))
    content = {
        "format": FORMAT,
        "metric": mark.metric,
        "fingerprint": mark.fingerprint,
        "maker": settings(maker),
        "generation": generation,
        "count": len(snapshot),
        "segments": [[file.name, file.checksum, depth] for file, depth in zip(files, depths, strict=True)],
    }
    write_archive(folder / MANIFEST, content, arrays)
    _clear(folder, {file.name for file in files})
    return replace(snapshot, parts=tuple(parts))


def load_snapshot(folder: Path, empty: Snapshot, mark: Mark, maker: Maker) -> tuple[Snapshot, int]:
    """What a folder holds, and its generation.

    Raises
    ------
    IndexFileError
        Something is missing, damaged, or of another model, metric, format or kind of index.
    """
    before = ""
    while True:
        content, arrays, now = read_archive(folder / MANIFEST)
        try:
            return _loaded(folder, content, arrays, empty, mark, maker)
        except IndexFileError:
            if now == before:
                raise
        before = now  # another process may have saved meanwhile, and cleared away what this manifest names


def generation_on_disk(folder: Path) -> int | None:
    """Of the snapshot that a folder holds; None where there is none that can be read."""
    try:
        return whole_number(read_archive(folder / MANIFEST)[0], "generation", *GENERATIONS)
    except (IndexFileError, KeyError, ValueError):
        return None


def recall_on_disk(folder: Path) -> float | None:
    """That the snapshot in a folder was made to keep; None where there is none that can be read."""
    try:
        return number(read_archive(folder / MANIFEST)[0]["maker"], "recall", 0, 1) or None
    except (IndexFileError, KeyError, TypeError, ValueError):
        return None


def settings(maker: Maker) -> dict[str, Any]:
    """What a manifest says of the kind of index."""
    return {"kind": type(maker).__name__, **asdict(maker)}  # type: ignore[call-overload]


def _loaded(
    folder: Path,
    content: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    empty: Snapshot,
    mark: Mark,
    maker: Maker,
) -> tuple[Snapshot, int]:
    path = folder / MANIFEST
    if content.get("format") != FORMAT:
        raise IndexFileError(f"{path} has not the format {FORMAT}, which this semelha reads")
    if (content.get("metric"), content.get("fingerprint")) != (mark.metric, mark.fingerprint):
        raise IndexFileError(f"{path} is of another model or metric")
    if content.get("maker") != settings(maker):
        raise IndexFileError(f"{path} is of another kind of index, or of one with other settings")
    try:
        parts = []
        for place, (name, wanted, depth) in enumerate(content["segments"]):
            if Path(name).name != name or not name.endswith(SUFFIX):
                raise ValueError(f"{name} is no name of a segment")
            file = SegmentFile(folder, name, wanted, mark)
            segment = read_segment(file, empty.space, empty.threads.count)
            if isinstance(segment.structure, Graph | Cells):
                segment = replace(
                    segment, structure=segment.structure.at(Measured.restored(depth, segment.structure.deepest))
                )
            parts.append(Part(segment, _removed(arrays.get(f"removed {place}"), len(segment.rows))))
        if "ids" in arrays:
            own = {name: arrays[name].copy() for name in ("ids", "vectors")}
            parts.append(Part(delta(checked_rows(empty.space, own).sorted())))
        snapshot = replace(empty, parts=tuple(part for part in parts if len(part)))
        _check_together(snapshot.parts)
        if whole_number(content, "count") != len(snapshot):
            raise ValueError("it does not hold as many vectors as it says")
        generation = whole_number(content, "generation", *GENERATIONS)
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise IndexFileError(f"{path} cannot be used: {error}") from error
    return snapshot, generation


def _check_together(parts: Sequence[Part]) -> None:
    """Raises `ValueError` where an id is in two parts, or they hold vectors of different lengths."""
    if len({part.segment.rows.vectors.shape[1] for part in parts}) > 1:
        raise ValueError("its segments hold vectors of different lengths")
    if len(parts) < 2:
        return  # a segment by itself has been looked at
    removed = [slice(None) if part.removed is None else ~part.removed.mask for part in parts]
    ids = np.sort(np.concatenate([part.segment.rows.ids[rows] for part, rows in zip(parts, removed, strict=True)]))
    if (ids[1:] == ids[:-1]).any():
        raise ValueError("an id is there twice")


def _removed(rows: NDArray[Any] | None, n: int) -> Hidden | None:
    if rows is None:
        return None
    if rows.dtype != np.int64 or rows.ndim != 1 or (len(rows) and not 0 <= rows.min() <= rows.max() < n):
        raise ValueError("it names rows that are not there")
    mask = np.zeros(n, bool)
    mask[rows] = True
    return Hidden(mask)


def _named(folder: Path) -> set[str] | None:
    """The segments that the manifest of a folder names; None where that cannot be told."""
    if not (folder / MANIFEST).exists():
        return set()
    try:
        return {str(name) for name, *_ in read_archive(folder / MANIFEST)[0]["segments"]}
    except (IndexFileError, KeyError, TypeError, ValueError):
        return None


def _clear(folder: Path, kept: set[str] | None) -> None:
    """Remove what is not kept of the files that saving makes; it can wait where it does not go now."""
    if kept is None:
        return
    try:
        remove_partial_files(folder)
        for path in folder.iterdir():
            if path.name.endswith(SUFFIX) and path.name not in kept:
                path.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("%s keeps files that are of no more use: %s", folder, error.strerror or error)
