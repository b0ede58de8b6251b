"""From the first look at the pictures to the moment from which the database holds the vectors of another model."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from semelha.embedders import Model, Progress, Source, as_pictures
from semelha.embedders.folder import copy_folder
from semelha.errors import GalleryError, ModelAltered, UsageError
from semelha.gallery.calibration.scores import draw_examples
from semelha.gallery.enrollment import draw_nonmated_probes
from semelha.gallery.folder import pending_model_folder
from semelha.gallery.migration.reembed import Reembedding, find_originals
from semelha.images import Dataset
from semelha.recognition.calibration import min_sample_size
from semelha.store import PLACES, Plan, Store, Strangers, Successor, View

LAST = 16  # pictures that are embedded at most while writers wait

Steps = Callable[[str], Progress]
"""From the title of a step to what is called with (done, in all)."""


@dataclass(frozen=True)
class Moved:
    """What there is to say of a move: examples embedded from originals, those left out, and warnings."""

    originals: int
    left_out: tuple[str, ...]
    warnings: tuple[str, ...]


class _Behind(Exception):
    """More was enrolled in the last moment than writers are to wait for."""


def move(
    folder: Path,
    store: Store,
    model: Model,
    pictures: Dataset | Sequence[Source],
    strangers: Dataset | Sequence[Source] | None,
    confirmed: Dataset | None,
    *,
    drop_missing: bool,
    uncalibrated: bool,
    steps: Steps,
) -> Moved:
    """Gather the vectors of the model, put it beside the old one, and let them take over. See `migrate`."""
    with store.reading() as view:
        plan = view.plan()
        again = strangers is not None or confirmed is not None
        _check_plan(plan, again, uncalibrated)
        chosen = (
            None if plan is None or not again else draw_nonmated_probes(strangers, confirmed, view, model, plan.seed)
        )
        if plan is not None and not uncalibrated:
            _check_support(view, plan, model, None if chosen is None else len(chosen[0]))
        wanted = {content for place in PLACES for content in view.hashes(place).values()}
    given = list(pictures) if isinstance(pictures, Dataset) else as_pictures(pictures)
    originals, unusable = find_originals(given, wanted, steps("looking for originals")) if given else ({}, [])
    successor = Successor(_gathered(folder) / f"{model.fingerprint[:16]}.sqlite", model.fingerprint, model.dim)
    try:
        work = Reembedding(store, successor, model, originals)
        with store.reading() as view:
            rows = work.pending(view)
        work.look(rows, steps("looking at the pictures"))
        with store.reading() as view:
            work.check(view, drop_missing)
        embedded = None
        if chosen is not None:
            vectors = model.embed(chosen[0], progress=steps("embedding strangers"))
            embedded = Strangers(np.array(chosen[1], np.int64), vectors)
        embedding = steps("embedding")
        _put_beside(folder, model)
        while True:
            _catch_up(store, work, embedding)
            last = _Last(work, plan, drop_missing)
            try:
                store.switch_model(successor, last, embedded)
            except _Behind:
                continue
            return Moved(last.originals, last.left_out, tuple(unusable))
    finally:
        successor.close()


def clear_gathered(folder: Path) -> None:
    """Remove what was gathered, of this move and of others that were given up. Raises `OSError`."""
    if _gathered(folder).exists():
        shutil.rmtree(_gathered(folder))


def _gathered(folder: Path) -> Path:
    return folder / "migration"


class _Last:
    """What is done while nobody else can write: makes the successor complete, and says what is left out."""

    def __init__(self, work: Reembedding, plan: Plan | None, drop_missing: bool) -> None:
        self._work = work
        self._plan = plan
        self._drop_missing = drop_missing
        self.originals = 0
        self.left_out: tuple[str, ...] = ()

    def __call__(self, view: View) -> dict[str, list[int]]:
        if view.plan() != self._plan:
            raise GalleryError("the gallery was calibrated anew meanwhile: call the migration again, and it goes on")
        rows = self._work.pending(view)
        if len(rows) > LAST:
            raise _Behind
        self._work.embed(rows, None)
        self._work.check(view, self._drop_missing)
        self.originals = self._work.originals(view)
        missing = self._work.missing
        self.left_out = tuple(f"{one.source} of {one.subject}" for one in missing.values())
        return {each.name: [number for place, number in missing if place is each] for each in PLACES}


def _catch_up(store: Store, work: Reembedding, progress: Progress) -> None:
    """Embed until no more is left than is embedded while writers wait."""
    before = 0
    while True:
        with store.reading() as view:
            rows = work.pending(view)
        if len(rows) <= LAST:
            return
        work.embed(rows, partial(_further, progress, before))
        before += len(rows)


def _further(progress: Progress, before: int, done: int, total: int) -> None:
    progress(before + done, before + total)


def _put_beside(folder: Path, model: Model) -> None:
    place = pending_model_folder(folder, model.fingerprint)
    if place.exists():  # of a move that was cut short
        shutil.rmtree(place)
    if copy_folder(model.folder, place).fingerprint != model.fingerprint:
        shutil.rmtree(place)
        raise ModelAltered(f"{model.folder} holds another model than when it was loaded: load it again")


def _check_plan(plan: Plan | None, given: bool, uncalibrated: bool) -> None:
    """Before anything is done: strangers that were given to calibrate with have to be given again."""
    if given and (plan is None or plan.kind != "strangers"):
        raise UsageError("strangers are given, and the gallery is not calibrated with strangers: leave them out")
    if plan is not None and plan.kind == "strangers" and not given and not uncalibrated:
        raise GalleryError(
            "the gallery is calibrated with strangers of whom no pictures were kept: give them again (strangers=, "
            "confirmed=; --strangers, --confirmed FOLDER), or let it end uncalibrated (uncalibrated=True, "
            "--uncalibrated)"
        )


def _check_support(view: View, plan: Plan, model: Model, strangers: int | None) -> None:
    """The rate that is asked for has to be one that the new model's calibration can support."""
    if strangers is not None:
        there, enough, of = strangers, min_sample_size(plan.fpir, "strangers"), "strangers"
    else:
        enough, of = min_sample_size(plan.fpir, "subjects"), "enrolled subjects"
        if view.subject_count() < enough:
            return  # it is uncalibrated as it is
        there = len(draw_examples(view, model, plan, view.names())[0])
    if there < enough:
        raise GalleryError(
            f"the calibration needs {enough} {of} that the new model was not trained on, and there are {there}: "
            "let the gallery end uncalibrated (uncalibrated=True, --uncalibrated), or choose another model"
        )
