"""Backups: a verified copy of a gallery, made while it is in use."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from semelha.arguments import check_types
from semelha.embedders.folder import copy_folder
from semelha.errors import FingerprintMismatch, GalleryError, ModelError, SemelhaError
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

    Other processes may read and write the gallery during it: the copy has all changes up to one, and none after. It is
    checked against the checksums of the database and of the model, and synced to the disk, before it appears under its
    name. The index is left out, because it is made of the vectors.

    Raises `GalleryError` if the gallery is damaged, or `out` exists or cannot be written, and `ModelError` if the model
    is damaged.
    """
    settings, folder = read_settings(Path(gallery)), Path(gallery).absolute()
    problem: SemelhaError
    for attempt in range(ATTEMPTS):
        time.sleep(0.1 * attempt)  # another process may be installing another model at this moment
        try:
            with atomic_folder(Path(out), private=True, error=GalleryError) as partial:
                subjects, examples = _copy(folder, partial, settings.fingerprint)
        except (FingerprintMismatch, ModelError) as error:
            problem = error
        else:
            return Backup(Path(out), subjects, examples)
    raise problem


def _copy(folder: Path, out: Path, fingerprint: str) -> tuple[int, int]:
    """Copy a gallery, and return the number of its subjects and examples."""
    shutil.copyfile(folder / SETTINGS, out / SETTINGS)
    copy_database(folder / DATABASE, out / DATABASE)
    if (folder / FILE).exists():
        shutil.copyfile(folder / FILE, out / FILE)
    copied = Store(out / DATABASE, fingerprint)
    try:
        card = copy_folder(model_folder(folder, copied.model), out / MODEL)
        if card.fingerprint != copied.model:
            raise FingerprintMismatch(f"{folder} holds vectors of the model {copied.model[:12]}, not of its own model")
        with copied.reading() as view:
            return view.subject_count(), len(view)
    finally:
        copied.close()


@check_types
def restore(source: str | os.PathLike[str], gallery: str | os.PathLike[str]) -> Backup:
    """Copy a backup into a new folder, checked as by `backup`. The backup stays as it is.

    Raises `GalleryError` if the backup is damaged, or the folder exists or cannot be written, and `ModelError` if the
    model is damaged.
    """
    return backup(source, gallery)
