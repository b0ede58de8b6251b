"""Find characters that look like others in the pictures of `glyphs`, such as the hyphens of several scripts."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from semelha.arguments import check_types
from semelha.errors import UsageError
from semelha.images.dataset import Dataset
from semelha.images.fit import fit
from semelha.images.picture import Picture

CORRELATION = 0.9
SIDE = 24  # of the ink that is compared
BORDER = 2  # of white around it, without which a dot would have no contrast

Vectors = NDArray[np.float32]


@check_types
def lookalikes(characters: Dataset, others: Dataset, *, correlation: float = CORRELATION) -> dict[str, str]:
    """Find characters that look like one of `others`, or like an earlier one of `characters` that is not found.

    Two characters look alike if their pictures, cropped to the ink and scaled to one size, have a correlation of at
    least `correlation` in at least half of the typefaces that draw both. Nothing is learned: pixels are compared.

    Parameters
    ----------
    characters, others : Dataset
        Of `glyphs`, or others whose pictures have names that begin with the typeface, such as "DejaVu Sans/U+0041".
        No label is in both.
    correlation : float
        Of the grey values, in (0, 1].

    Returns
    -------
    dict of str to str
        The label of each character found, and that of the character that it looks like.

    Raises
    ------
    UsageError
        `correlation` is out of range.
    """
    if not 0 < correlation <= 1:
        raise UsageError(f"correlation is {correlation:g}: it must be above 0 and at most 1")
    labels = list(dict.fromkeys(picture.label for picture in (*others, *characters)))
    place = {label: i for i, label in enumerate(labels)}
    own = np.array(sorted({place[picture.label] for picture in characters}), np.int64)
    row = np.full(len(labels), -1)
    row[own] = np.arange(len(own))
    drawn = np.zeros((len(own), len(labels)), np.int16)  # typefaces that draw both characters
    alike = drawn.copy()  # those in which they look alike
    for pictures in _by_typeface(others, characters).values():
        columns = np.array([place[picture.label] for picture in pictures])
        mine = row[columns] >= 0
        if not mine.any():
            continue
        vectors = _vectors(pictures)
        cells = np.ix_(row[columns[mine]], columns)
        drawn[cells] += 1
        alike[cells] += vectors[mine] @ vectors.T >= correlation
    same = (alike > 0) & (2 * alike >= drawn)
    kept = row < 0
    found = {}
    for i, label in enumerate(own):
        like = np.flatnonzero(same[i] & kept)
        if len(like):
            found[labels[label]] = labels[like[0]]
        else:
            kept[label] = True
    return found


def _by_typeface(*datasets: Dataset) -> dict[str, list[Picture]]:
    found: dict[str, list[Picture]] = defaultdict(list)
    for dataset in datasets:
        for picture in dataset:
            found[picture.name.split("/")[0]].append(picture)
    return found


def _vectors(pictures: list[Picture]) -> Vectors:
    """Vectors (n, d) whose dot product is the correlation of the pictures' ink."""
    around = ((0, 0), (BORDER, BORDER), (BORDER, BORDER))
    grey = np.pad([_ink(picture) for picture in pictures], around, constant_values=255)
    rows = grey.reshape(len(pictures), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6), np.float32)


def _ink(picture: Picture) -> NDArray[np.uint8]:
    """(SIDE, SIDE): the part of a picture that is not white, scaled to one size."""
    grey = Image.fromarray(picture.pixels()).convert("L")
    return fit(grey.crop(ImageChops.invert(grey).getbbox()), (SIDE, SIDE), channels=1)[..., 0]
