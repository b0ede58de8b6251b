"""Migrate a gallery to another model, from the pictures that it kept.

The new vectors are staged in `migration/` while the gallery stays in use. When few are left to embed, writers wait, and
one transaction replaces every vector and records the new model, which was copied beside the old one before. That
transaction decides; what follows is cleaning up.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from semelha.arguments import check_types
from semelha.embedders import Model, Progress, Source, as_pictures
from semelha.embedders.folder import copy_folder
from semelha.errors import GalleryError, IndexFileError, ModelAltered, UsageError
from semelha.files import file_lock
from semelha.gallery.calibration.calibrate import draw_nonmated_probes
from semelha.gallery.calibration.scores import draw_examples
from semelha.gallery.folder import DATABASE, install_model, pending_model_folder, read_settings
from semelha.gallery.gallery import Gallery
from semelha.gallery.migration.reembed import Reembedding, find_originals
from semelha.images import Dataset, Picture
from semelha.published_models import resolve_model
from semelha.recognition.calibration import min_sample_size
from semelha.store import PLACES, Plan, StagedVectors, Store, Strangers, View

STAGING = "migration"
MAX_LOCKED = 16  # pictures that are embedded at most while writers wait

ProgressOfStep = Callable[[str], Progress]
"""From the title of a step to a callable that takes (done, total)."""


@dataclass(frozen=True)
class MigrationResult:
    """What a migration did.

    Attributes
    ----------
    migrated : bool
        False if the gallery had this model already.
    previous_model, model : str
        Fingerprints of the model before and after.
    originals : int
        Examples embedded from the original picture rather than from the copy that the gallery kept.
    dropped : tuple of str
        Source and subject of each example that was removed because it has no picture.
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
    new = resolve_model(model)
    settings = read_settings(folder)
    steps = progress or (lambda title: lambda done, total: None)
    with file_lock(folder / "migration.lock", wait=False, error=GalleryError) as is_locked:
        if not is_locked:
            raise GalleryError(f"another process migrates {folder}: wait until it is done")
        store = Store(folder / DATABASE, settings.fingerprint)
        previous = store.model
        originals, dropped, warnings = 0, tuple[str, ...](), list[str]()
        try:
            if previous != new.fingerprint:
                originals, dropped, warnings = _switch_model(
                    folder, store, new, pictures, strangers, confirmed, drop_missing, uncalibrated, steps
                )
        finally:
            store.close()
        try:
            install_model(folder, replace(settings, fingerprint=new.fingerprint))
            if (folder / STAGING).exists():  # of this migration and of abandoned ones
                shutil.rmtree(folder / STAGING)
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
        originals=originals,
        dropped=dropped,
        calibrated=is_calibrated,
        warnings=tuple(warnings),
    )


class _TooManyPending(Exception):
    """More was enrolled since the last round than is embedded while writers wait."""


def _switch_model(
    folder: Path,
    store: Store,
    model: Model,
    pictures: Dataset | Sequence[Source],
    strangers: Dataset | Sequence[Source] | None,
    confirmed: Dataset | None,
    drop_missing: bool,
    uncalibrated: bool,
    steps: ProgressOfStep,
) -> tuple[int, tuple[str, ...], list[str]]:
    """Embed everything with the model, copy the model into the gallery, and replace the vectors. See `migrate`.

    Returns the number of examples embedded from originals, the examples that were dropped, and warnings.
    """
    with store.reading() as view:
        plan = view.plan()
        has_probes = strangers is not None or confirmed is not None
        _check_plan(plan, has_probes, uncalibrated)
        probes = None
        if plan is not None and has_probes:
            probes = draw_nonmated_probes(strangers, confirmed, view, model, plan.seed)
        if plan is not None and not uncalibrated:
            _check_sample_size(view, plan, model, None if probes is None else len(probes[0]))
        wanted = {content for place in PLACES for content in view.hashes(place).values()}
    originals: dict[str, Picture] = {}
    unusable: list[str] = []
    if passed := list(pictures) if isinstance(pictures, Dataset) else as_pictures(pictures):
        originals, unusable = find_originals(passed, wanted, store.hash_basis, steps("looking for originals"))
    staged = StagedVectors(folder / STAGING / f"{model.fingerprint[:16]}.sqlite", model.fingerprint, model.dim)
    try:
        work = Reembedding(store, staged, model, originals)
        with store.reading() as view:
            rows = work.pending(view)
        work.find_missing(rows, steps("checking the pictures"))
        with store.reading() as view:
            work.check_missing(view, drop=drop_missing)
        embedded = None
        if probes is not None:
            vectors = model.embed(probes[0], progress=steps("embedding strangers"))
            embedded = Strangers(np.array(probes[1], np.int64), vectors)
        progress = steps("embedding")
        _copy_model(folder, model)
        while True:
            _embed_pending(store, work, progress)
            last = _LastRound(work, plan, drop_missing)
            try:
                store.switch_model(staged, last, embedded)
            except _TooManyPending:
                continue
            return last.originals, last.dropped, unusable
    finally:
        staged.close()


