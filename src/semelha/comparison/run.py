"""`compare`: measure methods on one's own pictures, within a budget, and recommend one."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from semelha.arguments import check_any, check_float, check_int, check_types
from semelha.comparison.assemble import assemble
from semelha.comparison.methods import chosen_methods
from semelha.comparison.premise import measure_premise
from semelha.comparison.preparation import STATE, first_base, prepare, read_labelled, registry
from semelha.comparison.result import Comparison
from semelha.comparison.schedule import Callback, Outcome, Schedule
from semelha.comparison.study import chosen_queries
from semelha.embedders import Model
from semelha.errors import SemelhaError
from semelha.files import check_writable, write_file
from semelha.images import Dataset

RESULT = "comparison.json"
QUERIES = 300
"""Pictures whose neighbors are kept, at most."""


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
    two of them. Within a budget, networks are first tried with fewer classes and less time, and the better half goes on
    (docs/comparing.md).

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
    used = read_labelled(dataset, seed)
    known = registry(models or ())
    chosen = chosen_methods(known.methods, methods)
    limit = None if budget is None else 60 * budget
    study, state = prepare(
        used,
        chosen,
        known,
        place,
        arguments=(minutes, fpir),
        limit=limit,
        seed=seed,
        since=start,
        report=report,
    )
    base = first_base(chosen)
    outcomes = {name: Outcome("not installed", reason) for name, reason in known.missing.items()}
    shown = chosen_queries(study.fold, QUERIES, seed)
    schedule = Schedule(study, chosen, shown, limit, minutes, fpir, report, outcomes=outcomes)
    schedule.measure_others()
    premise = None
    if base is not None and schedule.left() > 0:
        report("retraining against enrolling", study.spent)
        before = time.monotonic()
        premise = measure_premise(study, base)
        if "premise" not in state:
            state["premise"] = time.monotonic() - before
            write_file(place / STATE, [json.dumps(state)])
        study.spent += float(state["premise"])
    schedule.measure_networks()
    report("intervals and tests", study.spent)
    finishing = time.monotonic()
    result = assemble(schedule, premise, used.name, lambda: study.spent + time.monotonic() - finishing)
    result.write(place / RESULT)
    return result
