"""Embed a gallery with another model, then replace all of its vectors in one transaction."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semelha.embedders import Model, Progress, Source, as_pictures
from semelha.embedders.folder import copy_folder
from semelha.errors import GalleryError, ModelAltered, UsageError
from semelha.gallery.calibration.calibrate import draw_nonmated_probes
from semelha.gallery.calibration.scores import draw_examples
from semelha.gallery.folder import pending_model_folder
from semelha.gallery.migration.reembed import Reembedding, find_originals
from semelha.images import Dataset, Picture
from semelha.recognition.calibration import min_sample_size
from semelha.store import PLACES, Plan, StagedVectors, Store, Strangers, View

STAGING = "migration"
MAX_LOCKED = 16  # pictures that are embedded at most while writers wait

ProgressOfStep = Callable[[str], Progress]
"""From the title of a step to a callable that takes (done, total)."""


@dataclass(frozen=True)
class SwitchResult:
    """Number of examples embedded from originals, examples that were dropped, and warnings."""

    originals: int = 0
    dropped: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class _TooManyPending(Exception):
    """More was enrolled since the last round than is embedded while writers wait."""


def switch_model(
    folder: Path,
    store: Store,
    model: Model,
    pictures: Dataset | Sequence[Source],
    strangers: Dataset | Sequence[Source] | None,
    confirmed: Dataset | None,
    *,
    drop_missing: bool,
    uncalibrated: bool,
    steps: ProgressOfStep,
) -> SwitchResult:
    """Embed everything with the model, copy the model into the gallery, and replace the vectors. See `migrate`."""
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
            return SwitchResult(last.originals, last.dropped, tuple(unusable))
    finally:
        staged.close()


def remove_staging(folder: Path) -> None:
    """Remove the staged vectors of this migration and of abandoned ones. Raises `OSError`."""
    if (folder / STAGING).exists():
        shutil.rmtree(folder / STAGING)


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
        work.embed(rows, _shifted(progress, before))
        before += len(rows)


def _shifted(progress: Progress, before: int) -> Progress:
    return lambda done, total: progress(before + done, before + total)


def _copy_model(folder: Path, model: Model) -> None:
    target = pending_model_folder(folder, model.fingerprint)
    if target.exists():  # of a migration that was interrupted
        shutil.rmtree(target)
    if copy_folder(model.folder, target).fingerprint != model.fingerprint:
        shutil.rmtree(target)
        raise ModelAltered(f"{model.folder} holds another model than when it was loaded: load it again")


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
