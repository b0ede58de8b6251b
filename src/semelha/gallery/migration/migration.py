"""`migrate(...)`: a gallery goes on with another model, from the pictures that it kept.

The vectors of the new model are gathered in `migration/`, while the gallery is used as ever. When next to none lacks,
the writers wait a moment, and one transaction of the database replaces every vector and says that they are of the new
model, which stands beside the old one by then. That moment decides. What is done to the folder afterwards is tidying.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from semelha.embedders import Model, Progress, Source, load_embedder
from semelha.errors import GalleryError, IndexFileError
from semelha.files import file_lock
from semelha.gallery.folder import DATABASE, install_model, read_settings
from semelha.gallery.gallery import Gallery
from semelha.gallery.migration.switch import Moved, Steps, clear_gathered, move
from semelha.images import Dataset
from semelha.store import Store


@dataclass(frozen=True)
class MigrationResult:
    """What a migration did.

    Attributes
    ----------
    migrated : bool
        False where the gallery was of this model already.
    previous_model, model : str
        Fingerprints of the model that the gallery had, and of that which it has.
    subjects, examples : int
        That are in it now.
    originals : int
        Examples embedded from the original picture, not from the copy that was kept.
    dropped : tuple of str
        Source and subject of each example that was left out.
    calibrated : bool
        Whether the gallery says "unknown" now.
    warnings : tuple of str
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


def migrate(
    gallery: str | os.PathLike[str],
    model: Model | str | os.PathLike[str],
    *,
    pictures: Dataset | Sequence[Source] = (),
    drop_missing: bool = False,
    strangers: Dataset | Sequence[Source] | None = None,
    confirmed: Dataset | None = None,
    uncalibrated: bool = False,
    progress: Steps | None = None,
) -> MigrationResult:
    """Let a gallery go on with another model: every example is embedded again, from the picture kept of it.

    Meanwhile the gallery answers, enrolls, removes and renames as ever, in any process, and nothing of that is lost.
    At the end all changes at once: whoever has it open gets `GalleryMoved` and opens it again. Cut short at any
    moment, it is the old gallery or the new one, whole; called again, it goes on from where it was. Numbers, names,
    dates, sources and pictures stay, and the calibration is worked out anew.

    Parameters
    ----------
    gallery : path
    model : Model or path
        It is copied, and its metric is taken with it.
    pictures : Dataset or sequence of pictures
        Originals of what is enrolled, known by their content: embedded rather than the copies that were kept, and where
        none was.
    drop_missing : bool
        Leave out for good the examples of which there is no picture.
    strangers : Dataset or sequence of pictures, optional
        Again those that the gallery was calibrated with, or others: no pictures of them were kept.
    confirmed : Dataset, optional
        Likewise, of enrolled subjects: as for `Gallery.calibrate`.
    uncalibrated : bool
        Move also where the gallery cannot say "unknown" any more after it.
    progress : callable, optional
        Given the title of each step, gives what is called with (done, in all) in it.

    Raises
    ------
    GalleryError
        Before anything is embedded: there are examples without a picture, the calibration cannot be kept, or another
        process is moving the gallery. Later: the disk is full, or the like; nothing is lost then.
    ModelError
    PictureError
        A stranger cannot be used.
    UsageError
        Strangers are given, and the gallery is not calibrated with strangers.
    """
    folder = Path(gallery)
    new = model if isinstance(model, Model) else load_embedder(model)
    settings = read_settings(folder)
    steps = progress or _silent
    with _alone(folder):
        store = Store(folder / DATABASE, settings.fingerprint)
        before, done = store.model, Moved(0, (), ())
        try:
            if before != new.fingerprint:
                done = move(
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
            clear_gathered(folder)
        except (OSError, GalleryError) as error:  # the gallery is moved and whole
            warnings.append(f"{folder} is not tidied up, call the migration again for that: {error}")
    with Gallery.open(folder) as opened:
        steps("bringing the index up to date")
        try:
            opened.flush(rebuild=before != new.fingerprint)
        except IndexFileError as error:
            warnings.append(f"the index is not saved: {error}")
        calibrated = opened.calibration is not None
        subjects = opened.subjects()
    return MigrationResult(
        migrated=before != new.fingerprint,
        previous_model=before,
        model=new.fingerprint,
        subjects=len(subjects),
        examples=sum(subject.examples for subject in subjects),
        originals=done.originals,
        dropped=done.left_out,
        calibrated=calibrated,
        warnings=tuple(warnings),
    )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Be the one that moves the gallery, until the block ends. Raises `GalleryError`."""
    with file_lock(folder / "migration.lock", wait=False, error=GalleryError) as is_held:
        if not is_held:
            raise GalleryError(f"{folder} is just being moved to another model: wait until that is done")
        yield


def _silent(title: str) -> Progress:
    return lambda done, total: None
