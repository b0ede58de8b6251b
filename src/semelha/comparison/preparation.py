"""What a comparison or a tuning begins with: the pictures, the methods, and the vectors that they start from."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from semelha._version import __version__
from semelha.comparison.methods import MODELS, Method, feature_methods, methods_on, network_methods
from semelha.comparison.schedule import Callback, seconds_without_networks
from semelha.comparison.study import Base, Source, Study, divide, some_classes
from semelha.embedders import Model, embed_all
from semelha.errors import MissingExtra, PretrainedUnavailable, SemelhaError, UsageError
from semelha.files import write_file
from semelha.images import Dataset, Remark, for_use, picture_key, read_dataset, readable, with_groups
from semelha.published_models import resolve_model
from semelha.untrusted import read_json

STATE = "study.json"
EMBEDDING = 0.25
"""Of the time without networks, for computing features: if all pictures take longer, classes are drawn."""
SAMPLE = 32
"""Pictures whose features are computed to measure how fast that is."""


@dataclass(frozen=True)
class Registry:
    """The known methods, why others are not among them, and the classes that models were trained on."""

    methods: list[Method]
    missing: dict[str, str] = field(default_factory=dict)  # names, and what must be installed
    classes: frozenset[str] = frozenset()


def read_labelled(dataset: Dataset | str | os.PathLike[str], seed: int) -> Dataset:
    """The pictures of the splits train and val that can be read. Raises `DatasetError` if classes are too few."""
    whole = dataset if isinstance(dataset, Dataset) else replace(read_dataset(dataset), name=os.fspath(dataset))
    used = for_use(whole, "training")
    used = readable(replace(used, pictures=tuple(replace(one, split=None) for one in used)))
    divide(used, seed)
    return used


def registry(models: Sequence[Model | str | os.PathLike[str]]) -> Registry:
    """All methods: those of features, of the default model and of these models, and networks."""
    missing: dict[str, str] = {}
    found = list(feature_methods())
    loaded: list[tuple[Model, bool]] = []
    try:
        default = resolve_model(None)
        loaded.append((default, "published" in default.card.training))
    except (MissingExtra, PretrainedUnavailable) as error:
        missing["the default model"] = str(error)
    loaded += [(resolve_model(one), False) for one in models]
    titles: list[str] = []
    for model, is_published in loaded:
        count = sum(title.split(" #")[0] == model.card.name for title in titles)
        titles.append(model.card.name if not count else f"{model.card.name} #{count + 1}")
        found += methods_on(model, titles[-1], published=is_published)
    seen = frozenset(name for model, _ in loaded for name in model.card.classes)
    return Registry([*found, *network_methods()], missing, seen)


def prepare(
    used: Dataset,
    methods: Sequence[Method],
    known: Registry,
    place: Path,
    *,
    arguments: object,
    limit: float | None,
    seed: int,
    since: float,
    report: Callback,
) -> tuple[Study, dict[str, Any]]:
    """The study in a folder, and what it began with, `STATE`: new, or the one that was begun with these arguments.

    `limit` is the budget in seconds, `since` when it began, of `time.monotonic()`. Raises `UsageError` if the folder
    has another study.
    """
    if both := known.classes & set(used.classes):
        text = f"{len(both):,} classes are among those that a model was trained on: its figures are too good"
        used = replace(used, remarks=(*used.remarks, Remark("check", text, len(both))))
    sources = {one.base.source.key: one.base.source for one in methods if one.base is not None}
    begun = [one.name for one in methods], [one.base.source.key for one in methods if one.base]
    groups = [one.group for one in used.pictures]
    text = repr((picture_key(used), groups, *begun, limit, arguments, seed, __version__))
    state = _state(place / STATE, hashlib.sha256(text.encode()).hexdigest())
    if "most" not in state:
        most = len(used)
        if limit is not None and most > SAMPLE:
            each = _seconds_each(sources.values(), used, seed)
            seconds = EMBEDDING * (seconds_without_networks(limit, methods) - (time.monotonic() - since))
            most = int(min(most, max(seconds, 0.0) / max(each, 1e-6)))
        state |= {"most": most, "seconds": time.monotonic() - since}
        write_file(place / STATE, [json.dumps(state)])
    used = some_classes(used, int(state["most"]), seed)
    study = Study(used, np.empty(0, np.int64), place, seed, float(state["seconds"]))
    for source in sources.values():
        study.prepare(source, lambda done, total: report(f"embedding pictures: {done} of {total}", study.spent))
    base = first_base(methods)
    rows = np.arange(len(used))
    study.pictures = with_groups(used, vectors=None if base is None else study.vectors(base, rows))
    study.fold = divide(study.pictures, seed)
    return study, state


def first_base(methods: Sequence[Method]) -> Base | None:
    """The vectors of the first model, or else of the first features; None if no method has any."""
    ordered = (*(one for one in methods if one.family == MODELS), *methods)
    return next((one.base for one in ordered if one.base is not None), None)


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


def _state(file: Path, key: str) -> dict[str, Any]:
    """What the study in the folder began with. Raises `UsageError` if it is another one."""
    if not file.exists():
        if file.parent.is_dir() and any(file.parent.iterdir()):
            raise UsageError(f"{file.parent} has nothing to resume: choose another folder")
        return {"key": key}
    state: dict[str, Any] = read_json(file, error=SemelhaError)
    if state.get("key") != key:
        raise UsageError(
            f"{file.parent} has results of other pictures, or with other arguments or another semelha: give the same "
            "ones to resume, or choose another folder"
        )
    return state
