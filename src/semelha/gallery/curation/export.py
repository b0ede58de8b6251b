"""Copy the pictures of clusters into one folder per subject, to review and enroll them."""

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
    """Copy the pictures of each cluster into `out/<subject>/`.

    Rename folders and move pictures as needed, then enroll them with `Gallery.enroll_dataset(out)`. Either all pictures
    are copied or none.

    Parameters
    ----------
    clustering : Clustering
    pictures : sequence of picture
        Those that were passed to `Gallery.cluster`. Files are copied unchanged; other pictures, and crops of files, are
        written as PNG.
    out : path
        Folder to create.

    Raises
    ------
    UsageError
        `out` exists, or the name of a subject cannot name a folder.
    SemelhaError
        The folders cannot be written.
    """
    target = Path(out)
    if target.exists() or target.is_symlink():
        raise UsageError(f"out is {target}, which exists already: pass a folder to create")
    for one in clustering:
        if one.subject.startswith(".") or "/" in one.subject or os.sep in one.subject or "\0" in one.subject:
            raise UsageError(f"no folder can be named {one.subject!r}: rename the subject first")
    with atomic_folder(target, error=SemelhaError) as partial:
        for one in clustering:
            folder = partial / one.subject
            folder.mkdir()
            for place in one.pictures:
                (picture,) = as_pictures([pictures[place]], first=place)
                _copy(picture, folder, place)
    return target


def _copy(picture: Picture, folder: Path, place: int) -> None:
    """Copy a picture under its name, preceded by its position if the name is taken."""
    source, name = picture.source, Path(picture.name).name or "picture"
    is_file = isinstance(source, Path) and picture.box is None
    name = name if is_file else f"{Path(name).stem}.png"
    target = folder / name
    if name.startswith(".") or target.exists():
        target = folder / f"{place}-{name}"
    if isinstance(source, Path) and is_file:
        shutil.copyfile(source, target)
    else:
        Image.fromarray(picture.pixels()).save(target, "PNG")
