"""`tune`: the few settings that matter of one method, tried on selection classes, then measured once."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from semelha.arguments import check_float, check_int, check_types
from semelha.comparison.assemble import data_facts, machine, versions
from semelha.comparison.figures import answered_values, mean_figure, paired_difference
from semelha.comparison.measure import Measurement, kept, measure
from semelha.comparison.methods import Method, feature_methods, network_methods
from semelha.comparison.preparation import Registry, prepare, read_labelled, registry
from semelha.comparison.result import Difference
from semelha.comparison.schedule import MIN_STEPS, OVERHEAD, Callback
from semelha.comparison.search import Search, best_trial, check_optuna
from semelha.comparison.study import FOLDS, Study
from semelha.comparison.tuned import MeasuredSettings, Tuning, is_surely_better
from semelha.embedders import Model
from semelha.errors import SemelhaError, UsageError
from semelha.files import check_writable
from semelha.images import Dataset

TUNED = "tuning.json"
TRAININGS = 16
"""Of a network, in a budget: ten trials, and the defaults and the settings found in each test fold."""
MINUTES = 5.0
"""Of one training of a network, without a budget."""
FPIR = 0.1


@check_types
def tune(
    dataset: Dataset | str | os.PathLike[str],
    *,
    folder: str | os.PathLike[str],
    method: str,
    model: Model | str | os.PathLike[str] | None = None,
    budget: float | None = None,
    trials: int = 30,
    minutes: float | None = None,
    seed: int = 0,
    resume: bool = False,
    callback: Callback | None = None,
) -> Tuning:
    """Tune the few settings that matter of a method, and say whether the settings found are better than the defaults.

    Classes are divided as by `compare`. Settings are tried on the selection classes; the first are the defaults. The
    best ones and the defaults are then measured once on the classes of the test folds (docs/tuning.md).

    Parameters
    ----------
    dataset : Dataset or path
        As for `compare`.
    folder : path
        Where trials and the result are kept, such as `tuning.json`. Must not exist, unless with `resume`.
    method : str
        A method as `compare` names it, such as "lda on hog" or "triplet".
    model : Model or path, optional
        On whose vectors a learned distance is tuned, besides the default model.
    budget : float, optional
        Minutes for all.
    trials : int
        Settings to try, at most.
    minutes : float, optional
        Of one training of a network; by default a sixteenth of the budget, or 5.
    seed : int
    resume : bool
        Continue a tuning with the same arguments that was interrupted.
    callback : callable, optional
        Called with (what begins, seconds that were spent).

    Raises
    ------
    MissingExtra
        Optuna is not installed.
    DatasetError
        The pictures cannot be read, or their classes are too few.
    UsageError
        An argument cannot be right, a method is unknown or has no settings, or `resume` finds another tuning.
    ModelError, SemelhaError
    """
    if budget is not None:
        check_float("budget", budget, 0.05, 1e5)
    if minutes is not None:
        check_float("minutes", minutes, 0.01, 1e5)
    check_int("trials", trials, 1, 10_000)
    check_int("seed", seed, 0, 2**32 - 1)
    place, start, report = Path(folder), time.monotonic(), callback or (lambda text, seconds: None)
    if not resume:
        check_writable(place, is_folder=True, error=SemelhaError)
    check_optuna()
    known = _registry(method, model)
    chosen = _method(known, method)
    report("reading pictures", 0.0)
    limit = None if budget is None else 60 * budget
    study, _ = prepare(
        read_labelled(dataset, seed),
        [chosen],
        known,
        place,
        arguments=(trials, minutes),
        limit=limit,
        seed=seed,
        since=start,
        report=report,
    )
    if (place / TUNED).exists():
        return Tuning.read(place / TUNED)
    steps = 60 * MINUTES
    if minutes is not None:
        steps = 60 * minutes
    elif limit is not None:
        steps = max(MIN_STEPS, limit / TRAININGS - OVERHEAD)
    result = _tuned(Search(study, chosen, trials, limit, steps, report))
    result.write(place / TUNED)
    return result


def _registry(name: str, model: Model | str | os.PathLike[str] | None) -> Registry:
    """The methods, without those of models if the name needs none, so that none must be loaded."""
    plain = [*feature_methods(), *network_methods()]
    if model is None and any(name == one.name or (one.base is None and name == one.key) for one in plain):
        return Registry(plain)
    return registry([] if model is None else [model])


def _method(known: Registry, name: str) -> Method:
    """The method with this name, or the only one with this short name. Raises `UsageError`."""
    found = [one for one in known.methods if name == one.name] or [one for one in known.methods if name == one.key]
    if len(found) > 1:
        names = ", ".join(repr(one.name) for one in found)
        raise UsageError(f"method is {name!r}, which is learned on several vectors: name one of {names}")
    if not found or not found[0].space:
        tunable = ", ".join(dict.fromkeys(one.key for one in known.methods if one.space))
        missing = "".join(f"; {reason}" for reason in known.missing.values())
        what = "has no settings to tune" if found else "is no method"
        raise UsageError(f"method is {name!r}, which {what}: there are {tunable}{missing}")
    return found[0]


def _tuned(search: Search) -> Tuning:
    """Search, unless test classes were measured already, and measure the best settings and the defaults."""
    study, method, asked = search.study, search.method, search.most
    if any((study.folder / "measurements").glob("*.json")):
        search.most = 0
    trials = search.run()
    searched, best = time.monotonic(), best_trial(trials)
    folds = _folds(search, 1, {})
    default, found, difference = _tested(search, 1, {}, folds), None, None
    if best.number > 1:
        others = _folds(search, best.number, best.settings)
        found = _tested(search, best.number, best.settings, others)
        difference = _difference(study, others, folds)
    is_better = difference is not None and is_surely_better(difference)
    return Tuning(
        method=method.name,
        data=data_facts(study),
        space=method.space,
        trials=tuple(trials),
        default=default,
        found=found,
        difference=difference,
        is_better=is_better,
        ended="trials" if len(trials) >= asked else "settings" if search.is_exhausted else "budget",
        command=found.command if found is not None and is_better else default.command,
        budget=search.budget,
        used=study.spent + time.monotonic() - searched,
        minutes=search.steps / 60 if method.is_network else None,
        seed=study.seed,
        versions=versions(),
        machine=machine(),
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
    )


def _folds(search: Search, number: int, settings: Mapping[str, float]) -> list[Measurement]:
    """The measurements of all test folds, from their files or made now."""
    found = []
    for fold in range(FOLDS):
        search.callback(f"{'defaults' if number == 1 else 'settings found'}, fold {fold + 1}", search.study.spent)

        def compute(fold: int = fold) -> Measurement:
            none = np.empty(0, np.int64)
            return measure(
                search.method,
                search.study,
                fold,
                1.0,
                seconds=search.steps,
                fpir=FPIR,
                shown=none,
                settings=settings,
            )

        one = kept(search.study.folder / "measurements" / f"{number}-{fold}.json", compute)
        if one.error is not None:
            raise SemelhaError(f"{search.method.name} failed in a test fold: {one.error}")
        found.append(one)
    return found


def _tested(search: Search, number: int, settings: Mapping[str, float], folds: list[Measurement]) -> MeasuredSettings:
    study = search.study
    hits, precisions = (
        mean_figure(*answered_values(study, folds, name), seed=study.seed) for name in ("hits", "precisions")
    )
    command = search.method.command(study.pictures.name, settings)
    assert command is not None
    seconds = float(np.mean([one.learning for one in folds]))
    return MeasuredSettings(number, settings, hits, precisions, seconds, command)


def _difference(study: Study, folds: list[Measurement], others: list[Measurement]) -> Difference:
    values, labels = answered_values(study, folds)
    return paired_difference(values, answered_values(study, others)[0], labels, seed=study.seed)
