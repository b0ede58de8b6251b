"""Migrate a gallery to another model, from the pictures that it kept.

The new vectors are staged in `migration/` while the gallery stays in use. When few are left to embed, writers wait, and
one transaction replaces every vector and records the new model, which was copied beside the old one before. That
transaction decides; what follows is cleaning up.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from semelha.arguments import check_types
from semelha.embedders import Model, Progress, Source, load_embedder
from semelha.errors import GalleryError, IndexFileError
from semelha.files import file_lock
from semelha.gallery.folder import DATABASE, install_model, read_settings
from semelha.gallery.gallery import Gallery
from semelha.gallery.migration.switch import ProgressOfStep, SwitchResult, remove_staging, switch_model
from semelha.images import Dataset
from semelha.store import Store


@dataclass(frozen=True)
class MigrationResult:
    """What a migration did.

    Attributes
    ----------
    migrated : bool
        False if the gallery had this model already.
    previous_model, model : str
        Fingerprints of the model before and after.
    subjects, examples : int
        Their number after the migration.
    originals : int
        Examples embedded from the original picture rather than from the copy that the gallery kept.
    dropped : tuple of str
        Source and subject of each example that was removed because it has no picture.
    calibrated : bool
        Whether the gallery is calibrated after the migration.
    """

    migrated: bool
    previous_model: str
    model: str
    subjects: int
    examples: int
    originals: int
    dropped: tuple[str, ...]
    calibrated: bool
    warnings: tuple[str, ...]


@check_types
def migrate(
    gallery: str | os.PathLike[str],
    model: Model | str | os.PathLike[str],
    *,
    pictures: Dataset | Sequence[Source] = (),
    drop_missing: bool = False,
    strangers: Dataset | Sequence[Source] | None = None,
    confirmed: Dataset | None = None,
    uncalibrated: bool = False,
    progress: ProgressOfStep | None = None,
) -> MigrationResult:
    """Switch a gallery to another model: every example is embedded again, from the picture that the gallery kept.

    The gallery stays in use, in any process, and nothing that is enrolled during the migration is lost. At the end all
    vectors change at once; every open `Gallery` then raises `GalleryMoved` and must be opened again. If the migration
    is interrupted, the gallery is the old one or the new one, complete; called again, it continues. Numbers, names,
    dates, sources and pictures stay. The calibration is computed again.

    Parameters
    ----------
    gallery : path
    model : Model or path
        It is copied into the gallery; its metric is used from then on.
    pictures : Dataset or sequence of pictures
        Original pictures, recognized by their content. They are embedded instead of the kept copies, and where no copy
        was kept.
    drop_missing : bool
        Remove the examples that have no picture.
    strangers : Dataset or sequence of pictures, optional
        If the gallery is calibrated with strangers: their pictures again, or others.
    confirmed : Dataset, optional
        The same for pictures of enrolled subjects, as in `Gallery.calibrate`.
    uncalibrated : bool
        Migrate even if the gallery is not calibrated afterwards.
    progress : callable, optional
        Called with the title of each step; returns a callable that takes (done, total).

    Raises
    ------
    GalleryError
        Before anything is embedded: examples have no picture, the calibration cannot be kept, or another process
        migrates the gallery. Later: a write failed, such as on a full disk; nothing is lost then.
    ModelError
        The model cannot be loaded or copied.
    PictureError
        A picture of `strangers` or `confirmed` cannot be used.
    UsageError
        `strangers` or `confirmed` is passed, and the gallery is not calibrated with strangers.
    """
    folder = Path(gallery)
    new = model if isinstance(model, Model) else load_embedder(model)
    settings = read_settings(folder)
    steps = progress or _no_progress
    with file_lock(folder / "migration.lock", wait=False, error=GalleryError) as is_locked:
        if not is_locked:
            raise GalleryError(f"another process migrates {folder}: wait until it is done")
        store = Store(folder / DATABASE, settings.fingerprint)
        previous, done = store.model, SwitchResult()
        try:
            if previous != new.fingerprint:
                done = switch_model(
                    folder,
                    store,
                    new,
                    pictures,
                    strangers,
                    confirmed,
                    drop_missing=drop_missing,
                    uncalibrated=uncalibrated,
                    steps=steps,
                )
        finally:
            store.close()
        warnings = list(done.warnings)
        try:
            install_model(folder, replace(settings, fingerprint=new.fingerprint))
            remove_staging(folder)
        except (OSError, GalleryError) as error:  # the gallery is migrated and complete
            warnings.append(f"{folder} is not cleaned up, migrate again to do so: {error}")
    with Gallery.open(folder) as opened:
        steps("updating the index")
        try:
            opened.flush(rebuild=previous != new.fingerprint)
        except IndexFileError as error:
            warnings.append(f"the index is not saved: {error}")
        is_calibrated = opened.calibration is not None
        subjects = opened.subjects()
    return MigrationResult(
        migrated=previous != new.fingerprint,
        previous_model=previous,
        model=new.fingerprint,
        subjects=len(subjects),
        examples=sum(subject.examples for subject in subjects),
        originals=done.originals,
        dropped=done.dropped,
        calibrated=is_calibrated,
        warnings=tuple(warnings),
    )


def _no_progress(title: str) -> Progress:
    return lambda done, total: None
