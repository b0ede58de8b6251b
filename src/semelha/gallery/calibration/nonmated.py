"""Draws the labelled pictures that a calibration or its test uses: strangers, and confirmed pictures of subjects."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from semelha.embedders import Model, Source, as_pictures
from semelha.images import Dataset, Picture, content_hashes
from semelha.store import View

logger = logging.getLogger(__name__)


def draw_nonmated_probes(
    strangers: Dataset | Sequence[Source] | None, confirmed: Dataset | None, view: View, model: Model, seed: int
) -> tuple[list[Picture], list[int]]:
    """Draw one picture of each stranger and one of each confirmed subject.

    Returns
    -------
    pictures : list of Picture
    subjects : list of int
        Number of the subject that each shows; 0 for a stranger.
    """
    unknown = [] if strangers is None else _draw_strangers(strangers, view, model, seed)
    known, subjects = ([], []) if confirmed is None else draw_labelled(confirmed, view, model, seed)
    return [*unknown, *known], [0] * len(unknown) + subjects


def draw_labelled(
    dataset: Dataset, view: View, model: Model, seed: int, *, with_strangers: bool = False
) -> tuple[list[Picture], list[int]]:
    """Draw one unseen picture of each class that is enrolled, and the numbers of the subjects.

    Unseen is a picture that is neither enrolled nor in the model's training set. `with_strangers` also draws one of
    each class that is not enrolled, with the number 0.
    """
    is_unseen = _Unseen(view, model)
    classes = set(model.card.classes)
    chosen: dict[str, tuple[Picture, int]] = {}
    for i in np.random.default_rng(seed).permutation(len(dataset)):
        picture = dataset.pictures[i]
        number = view.number_of(picture.label)
        if picture.label in chosen or picture.label in classes or (number is None and not with_strangers):
            continue
        if is_unseen(picture):
            chosen[picture.label] = (picture, number or 0)
    skipped = len(dataset.classes) - len(chosen)
    if skipped:
        logger.warning("%d classes have no picture that can serve: left out", skipped)
    return [picture for picture, _ in chosen.values()], [number for _, number in chosen.values()]


def _draw_strangers(strangers: Dataset | Sequence[Source], view: View, model: Model, seed: int) -> list[Picture]:
    """One unseen picture of each class that is not enrolled; each picture without a label is a class."""
    is_unseen = _Unseen(view, model)
    has_labels = isinstance(strangers, Dataset)
    pictures = list(strangers) if isinstance(strangers, Dataset) else as_pictures(strangers)
    classes = set(model.card.classes) if has_labels else set()
    chosen: dict[str, Picture] = {}
    for i in np.random.default_rng(seed).permutation(len(pictures)):
        picture = pictures[i]
        stranger = picture.label or f"#{i}"
        if stranger in chosen or picture.label in classes or (has_labels and view.has_subject(picture.label)):
            continue
        if is_unseen(picture):
            chosen[stranger] = picture
    skipped = len({picture.label or f"#{i}" for i, picture in enumerate(pictures)}) - len(chosen)
    if skipped:
        logger.warning("%d strangers are enrolled, or the model was trained on them: left out", skipped)
    return list(chosen.values())


class _Unseen:
    """Whether a picture is neither enrolled nor in the model's training set, by its content hash."""

    def __init__(self, view: View, model: Model) -> None:
        self._view = view
        self._trained = frozenset(model.card.content_hashes)
        self._bases = {view.hash_basis, *model.card.content_bases}

    def __call__(self, picture: Picture) -> bool:
        hashes = content_hashes(picture, self._bases)
        return self._trained.isdisjoint(hashes) and not any(map(self._view.has_picture, hashes))