class _LastRound:
    """Embeds what is left while writers wait, and returns the rows to drop."""

    def __init__(self, work: Reembedding, plan: Plan | None, drop_missing: bool) -> None:
        self._work = work
        self._plan = plan
        self._drop_missing = drop_missing
        self.originals = 0
        self.dropped: tuple[str, ...] = ()

    def __call__(self, view: View) -> dict[str, list[int]]:
        if view.plan() != self._plan:
            raise GalleryError("the gallery was calibrated during the migration: call it again to continue")
        rows = self._work.pending(view)
        if len(rows) > MAX_LOCKED:
            raise _TooManyPending
        self._work.embed(rows)
        self._work.check_missing(view, drop=self._drop_missing)
        self.originals = self._work.count_originals(view)
        missing = self._work.missing
        self.dropped = tuple(f"{one.source} of {one.subject}" for one in missing.values())
        return {each.name: [number for place, number in missing if place is each] for each in PLACES}


def _embed_pending(store: Store, work: Reembedding, progress: Progress) -> None:
    """Embed until at most `MAX_LOCKED` rows are left."""
    before = 0
    while True:
        with store.reading() as view:
            rows = work.pending(view)
        if len(rows) <= MAX_LOCKED:
            return

        def advance(done: int, total: int, before: int = before) -> None:
            progress(before + done, before + total)

        work.embed(rows, advance)
        before += len(rows)


def _copy_model(folder: Path, model: Model) -> None:
    target = pending_model_folder(folder, model.fingerprint)
    if target.exists():  # of a migration that was interrupted
        shutil.rmtree(target)
    if copy_folder(model.folder, target).fingerprint != model.fingerprint:
        shutil.rmtree(target)
        raise ModelAltered(f"{model.folder} has another model than when it was loaded: load it again")


def _check_plan(plan: Plan | None, has_probes: bool, uncalibrated: bool) -> None:
    """Raise if strangers are passed that are not needed, or are needed and not passed."""
    if has_probes and (plan is None or plan.kind != "strangers"):
        raise UsageError("strangers and confirmed must be left out: the gallery is not calibrated with strangers")
    if plan is not None and plan.kind == "strangers" and not has_probes and not uncalibrated:
        raise GalleryError(
            "the gallery is calibrated with strangers, whose pictures it did not keep: pass them again (strangers=, "
            "confirmed=; --strangers, --confirmed FOLDER), or let the calibration end (uncalibrated=True, "
            "--uncalibrated)"
        )


def _check_sample_size(view: View, plan: Plan, model: Model, strangers: int | None) -> None:
    """Raise `GalleryError` if the calibrated rate cannot be calibrated with the new model."""
    if strangers is not None:
        available, enough, kind = strangers, min_sample_size(plan.fpir, "strangers"), "strangers"
    else:
        enough, kind = min_sample_size(plan.fpir, "subjects"), "enrolled subjects"
        if view.subject_count() < enough:
            return  # the gallery is uncalibrated already
        available = len(draw_examples(view, model, plan, view.names())[0])
    if available < enough:
        raise GalleryError(
            f"the calibration needs {enough} {kind} that the new model was not trained on, and there are {available}: "
            "let the calibration end (uncalibrated=True, --uncalibrated), or choose another model"
        )
