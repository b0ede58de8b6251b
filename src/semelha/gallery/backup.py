"""Backups: a verified copy of a gallery, made while it is in use."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

from semelha.arguments import check_types
from semelha.embedders.folder import copy_folder
from semelha.errors import FingerprintMismatch, GalleryError, ModelError
from semelha.files import atomic_folder
from semelha.gallery.folder import ATTEMPTS, DATABASE, MODEL, SETTINGS, model_folder, read_settings
from semelha.store import Store
from semelha.store.called_unknown import FILE
from semelha.store.damage import copy_database


@dataclass(frozen=True)
class Backup:
    """A copy of a gallery: its folder, and how much it holds."""

    path: Path
    subjects: int
    examples: int


@check_types
def backup(gallery: str | os.PathLike[str], out: str | os.PathLike[str]) -> Backup:
    """Copy a gallery into a new folder, which is a gallery too, and can be opened.

    Other processes may read and write the gallery meanwhile: the copy has all changes up to one, and none after. It is
    checked against the checksums of the database and of the model, and synced to the disk, before it appears under its
    name. The index is left out, because it is made of the vectors.

    Raises `GalleryError` if the gallery is damaged, or `out` exists or cannot be written, and `ModelError` if the model
    is damaged.
    """
    folder, target = Path(gallery).absolute(), Path(out)
    settings = read_settings(Path(gallery))
    with atomic_folder(target, private=True, error=GalleryError) as partial:
        for attempt in range(ATTEMPTS):
            time.sleep(0.1 * attempt)  # another process may be installing another model at this moment
            try:
                done = _copied(folder, partial, settings.fingerprint)
            except (FingerprintMismatch, ModelError):
                if attempt == ATTEMPTS - 1:
                    raise
                for place in partial.iterdir():
                    shutil.rmtree(place) if place.is_dir() else place.unlink()
            else:
                return replace(done, path=target)
    raise AssertionError


def _copied(folder: Path, out: Path, fingerprint: str) -> Backup:
    shutil.copyfile(folder / SETTINGS, out / SETTINGS)
    copy_database(folder / DATABASE, out / DATABASE)
    if (folder / FILE).exists():
        shutil.copyfile(folder / FILE, out / FILE)
    copied = Store(out / DATABASE, fingerprint)
    try:
        with copied.reading() as view:
            done = Backup(out, view.subject_count(), len(view))
        card = copy_folder(model_folder(folder, copied.model), out / MODEL)
        if card.fingerprint != copied.model:
            raise FingerprintMismatch(f"{folder} holds vectors of the model {copied.model[:12]}, not of its own model")
    finally:
        copied.close()
    return done


@check_types
def restore(source: str | os.PathLike[str], gallery: str | os.PathLike[str]) -> Backup:
    """Copy a backup into a new folder, checked as by `backup`. The backup stays as it is.

    Raises `GalleryError` if the backup is damaged, or the folder exists or cannot be written, and `ModelError` if the
    model is damaged.
    """
    return backup(source, gallery)
