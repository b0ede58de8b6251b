"""`compare`: measure methods on one's own pictures, within a budget, and recommend one."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from semelha._version import __version__
from semelha.arguments import check_any, check_float, check_int, check_types
from semelha.comparison.assemble import assemble
from semelha.comparison.methods import (
    MODELS,
    Method,
    chosen_methods,
    feature_methods,
    methods_on,
    network_methods,
)
from semelha.comparison.premise import measure_premise
from semelha.comparison.result import Comparison
from semelha.comparison.schedule import Callback, Outcome, Schedule, seconds_for_whole
from semelha.comparison.study import Source, Study, chosen_queries, divide, some_classes
from semelha.embedders import Model, embed_all
from semelha.errors import MissingExtra, PretrainedUnavailable, SemelhaError, UsageError
from semelha.files import check_writable, write_file
from semelha.images import Dataset, Remark, for_use, picture_key, read_dataset, readable, with_groups
from semelha.published_models import resolve_model
from semelha.untrusted import read_json

RESULT = "comparison.json"
QUERIES = 300
"""Pictures whose neighbors are kept, at most."""
EMBEDDING = 0.4
"""Of the time for what is measured whole, for computing features: if all pictures take longer, classes are drawn."""
SAMPLE = 32
"""Pictures whose features are computed to measure how fast that is."""


@check_types
def compare(
    dataset: Dataset | str | os.PathLike[str],
    *,
    folder: str | os.PathLike[str],
    methods: Sequence[str] | None = None,
    models: Sequence[Model | str | os.PathLike[str]] | None = None,
    budget: float | None = None,
    minutes: float = 5.0,
    fpir: float = 0.1,
    seed: int = 0,
    resume: bool = False,
    callback: Callback | None = None,
) -> Comparison:
    """Compare methods on pictures, each on classes that it did not learn from, and recommend one.

    A quarter of the classes is for choices (selection); the others are three test folds, and each method learns from
    two of them. Within a budget, methods that learn slowly are first tried with fewer classes and less time, and the
    better half goes on (docs/comparing.md).

    Parameters
    ----------
    dataset : Dataset or path
        Labelled pictures; its name stands in commands. At least eight classes must have two pictures that are not of
        one burst. Of a data set with splits, train and val are used.
    folder : path
        Where measurements and the result are kept, such as `comparison.json`. Must not exist, unless with `resume`.
    methods : sequence of str, optional
        Names or families of methods. All by default.
    models : sequence of Model or path, optional
        To compare, besides the default model.
    budget : float, optional
        Minutes for all, met within about 10%. Without it, all methods are measured.
    minutes : float
        Of one training of a network, without a budget.
    fpir : float
        False-positive identification rate at which FNIR is measured.
    seed : int
    resume : bool
        Continue a comparison with the same arguments that was interrupted.
    callback : callable, optional
        Called with (what begins, seconds that were spent).

    Raises
    ------
    DatasetError
        The pictures cannot be read, or their classes are too few.
    UsageError
        An argument cannot be right, a method is unknown, or `resume` finds another comparison.
    ModelError, SemelhaError
    """
    if budget is not None:
        check_float("budget", budget, 0.05, 1e5)
    for name, several in {"methods": methods, "models": models}.items():
        if several is not None:
            check_any(name, several)
    check_int("seed", seed, 0, 2**32 - 1)
    check_float("minutes", minutes, 0.01, 1e5)
    check_float("fpir", fpir, 0.001, 0.5)
    place, start, report = Path(folder), time.monotonic(), callback or (lambda text, seconds: None)
    if not resume:
        check_writable(place, is_folder=True, error=SemelhaError)
    report("reading pictures", 0.0)
    whole = dataset if isinstance(dataset, Dataset) else replace(read_dataset(dataset), name=os.fspath(dataset))
    used = for_use(whole, "training")
    used = replace(used, pictures=tuple(replace(one, split=None) for one in used))
    used = readable(used)
    divide(used, seed)  # raises now if classes are too few
    known, outcomes, seen = _registry(models or ())
    if both := seen & set(used.classes):
        text = f"{len(both):,} classes are among those that a model was trained on: its figures are too good"
        used = replace(used, remarks=(*used.remarks, Remark("check", text, len(both))))
    chosen = chosen_methods(known, methods)
    limit = None if budget is None else 60 * budget
    arguments = [one.name for one in chosen], [one.base.source.key for one in chosen if one.base]
    text = repr((picture_key(used), list(used.groups or ()), *arguments, limit, minutes, fpir, seed, __version__))
    state = _state(place / "study.json", hashlib.sha256(text.encode()).hexdigest())
    sources = {one.base.source.key: one.base.source for one in chosen if one.base is not None}
    if "most" not in state:
        most = len(used)
        if limit is not None and most > SAMPLE:
            each = _seconds_each(sources.values(), used, seed)
            seconds = EMBEDDING * (seconds_for_whole(limit, chosen) - (time.monotonic() - start))
            most = int(min(most, max(seconds, 0.0) / max(each, 1e-6)))
        state |= {"most": most, "seconds": time.monotonic() - start}
        write_file(place / "study.json", [json.dumps(state)])
    used = some_classes(used, int(state["most"]), seed)
    study = Study(used, np.empty(0, np.int64), place, seed, float(state["seconds"]))
    for source in sources.values():
        study.prepare(source, lambda done, total: report(f"embedding pictures: {done} of {total}", study.spent))
    base = next((one.base for one in (*_of_family(chosen, MODELS), *chosen) if one.base is not None), None)
    rows = np.arange(len(used))
    study.pictures = with_groups(used, vectors=None if base is None else study.vectors(base, rows))
    study.fold = divide(study.pictures, seed)
    shown = chosen_queries(study.fold, QUERIES, seed)
    schedule = Schedule(study, chosen, shown, limit, minutes, fpir, report, outcomes=outcomes)
    schedule.measure_whole()
    premise = None
    if base is not None and schedule.left() > 0:
        report("retraining against enrolling", study.spent)
        before = time.monotonic()
        premise = measure_premise(study, base)
        if "premise" not in state:
            state["premise"] = time.monotonic() - before
            write_file(place / "study.json", [json.dumps(state)])
        study.spent += float(state["premise"])
    schedule.halve_families()
    report("intervals and tests", study.spent)
    finishing = time.monotonic()
    result = assemble(schedule, premise, whole.name, lambda: study.spent + time.monotonic() - finishing)
    result.write(place / RESULT)
    return result


def _registry(
    models: Sequence[Model | str | os.PathLike[str]],
) -> tuple[list[Method], dict[str, Outcome], set[str]]:
    """All methods; the outcome of the default model if it cannot be loaded; and what the models were trained on."""
    outcomes: dict[str, Outcome] = {}
    found = list(feature_methods())
    loaded: list[tuple[Model, bool]] = []
    try:
        default = resolve_model(None)
        loaded.append((default, "published" in default.card.training))
    except (MissingExtra, PretrainedUnavailable) as error:
        outcomes["the default model"] = Outcome("not installed", str(error))
    loaded += [(resolve_model(one), False) for one in models]
    titles: list[str] = []
    for model, is_published in loaded:
        count = sum(title.split(" #")[0] == model.card.name for title in titles)
        titles.append(model.card.name if not count else f"{model.card.name} #{count + 1}")
        found += methods_on(model, titles[-1], published=is_published)
    return [*found, *network_methods()], outcomes, {name for model, _ in loaded for name in model.card.classes}


def _seconds_each(sources: Iterable[Source], pictures: Dataset, seed: int) -> float:
    """Seconds of computing all features of one picture, by some that are drawn at random."""
    rows = np.random.default_rng([seed, 28]).permutation(len(pictures))[:SAMPLE].tolist()
    some, found = [pictures.pictures[row] for row in rows], 0.0
    for source in sources:
        embed_all(source.extractor, some[:1], source.dim, batch_size=1, progress=None)  # loading is no part of it
        start = time.monotonic()
        embed_all(source.extractor, some, source.dim, batch_size=SAMPLE, progress=None)
        found += (time.monotonic() - start) / len(some)
    return found


def _of_family(methods: Sequence[Method], family: str) -> list[Method]:
    return [one for one in methods if one.family == family]


def _state(file: Path, key: str) -> dict[str, Any]:
    """What the comparison in the folder began with. Raises `UsageError` if it is another one."""
    if not file.exists():
        if file.parent.is_dir() and any(file.parent.iterdir()):
            raise UsageError(f"{file.parent} has no comparison to resume: choose another folder")
        return {"key": key}
    state: dict[str, Any] = read_json(file, error=SemelhaError)
    if state.get("key") != key:
        raise UsageError(
            f"{file.parent} has a comparison of other pictures, or with other arguments or another semelha: give the "
            "same ones to resume it, or choose another folder"
        )
    return state
