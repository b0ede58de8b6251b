"""Training with pictures of two kinds: the clean ones of a catalogue, and photos.

A class has many photos and one clean picture, which would hardly ever be drawn; and what is wanted is that the two are
near. So in half of the classes of a batch one picture is a clean one, and of those half are made to look like photos.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from semelha.deep.sampler import Batch
from semelha.images.photo_like import photo_like

SHARE = 0.5


def with_clean_pictures(batch: Batch, classes: NDArray[np.int64], clean: NDArray[np.bool_], seed: list[int]) -> Batch:
    """The batch with a clean picture in place of one photo, for a share of the classes that have one.

    `classes` and `clean` are of all pictures that can be drawn. Classes with quarter turns keep the turn.
    """
    random = np.random.default_rng(seed)
    pictures = batch.pictures.copy()
    _, first = np.unique(batch.targets, return_index=True)
    for place in first[random.random(len(first)) < SHARE]:
        own = np.flatnonzero(clean & (classes == classes[pictures[place]]))
        if len(own):
            pictures[place] = random.choice(own)
    return replace(batch, pictures=pictures)


def with_photo_like(pixels: NDArray[np.uint8], clean: NDArray[np.bool_], seed: list[int]) -> NDArray[np.uint8]:
    """Fitted RGB pictures, (n, 3, size, size), with a share of the clean ones made to look like photos.

    Their backgrounds are parts of the others. The product is pasted into a frame of the same shape.
    """
    random = np.random.default_rng(seed)
    chosen = np.flatnonzero(clean & (random.random(len(clean)) < SHARE))
    if not len(chosen) or pixels.shape[1] != 3:
        return pixels
    photos = [picture.transpose(1, 2, 0) for picture in pixels[~clean]]
    made = pixels.copy()
    for row in chosen:
        made[row] = photo_like(pixels[row].transpose(1, 2, 0), photos, random).transpose(2, 0, 1)
    return made
