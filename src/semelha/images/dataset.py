"""`Picture`, a picture with its label, and `Dataset`, a sequence of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.arguments import check_fields, check_types
from semelha.errors import DatasetError, PictureError, UsageError
from semelha.images.decode import Box, Limits, OpenPicture, cropped


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture with its label and other data.

    Parameters
    ----------
    source : Path, bytes, or (h, w) or (h, w, 3) uint8
        A file, its content, or pixels.
    label : str
        Its class; "" if unknown.
    name : str
        Its path below the folder of the data set, or another name for messages.
    group : str, optional
        Burst, encounter, shelf: evaluation never matches pictures of one group.
    split : str, optional
        The part of the data set that it belongs to, such as "train" or "test".
    box : (left, top, right, bottom), optional
        The crop to use.
    """

    source: Path | bytes | NDArray[np.uint8]
    label: str
    name: str
    group: str | None = None
    split: str | None = None
    box: Box | None = None

    def __post_init__(self) -> None:
        check_fields(self)

    @check_types
    def pixels(self, limits: Limits = Limits(), *, at_least: int | None = None) -> NDArray[np.uint8]:
        """Decode and crop: (height, width, 3) uint8.

        Parameters
        ----------
        limits : Limits
        at_least : int, optional
            As for `decode`: a JPEG may be decoded at a part of its size that suits this side.

        Raises
        ------
        PictureError
        """
        if isinstance(self.source, np.ndarray):
            return as_rgb(self.source, self.box, self.name)
        with self.open(limits, at_least=at_least) as opened:
            return opened.pixels()

    @check_types
    def open(self, limits: Limits = Limits(), *, at_least: int | None = None) -> OpenPicture:
        """Read the header of a file or of its content. Raises `PictureError`, and `UsageError` for an array."""
        if isinstance(self.source, np.ndarray):
            raise UsageError(f"{self.name} is an array: only a file or its content is opened")
        name = self.name if isinstance(self.source, bytes) else str(self.source)
        return OpenPicture(self.source, name=name, box=self.box, limits=limits, at_least=at_least)


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
    name : str
    pictures : tuple of Picture
    skipped : tuple of Skipped
        Files that cannot be used, with reasons.
    warnings : tuple of str
        What the owner should check, such as labels that differ by case only.
    """

    name: str
    pictures: tuple[Picture, ...]
    skipped: tuple[Skipped, ...] = ()
    warnings: tuple[str, ...] = ()

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
        groups = [picture.group for picture in self.pictures]
        return np.array(groups, dtype=object) if any(group is not None for group in groups) else None

    def counts(self) -> dict[str, int]:
        """Number of pictures of each class."""
        return dict(Counter(picture.label for picture in self.pictures))

    @check_types
    def select(self, indices: Iterable[int]) -> Dataset:
        """A data set of the pictures at `indices`, in that order."""
        return replace(self, pictures=tuple(self.pictures[i] for i in indices))

    @check_types
    def with_split(self, name: str) -> Dataset:
        """A data set of the pictures of one split."""
        return replace(self, pictures=tuple(p for p in self.pictures if p.split == name))

    @check_types
    def with_skipped(self, skipped: Sequence[Skipped]) -> Dataset:
        """A copy with more skipped files."""
        return replace(self, skipped=(*self.skipped, *skipped))


def split_classes(dataset: Dataset, fraction: float, *, seed: int) -> tuple[Dataset, Dataset]:
    """Split a data set by class: no class has pictures on both sides.

    Parameters
    ----------
    dataset : Dataset
    fraction : float
        Part of the classes that goes into the second data set, between 0 and 1; each side keeps at least two classes.
    seed : int

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
    """Raise `DatasetError` if there are fewer than two classes, or every class has a single picture."""
    classes = len(dataset.classes)
    if classes < 2:
        raise DatasetError(
            f"{dataset.name} has {classes} class{'es' if classes != 1 else ''} with pictures that can be read: "
            "a training needs at least two, each a folder of pictures"
        )
    if max(dataset.counts().values()) < 2:
        raise DatasetError(f"every class of {dataset.name} has one picture: a training needs classes with two or more")


def check_without_labels(dataset: Dataset, least: int = 8) -> None:
    """Raise `DatasetError` if there are too few pictures to learn without labels."""
    if len(dataset) < least:
        raise DatasetError(
            f"{dataset.name} has {len(dataset)} picture{'s' if len(dataset) != 1 else ''} that can be read: to learn "
            f"without labels, by telling each picture from all others, takes {least} at least"
        )


def as_rgb(pixels: NDArray[np.uint8], box: Box | None = None, name: str = "the picture") -> NDArray[np.uint8]:
    """Convert an array of pixels to RGB: (h, w) or (h, w, 3) uint8 → (h, w, 3). Raises `PictureError`."""
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise PictureError(
            f"{name} is an array {pixels.shape} of {pixels.dtype}: it must be (h, w) or (h, w, 3) of uint8"
        )
    if pixels.size == 0:
        raise PictureError(f"{name} has no pixels")
    rgb = np.repeat(pixels[:, :, None], 3, axis=2) if pixels.ndim == 2 else pixels
    return rgb if box is None else cropped(rgb, box, name)
