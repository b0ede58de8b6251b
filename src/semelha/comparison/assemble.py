"""From measurements to a `Comparison`: figures over all folds, intervals, paired tests, and the recommendation."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semelha._version import __version__, installed_version
from semelha.comparison.expected import with_expected
from semelha.comparison.figures import (
    answered_values,
    holm,
    mean_figure,
    open_set_figure,
    paired_difference,
    selection_values,
)
from semelha.comparison.measure import Answers, Measurement
from semelha.comparison.methods import MODELS, Method
from semelha.comparison.recommend import Candidate, recommend
from semelha.comparison.result import (
    Budget,
    Comparison,
    DataFacts,
    FoldFigures,
    MethodResult,
    Premise,
    Query,
    ShownPicture,
    Trial,
    ranking,
)
from semelha.comparison.schedule import Schedule
from semelha.comparison.study import FOLDS, SELECTION, Study
from semelha.processors import processors

PACKAGES = ("numpy", "scikit-learn", "onnxruntime", "torch", "timm", "optuna")


def assemble(schedule: Schedule, premise: Premise | None, photos: str, used: Callable[[], float]) -> Comparison:
    """The comparison. `photos` stand in commands; `used` gives the seconds in the end."""
    study, seed = schedule.study, schedule.study.seed
    results = [_result(one, schedule, photos) for one in schedule.methods]
    results += [
        MethodResult(name, MODELS, "The model that is used by default.", None, outcome.state, outcome.reason)
        for name, outcome in schedule.outcomes.items()
        if name not in {one.name for one in schedule.methods}
    ]
    whole = {one.name: _folds(schedule, one) for one in schedule.methods if _folds(schedule, one)}
    results = _with_differences(study, results, whole)
    by_name = {one.name: one for one in results}
    candidates, labels = [], np.empty(0, np.str_)
    for method in schedule.methods:
        if method.words is not None and method.name in whole:
            selections = _selections(whole[method.name])
            hits, labels = selection_values(study, selections)
            precisions, _ = selection_values(study, selections, "precisions")
            candidates.append(Candidate(method, by_name[method.name], hits, precisions))
    queries = [int(row) for fold in range(FOLDS) for row in schedule.shown if study.fold[row] == fold]
    rows = sorted({*queries, *(row for one in results for nearest in one.nearest for row in nearest)})
    number = {row: place for place, row in enumerate(rows)}
    results = [
        replace(one, nearest=tuple(tuple(number[row] for row in nearest) for nearest in one.nearest)) for one in results
    ]
    return Comparison(
        data=data_facts(study),
        methods=tuple(ranking(with_expected(results))),
        pictures=tuple(_shown(study, row) for row in rows),
        queries=tuple(Query(number[row], int(study.fold[row])) for row in queries),
        recommendation=recommend(candidates, labels, photos, seed=seed),
        premise=premise,
        fpir=schedule.fpir,
        seed=seed,
        versions=versions(),
        machine=machine(),
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        budget=Budget(schedule.budget, used(), tuple(schedule.rounds)),
    )


def _result(method: Method, schedule: Schedule, photos: str) -> MethodResult:
    study, seed = schedule.study, schedule.study.seed
    result = MethodResult(method.name, method.family, method.about, method.command(photos), "measured")
    found = [one for one in schedule.found.get(method.name, []) if one.fold == 0]
    trials = tuple(
        Trial(number, one.classes, mean_figure(*selection_values(study, _selections([one])), seed=seed), one.seconds)
        for number, one in enumerate(found, 1)
    )
    result = replace(result, trials=trials)
    folds = _folds(schedule, method)
    if not folds:
        outcome = schedule.outcomes[method.name]
        return replace(result, state=outcome.state, reason=outcome.reason, round=outcome.round)
    means = {name: answered_values(study, folds, name) for name in ("hits", "precisions")}
    return replace(
        result,
        selection=mean_figure(*selection_values(study, _selections(folds)), seed=seed),
        folds=tuple(_fold(study, one) for one in folds),
        r_at_1=mean_figure(*means["hits"], seed=seed),
        map_at_r=mean_figure(*means["precisions"], seed=seed),
        fnir_at_fpir=open_set_figure([one.strangers for one in folds], schedule.fpir, seed=seed),
        seconds=float(np.mean([one.learning for one in folds])),
        milliseconds=float(np.median([one.milliseconds for one in folds])),
        dim=folds[0].dim,
        size=folds[0].size,
        nearest=tuple(nearest for one in folds for nearest in one.nearest),
    )


def _folds(schedule: Schedule, method: Method) -> list[Measurement]:
    """The measurements of all test folds; empty if one is missing."""
    found = [one for one in schedule.found.get(method.name, []) if one.share >= 1]
    return sorted(found, key=lambda one: one.fold) if len(found) == FOLDS else []


def _selections(several: list[Measurement]) -> list[Answers]:
    return [one.selection for one in several if one.selection is not None]


def _fold(study: Study, one: Measurement) -> FoldFigures:
    hits, precisions = (answered_values(study, [one], name)[0] for name in ("hits", "precisions"))
    fnir = None if one.strangers is None else one.strangers.fnir_at_fpir
    return FoldFigures(one.fold, len(hits), float(hits.mean()), float(precisions.mean()), fnir, one.learning)


def _with_differences(
    study: Study, results: list[MethodResult], whole: dict[str, list[Measurement]]
) -> list[MethodResult]:
    """With the differences to the best, and p corrected for their number."""
    measured = [one for one in results if one.r_at_1 is not None]
    if len(measured) < 2:
        return results
    best = ranking(measured)[0].name
    values: dict[str, NDArray[np.float64]] = {name: answered_values(study, folds)[0] for name, folds in whole.items()}
    labels = answered_values(study, whole[best])[1]
    found = {
        name: paired_difference(values[name], values[best], labels, seed=study.seed) for name in values if name != best
    }
    corrected = dict(zip(found, holm([one.p for one in found.values()]), strict=True))
    return [
        replace(one, difference=replace(found[one.name], p=corrected[one.name])) if one.name in found else one
        for one in results
    ]


def data_facts(study: Study) -> DataFacts:
    data = study.pictures
    return DataFacts(
        data.name,
        len(data),
        len(data.classes),
        study.classes(study.measured(SELECTION)),
        tuple(study.classes(study.measured(fold)) for fold in range(FOLDS)),
        tuple(study.classes(study.learned(fold)) for fold in range(FOLDS)),
        len(data.skipped),
        tuple(str(remark) for remark in data.remarks),
    )


def _shown(study: Study, row: int) -> ShownPicture:
    picture = study.pictures.pictures[row]
    path = str(source) if isinstance(source := picture.source, Path) else None
    return ShownPicture(picture.name, picture.label, path, picture.box)


def machine() -> str:
    cores = processors()
    return f"{platform.processor() or platform.machine()}, {cores} core{'s' if cores > 1 else ''}"


def versions() -> dict[str, str]:
    found = {"semelha": __version__, "python": platform.python_version()}
    return found | {name: version for name in PACKAGES if (version := installed_version(name)) is not None}
