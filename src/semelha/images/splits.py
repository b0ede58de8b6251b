"""Which splits of a data set a command uses."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from semelha.errors import DatasetError
from semelha.images.dataset import Dataset
from semelha.images.names import split_name
from semelha.images.report import Kind, Remark
from semelha.text import as_unicode

Use = Literal["training", "training without labels", "enrolling", "evaluating", "probes"]
"""What the pictures of a data set are for. "probes": they are not enrolled."""

_FIRST = {
    "training": ("train",),
    "training without labels": ("train",),
    "enrolling": ("gallery", "train"),
    "probes": ("query", "test", "val"),
}
PAIRS = (("gallery", "query"), ("train", "test"))
"""Splits of which an evaluation enrolls the first, and probes with the second."""


def for_use(dataset: Dataset, use: Use) -> Dataset:
    """The pictures whose split is for this use; all of them if no picture has a split, or all have the same.

    Training uses train, and with labels val for its validation. Enrolling uses gallery, or else train. Probes are
    query, or else test, or else val. An evaluation uses gallery and query; train and test if they share classes; or
    else test, or val, whose pictures are searched among themselves. The remarks of the result say what was used.

    Raises
    ------
    DatasetError
        No split is for this use.
    """
    counts = _counts(dataset)
    if len(counts) < 2:
        return dataset
    names = _evaluated(dataset, counts) if use == "evaluating" else _first(counts, use)
    if not names:
        there = ", ".join(as_unicode(name) or "(none)" for name in counts)
        wanted = " or ".join(_FIRST.get(use, ("query", "test")))
        raise DatasetError(
            f"{dataset.name} has the splits {there}, and {use} needs {wanted}: say which to use with split (--split "
            "NAME, or all for every picture)"
        )
    return _only(dataset, names, counts)


def one_split(dataset: Dataset, name: str) -> Dataset:
    """The pictures of one split, or with "all" every picture, which then has no split. Raises `DatasetError`."""
    if split_name(name) == "all":
        return replace(dataset, pictures=tuple(replace(picture, split=None) for picture in dataset))
    counts = _counts(dataset)
    if split_name(name) not in counts:
        there = ", ".join(as_unicode(each) for each in counts if each) or "none"
        raise DatasetError(f"{dataset.name} has no split {name}: it has {there}")
    return _only(dataset, (split_name(name),), counts)


def _counts(dataset: Dataset) -> dict[str, int]:
    counts: dict[str, int] = {}
    for split, number in dataset.splits.items():
        counts[split_name(split)] = counts.get(split_name(split), 0) + number
    return counts


def _first(counts: dict[str, int], use: str) -> tuple[str, ...]:
    name = next((each for each in _FIRST[use] if each in counts), None)
    if name is None:
        return ()
    return ("train", "val") if use == "training" and "val" in counts else (name,)


def _evaluated(dataset: Dataset, counts: dict[str, int]) -> tuple[str, ...]:
    for pair in PAIRS:
        if set(pair) <= set(counts) and (pair[0] == "gallery" or _share_classes(dataset, *pair)):
            return pair
    return next(((name,) for name in ("test", "val", "query") if name in counts), ())


def _share_classes(dataset: Dataset, one: str, other: str) -> bool:
    return bool(set(dataset.with_split(one).classes) & set(dataset.with_split(other).classes) - {""})


def _only(dataset: Dataset, names: tuple[str, ...], counts: dict[str, int]) -> Dataset:
    """The pictures of some splits, with a remark of what is used and what is not."""
    kept = [number for number, picture in enumerate(dataset) if split_name(picture.split or "") in names]

    def remark(kind: Kind, splits: list[str]) -> list[Remark]:
        text = ", ".join(
            f"{counts[name]:,} pictures " + (f"of the split {as_unicode(name)}" if name else "without a split")
            for name in splits
        )
        return [Remark(kind, text, sum(counts[name] for name in splits))] if splits else []

    used = remark("used", [name for name in counts if name in names])
    others = remark("left out", [name for name in counts if name not in names])
    return replace(dataset.select(kept), remarks=(*used, *dataset.remarks, *others))
