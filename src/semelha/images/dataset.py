"""`Dataset`, a sequence of pictures with labels: selecting, splitting by class, and checks for training."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.arguments import check_fields, check_int, check_types
from semelha.errors import DatasetError
from semelha.images.names import ICONIC, split_name
from semelha.images.packed import Packed
from semelha.images.picture import Picture
from semelha.images.report import Remark

MIN_UNLABELLED = 8  # pictures that a training without labels takes at least


@dataclass(frozen=True)
class Skipped:
    """A file that was left out of a data set, and the reason."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class Dataset:
    """Pictures with labels in a fixed order, and the files that were left out.

    Parameters
    ----------
    skipped : tuple of Skipped
        Files that cannot be used, with reasons.
    remarks : tuple of Remark
        What was used, assumed, ignored and left out when the data set was read, and what its owner should check: one
        remark for each kind.
    """

    name: str
    pictures: tuple[Picture, ...]
    skipped: tuple[Skipped, ...] = ()
    remarks: tuple[Remark, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)

    def __len__(self) -> int:
        return len(self.pictures)

    def __iter__(self) -> Iterator[Picture]:
        return iter(self.pictures)

    @cached_property
    def labels(self) -> NDArray[np.str_]:
        """(pictures,) label of each picture."""
        return np.array([picture.label for picture in self.pictures], dtype=np.str_)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The distinct labels, sorted."""
        return tuple(sorted({picture.label for picture in self.pictures}))

    @property
    def groups(self) -> NDArray[Any] | None:
        """(pictures,) group of each picture or None; None if no picture has a group."""
        return _unless_none([picture.group for picture in self.pictures])

    @property
    def domains(self) -> NDArray[Any] | None:
        """(pictures,) domain of each picture or None; None if no picture has a domain."""
        return _unless_none([picture.domain for picture in self.pictures])

    @property
    def is_clean(self) -> NDArray[np.bool_]:
        """(pictures,) whether each picture is a clean one, as catalogues have: of the domain "iconic"."""
        return np.array([picture.domain == ICONIC for picture in self.pictures], np.bool_)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the owner should check, such as labels that differ by case only, or files in two classes."""
        return tuple(str(remark) for remark in self.remarks if remark.kind == "check")

    @cached_property
    def is_validation(self) -> NDArray[np.bool_]:
        """(pictures,) whether a training validates with a picture: it is of the split val, and others are of train."""
        splits = np.array([split_name(picture.split or "") for picture in self.pictures], np.str_)
        return np.asarray((splits == "val") & bool((splits == "train").any()))

    @property
    def splits(self) -> dict[str, int]:
        """Number of pictures of each split, in the order of the pictures; "" is no split."""
        return dict(Counter(picture.split or "" for picture in self.pictures))

    def report(self) -> dict[str, Any]:
        """What was read, as plain values: remarks with all their items, and skipped files with reasons."""
        return {
            "data": self.name,
            "pictures": len(self),
            "classes": len([*filter(None, self.classes)]),
            "splits": {split: count for split, count in self.splits.items() if split},
            "remarks": [remark.to_json() for remark in self.remarks],
            "skipped": [vars(one) for one in self.skipped],
        }

    def counts(self) -> dict[str, int]:
        """Number of pictures of each class."""
        return dict(Counter(picture.label for picture in self.pictures))

    @check_types
    def select(self, indices: Iterable[int]) -> Dataset:
        """A data set of the pictures at `indices`, in that order. Raises `UsageError` for one that is not there."""
        chosen = [check_int("indices", i, -len(self), len(self) - 1) for i in indices]
        return replace(self, pictures=tuple(self.pictures[i] for i in chosen))

    @check_types
    def with_split(self, name: str) -> Dataset:
        """A data set of the pictures of one split. Case does not matter; "valid" and "validation" are "val"."""
        wanted = split_name(name)
        return replace(self, pictures=tuple(p for p in self.pictures if p.split and split_name(p.split) == wanted))

    @check_types
    def with_skipped(self, skipped: Sequence[Skipped]) -> Dataset:
        """A copy with more skipped files."""
        return replace(self, skipped=(*self.skipped, *skipped))


def _unless_none(values: list[str | None]) -> NDArray[Any] | None:
    return np.array(values, dtype=object) if any(value is not None for value in values) else None


def split_classes(dataset: Dataset, fraction: float, *, seed: int) -> tuple[Dataset, Dataset]:
    """Split a data set by class: no class has pictures on both sides.

    Parameters
    ----------
    fraction : float
        Part of the classes that goes into the second data set, between 0 and 1; each side keeps at least two classes.

    Raises
    ------
    DatasetError
        There are fewer than four classes, or `fraction` is not between 0 and 1.
    """
    classes = dataset.classes
    if not 0 < fraction < 1:
        raise DatasetError(f"fraction is {fraction}: it must be between 0 and 1")
    if len(classes) < 4:
        raise DatasetError(f"{dataset.name} has {len(classes)} classes: a split needs two on each side")
    count = int(np.clip(round(fraction * len(classes)), 2, len(classes) - 2))
    second = {classes[i] for i in np.random.default_rng(seed).permutation(len(classes))[:count]}
    return (
        replace(dataset, pictures=tuple(p for p in dataset if p.label not in second)),
        replace(dataset, pictures=tuple(p for p in dataset if p.label in second)),
    )


def check_for_training(dataset: Dataset) -> None:
    """Raise `DatasetError` if there are fewer than two classes to learn from, or every class has a single picture."""
    dataset = dataset.select(np.flatnonzero(~dataset.is_validation).tolist())
    classes = len(dataset.classes)
    if classes < 2:
        raise DatasetError(
            f"{dataset.name} has {classes} class{'es' if classes != 1 else ''} with pictures that can be read: "
            "a training needs at least two, each a folder of pictures"
        )
    if max(dataset.counts().values()) < 2:
        raise DatasetError(f"every class of {dataset.name} has one picture: a training needs classes with two or more")


def check_without_labels(dataset: Dataset) -> None:
    """Raise `DatasetError` if there are too few pictures to learn without labels."""
    if len(dataset) < MIN_UNLABELLED:
        raise DatasetError(
            f"{dataset.name} has {len(dataset)} picture{'s' if len(dataset) != 1 else ''} that can be read: to learn "
            f"without labels, by telling each picture from all others, takes {MIN_UNLABELLED} at least"
        )


def picture_key(dataset: Dataset) -> str:
    """A hash of the pictures of a data set; a changed file has another time or size."""
    digest = hashlib.sha256()
    for picture in dataset:
        digest.update(f"\n{picture.name}\t{picture.label}\t{picture.box}\t".encode(errors="backslashreplace"))
        if isinstance(picture.source, Path):
            status = picture.source.stat()
            digest.update(f"{status.st_size}/{status.st_mtime_ns}".encode())
        elif isinstance(picture.source, Packed):
            digest.update(picture.source.digest.encode())
        else:
            source = picture.source
            digest.update(source if isinstance(source, bytes) else source.tobytes())
    return digest.hexdigest()
