"""Training and validation pictures: subsets of the pixel cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semelha.deep.cache import PixelCache
from semelha.deep.recipe import Recipe
from semelha.deep.sampler import Batch, Pool
from semelha.images import split_classes

MAX_VALIDATED = 2000


@dataclass(frozen=True, eq=False)
class PictureSubset:
    """Pictures of a pixel cache, with their classes.

    Attributes
    ----------
    pixels : (all, channels, size, size) uint8
        Fitted pictures.
    rows, classes : (n,) int64
        The rows of the subset, and the class of each, 0 to C − 1.
    labels : tuple of str
        Name of each class.
    groups : (n,) object, optional
        Group of each picture, or None. Pictures of one group never match in a validation.
    lessons : (turns, all, d) float32, optional
        Embeddings by a teacher of each picture, for each number of quarter turns.
    """

    pixels: NDArray[np.uint8]
    rows: NDArray[np.int64]
    classes: NDArray[np.int64]
    labels: tuple[str, ...]
    groups: NDArray[Any] | None = None
    lessons: NDArray[np.float32] | None = None

    def pool(self, recipe: Recipe) -> Pool:
        """The pictures that a sampler draws batches from."""
        return Pool(self.classes, self.labels, recipe.quarter_turns)

    def read(self, places: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The pictures at `places` of the subset: (len(places), channels, size, size)."""
        return np.asarray(self.pixels[self.rows[places]])

    def taught(self, batch: Batch, device: torch.device) -> Tensor | None:
        """Embeddings of a batch by the teacher: (batch, d); None without one."""
        if self.lessons is None:
            return None
        return torch.from_numpy(self.lessons[batch.turns, self.rows[batch.pictures]]).to(device)


def labelled(
    pixels: NDArray[np.uint8],
    rows: NDArray[np.int64],
    labels: NDArray[np.str_],
    groups: NDArray[Any] | None = None,
) -> PictureSubset:
    """The subset of the pictures at `rows`, with classes from their labels."""
    names, classes = np.unique(labels, return_inverse=True)
    return PictureSubset(pixels, rows, classes, tuple(map(str, names)), groups)


def unlabelled(pixels: NDArray[np.uint8], number: int) -> PictureSubset:
    """The subset of `number` pictures, each its own class."""
    rows = np.arange(number)
    return PictureSubset(pixels, rows, rows, tuple(map(str, rows)))


def split(cache: PixelCache, recipe: Recipe, *, seed: int) -> tuple[PictureSubset, PictureSubset | None]:
    """The training pictures, and the pictures of held-out classes for validation.

    There is no validation if fewer than 10 classes have two pictures that may match, or without labels.
    """
    if recipe.method is not None:
        return unlabelled(cache.pixels, len(cache.dataset)), None
    labels = cache.dataset.labels
    everything = np.arange(len(labels))
    groups = cache.dataset.groups
    paired = _paired(labels, groups)
    if recipe.validation <= 0 or len(paired) < 10:
        return labelled(cache.pixels, everything, labels), None
    held_out = split_classes(cache.dataset, recipe.validation, seed=seed)[1].classes
    held = np.isin(labels, held_out)
    chosen = np.sort(np.random.default_rng(seed).permutation(np.flatnonzero(held))[:MAX_VALIDATED])
    remaining = np.flatnonzero(~held)
    training = labelled(cache.pixels, remaining, labels[remaining])
    own = None if groups is None else groups[chosen]
    if not _paired(labels[chosen], own):
        return training, None
    return training, labelled(cache.pixels, chosen, labels[chosen], own)


def _paired(labels: NDArray[np.str_], groups: NDArray[Any] | None) -> list[str]:
    """The classes with two pictures that may match: not both of one group."""
    known: dict[str, list[object]] = {}
    for label, group in zip(labels, [None] * len(labels) if groups is None else groups, strict=True):
        known.setdefault(str(label), []).append(group)
    return [label for label, of in known.items() if len(of) > 1 and (None in of or len(set(of)) > 1)]
