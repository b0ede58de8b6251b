"""Copies a gallery to another place: a folder, or a Milvus server. Continued where it was cut off, and verified."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from semelha.arguments import check_types
from semelha.embedders import Progress
from semelha.errors import GalleryError, UsageError
from semelha.gallery.backup import backup
from semelha.gallery.milvus.state import Summary, summary_of
from semelha.gallery.places import open_gallery
from semelha.store.milvus.address import MilvusAddress


@dataclass(frozen=True)
class Copy:
    """A copy of a gallery: its place, how much it holds, and the checksum that both have."""

    path: Path
    subjects: int
    examples: int
    checksum: str


@check_types
def copy_gallery(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    pictures: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Copy:
    """Copy a gallery to another place, a folder or an address such as milvus://host:19530/shop.

    Others may use the source during it: the copy has all changes up to one, and none after. Both are read in full, and
    compared by the numbers of their subjects and examples and a checksum of everything in them: names, vectors,
    pictures, merges, rejections, calibration, audit log. Answers are the same.

    A copy that is cut off leaves no gallery. If the source did not change since, the next one continues it.

    Raises `GalleryError` if there is something at the target, the copy differs, or one of both cannot be used, and
    `UsageError` if the target is on Milvus and `pictures` is needed and missing.

    Parameters
    ----------
    pictures : str, optional
        Where a copy on Milvus keeps its pictures: see `Gallery.create`.
    progress : callable, optional
        Called with (done, total) examples.
    """
    address, report = MilvusAddress.of(target), progress or (lambda done, total: None)
    if address is None and pictures is not None:
        raise UsageError(f"pictures is for galleries on Milvus alone: {target} keeps its pictures itself")
    if address is None and MilvusAddress.of(source) is None:
        backup(source, target)
        found = _summary(target)
        return Copy(Path(target), found.subjects, found.examples, found.checksum)
    opened = open_gallery(source, None, None)
    try:
        with opened.store.reading() as view:
            from semelha.gallery.milvus.copying import copy_to_folder, copy_to_milvus

            if address is None:
                copy_to_folder(opened, view, Path(target).absolute(), report)
            else:
                copy_to_milvus(opened, view, address, None if pictures is None else os.fspath(pictures), report)
            expected = summary_of(view)
    finally:
        opened.store.close()
    found = _summary(target)
    if found != expected:
        raise GalleryError(f"{target} is not the same as {source}: delete it, and copy the gallery again")
    return Copy(Path(target), found.subjects, found.examples, found.checksum)


def _summary(place: str | os.PathLike[str]) -> Summary:
    opened = open_gallery(place, None, None)
    try:
        with opened.store.reading() as view:
            return summary_of(view)
    finally:
        opened.store.close()
