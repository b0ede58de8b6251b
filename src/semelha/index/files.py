"""The folder of an index: a file for each segment, and a manifest that says which of them count.

The manifest is written last. Until it has its name the folder is what it was; afterwards the segments that it does not
name are cleared away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.errors import IndexFileError
from semelha.index.archive import checksum, read_archive, write_archive
from semelha.index.rows import Hidden, Rows
from semelha.index.segment import FORMAT, SUFFIX, Mark, SegmentFile, delta, read_segment, write_segment
from semelha.index.snapshot import Part, Snapshot
from semelha.index.structure import Maker
from semelha.metrics import Metric

MANIFEST = "manifest"


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
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise IndexFileError(f"{folder} cannot be made: {error.strerror or error}") from error
    parts: list[Part] = []
    files: list[SegmentFile] = []
    arrays: dict[str, NDArray[Any]] = {}
    for part in snapshot.parts:
        if part.segment.state == "open":
            held = part.held()
            arrays.update(ids=held.ids, vectors=held.vectors)
            parts.append(part)
            continue
        file = part.segment.file
        if file is None or file.folder != folder:
            file = write_segment(part.segment, folder, mark, generation)
        if part.removed is not None:
            arrays[f"removed {len(files)}"] = np.flatnonzero(part.removed.mask)
        files.append(file)
        parts.append(replace(part, segment=replace(part.segment, file=file)))
    content = {
        "format": FORMAT,
        "metric": mark.metric,
        "fingerprint": mark.fingerprint,
        "maker": settings(maker),
        "generation": generation,
        "count": len(snapshot),
        "segments": [[file.name, file.checksum] for file in files],
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
    content, arrays, first = read_archive(folder / MANIFEST)
    try:
        return _loaded(folder, content, arrays, empty, mark, maker)
    except IndexFileError:
        # Another process may have saved meanwhile, and cleared away what this manifest names.
        content, arrays, again = read_archive(folder / MANIFEST)
        if again == first:
            raise
        return _loaded(folder, content, arrays, empty, mark, maker)


def generation_on_disk(folder: Path) -> int | None:
    """Of the snapshot that a folder holds; None where there is none that can be read."""
    try:
        return int(read_archive(folder / MANIFEST)[0]["generation"])
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
        raise IndexFileError(f"{path} has the format {content.get('format')}, this semelha reads {FORMAT}")
    if (content.get("metric"), content.get("fingerprint")) != (mark.metric, mark.fingerprint):
        raise IndexFileError(f"{path} is of another model or metric")
    if content.get("maker") != settings(maker):
        raise IndexFileError(f"{path} is of another kind of index, or of one with other settings")
    try:
        parts = []
        for number, (name, wanted) in enumerate(content["segments"]):
            if Path(name).name != name or not name.endswith(SUFFIX):
                raise ValueError(f"{name} is no name of a segment")
            file = SegmentFile(folder, name, wanted)
            segment = read_segment(file, empty.space, mark, empty.threads.count)
            parts.append(Part(segment, _removed(arrays.get(f"removed {number}"), len(segment.rows))))
        if "ids" in arrays:
            rows = Rows(empty.space, arrays["ids"].copy(), arrays["vectors"].copy())
            parts.append(Part(delta(rows)))
        snapshot = replace(empty, parts=tuple(part for part in parts if len(part)))
        generation = content["generation"]
        if len(snapshot) != content["count"] or type(generation) is not int:
            raise ValueError("it does not hold as many vectors as it says")
    except (KeyError, TypeError, ValueError) as error:
        raise IndexFileError(f"{path} cannot be used: {error}") from error
    return snapshot, generation


def _removed(rows: NDArray[Any] | None, n: int) -> Hidden | None:
    if rows is None:
        return None
    if rows.dtype != np.int64 or rows.ndim != 1 or (len(rows) and not 0 <= rows.min() <= rows.max() < n):
        raise ValueError("it names rows that are not there")
    mask = np.zeros(n, bool)
    mask[rows] = True
    return Hidden(mask)


def _clear(folder: Path, kept: set[str]) -> None:
    for path in folder.iterdir():
        if path.name not in kept and (path.suffix == ".partial" or path.name.endswith(SUFFIX)):
            path.unlink(missing_ok=True)
