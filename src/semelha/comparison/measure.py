"""One measurement: a method learned in one fold, on the selection classes and on the test classes; and its file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from semelha.comparison.methods import Attempt, Learned, Method
from semelha.comparison.study import SELECTION, Rows, Study
from semelha.errors import DatasetError, MissingExtra, PretrainedUnavailable, SemelhaError
from semelha.evaluation.open_set import measure_open_set
from semelha.evaluation.protocol import take
from semelha.files import write_file
from semelha.measures import retrieval
from semelha.untrusted import MAX_BYTES, parse_json, read_bytes

SHOWN = 5
"""Nearest pictures of a query that are kept."""

FARTHEST = 3e38
"""In place of an infinite distance, which JSON has not."""

Floats = tuple[float, ...]
Numbers = tuple[int, ...]


@dataclass(frozen=True)
class Answers:
    """Of each picture, searched among the others: whether the nearest is of its class (1, 0; −1: none may match)."""

    hits: Numbers
    precisions: Floats  # average precision at R; 0 where none may match


@dataclass(frozen=True)
class Strangers:
    """An open set with half of the classes enrolled, as `semelha.evaluation` measures it; numbers of subjects."""

    mated: Floats  # distance to the nearest subject
    correct: Numbers
    mated_subject: Numbers
    non_mated: Floats
    non_mated_subject: Numbers
    fnir_at_fpir: float | None


@dataclass(frozen=True)
class Measurement:
    """A method in one fold. Learned from a share of the classes, it has no answers on the test classes."""

    method: str
    fold: int
    share: float
    seconds: float  # in all
    learning: float = 0.0
    allowed: float = 0.0  # seconds for the steps of a network
    classes: int = 0  # learned from
    milliseconds: float = 0.0
    dim: int = 0
    size: int = 0
    selection: Answers | None = None
    test: Answers | None = None
    strangers: Strangers | None = None
    nearest: tuple[Numbers, ...] = ()  # of the shown queries of the fold: rows of pictures
    error: str | None = None


def measure(
    method: Method,
    study: Study,
    fold: int,
    share: float,
    *,
    seconds: float,
    fpir: float,
    shown: Rows,
    settings: Mapping[str, float] = MappingProxyType({}),
) -> Measurement:
    """Learn and measure. An error of the method is part of the result, but for `MissingExtra`, which is raised.

    `seconds` are for the steps of a network; `shown` are rows of which the nearest pictures are kept.
    """
    start = time.monotonic()
    rows = study.learned(fold, share)
    try:
        found = method.learn(study, rows, Attempt(seconds, study.folder / "model", settings))
        learning = time.monotonic() - start + found.known
        selection, _ = answers(study, found, study.measured(SELECTION))
        test = strangers = None
        nearest: tuple[Numbers, ...] = ()
        if share >= 1:
            asked = study.measured(fold)
            test, order = answers(study, found, asked)
            nearest = tuple(order[row] for row in np.flatnonzero(np.isin(asked, shown)))
            strangers = _strangers(study, found, asked, fpir)
    except (MissingExtra, PretrainedUnavailable):
        raise
    except SemelhaError as error:
        return Measurement(method.name, fold, share, time.monotonic() - start, error=str(error))
    return Measurement(
        method=method.name,
        fold=fold,
        share=share,
        seconds=time.monotonic() - start,
        learning=learning,
        allowed=seconds,
        classes=study.classes(rows),
        milliseconds=found.milliseconds,
        dim=found.dim,
        size=found.size,
        selection=selection,
        test=test,
        strangers=strangers,
        nearest=nearest,
    )


def kept(file: Path, compute: Callable[[], Measurement]) -> Measurement:
    """The measurement in a file; or computed, and written to it atomically. Raises `SemelhaError`."""
    try:
        content = read_bytes(file, max_bytes=MAX_BYTES, error=SemelhaError)
    except FileNotFoundError:
        found = compute()
        write_file(file, [json.dumps(asdict(found))])
        return found
    value = parse_json(content, str(file), error=SemelhaError)
    try:
        return _adapter().validate_json(json.dumps(value), strict=True)
    except ValidationError as problem:
        raise SemelhaError(f"{file} is damaged: {problem.errors()[0]['msg']}: remove it") from None


def answers(study: Study, found: Learned, rows: Rows) -> tuple[Answers, list[Numbers]]:
    """The answers of what was learned, and the rows of the nearest pictures of each picture: at most `SHOWN`."""
    labels = np.unique(study.pictures.labels, return_inverse=True)[1][rows]
    groups = take(study.pictures.groups, rows)
    result = retrieval(found.vectors(rows), labels, metric=found.metric, query_groups=groups, ks=(1, SHOWN))
    hits = np.where(result.has_match, result.first_ranks == 0, -1)
    precisions = np.round(np.nan_to_num(result.average_precisions), 6)
    nearest = [tuple(rows[one[one >= 0]].tolist()) for one in result.nearest]
    return Answers(tuple(hits.tolist()), tuple(precisions.tolist())), nearest


def _strangers(study: Study, found: Learned, rows: Rows, fpir: float) -> Strangers | None:
    labels, groups = study.pictures.labels[rows], take(study.pictures.groups, rows)
    try:
        result = measure_open_set(
            found.vectors(rows), found.metric, labels, groups, None, np.arange(len(rows)), 0.5, fpir, study.seed
        )
    except DatasetError:
        return None
    probes = result.probes
    return Strangers(
        _floats(probes.mated),
        tuple(probes.correct.astype(int).tolist()),
        tuple(probes.mated_subject.tolist()),
        _floats(probes.non_mated),
        tuple(probes.non_mated_subject.tolist()),
        result.fnir_at_fpir,
    )


def _floats(values: NDArray[np.float64]) -> Floats:
    return tuple(np.nan_to_num(values, posinf=FARTHEST).tolist())


@cache
def _adapter() -> TypeAdapter[Measurement]:
    return TypeAdapter(Measurement)
