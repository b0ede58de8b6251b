"""Clusters as folders: copies of their pictures, one folder a subject, to be looked at and enrolled."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from semelha.embedders import Source, as_pictures
from semelha.errors import SemelhaError, UsageError
from semelha.files import atomic_folder
from semelha.gallery.curation.cluster import Clustering
from semelha.images import Picture


def export_clusters(clustering: Clustering, pictures: Sequence[Source], out: str | os.PathLike[str]) -> Path:
    """Copy the pictures of each cluster into `out/<subject>/`, all or none.

    Folders may be renamed, and pictures moved, before `Gallery.enroll_dataset(read_folder(out))` takes them.

    Parameters
    ----------
    clustering : Clustering
    pictures : sequence of picture
        Those that were given to `Gallery.cluster`. A file is copied as it is; what is no file, or a box in one, is
        written as PNG.
    out : path
        Must not exist: nothing is overwritten.

    Raises
    ------
    UsageError
        `out` exists, or a subject's name cannot be that of a folder.
    SemelhaError
        It cannot be written.
    """
    target = Path(out)
    if target.exists() or target.is_symlink():
        raise UsageError(f"{target} exists already, and nothing is overwritten: choose another place")
    for one in clustering:
        if one.subject.startswith(".") or "/" in one.subject or os.sep in one.subject or "\0" in one.subject:
            raise UsageError(f"no folder can be named {one.subject!r}: rename that subject first")
    with atomic_folder(target, error=SemelhaError) as partial:
        for one in clustering:
            folder = partial / one.subject
            folder.mkdir()
            for place in one.pictures:
                (picture,) = as_pictures([pictures[place]], first=place)
                _copy(picture, folder, place)
    return target


def _copy(picture: Picture, folder: Path, place: int) -> None:
    """A copy under the name that the picture has, with its place before it where that is taken."""
    source, name = picture.source, Path(picture.name).name or "picture"
    whole = isinstance(source, Path) and picture.box is None
    name = name if whole else f"{Path(name).stem}.png"
    target = folder / name
    if name.startswith(".") or target.exists():
        target = folder / f"{place}-{name}"
    if isinstance(source, Path) and whole:
        shutil.copyfile(source, target)
    else:
        Image.fromarray(picture.pixels()).save(target, "PNG")
