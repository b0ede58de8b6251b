"""How a network is trained without labels, where nothing is said. docs/ssl.md has where each number is from."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import torch
from timm.optim.lars import Lars

from semelha.deep.augment import Augmentation
from semelha.deep.network import Network
from semelha.deep.recipe import Look, Recipe, most_steps, paced
from semelha.deep.ssl.method import SelfSupervised

DRAWINGS = Augmentation(rotate=15, scale=0.2, stretch=0.2, shear=0.3, translate=0.08, elastic=0.03)
"""What a drawing goes through and still shows the same sign: another hand, no mirror, no crop."""
PHOTOS = Augmentation(
    rotate=0,
    scale=0,
    stretch=0,
    shear=0,
    translate=0,
    crop=0.3,
    flip=True,
    brightness=0.15,
    contrast=0.3,
    saturation=0.2,
    hue=0.02,
    blur=0.2,
)
"""Another frame and another light. The papers take the colors away too, by which many things are told apart."""


def recipe_without_labels(
    method: SelfSupervised,
    look: Look,
    network: Network,
    pictures: int,
    *,
    batch: int | None = None,
    minutes: float | None = None,
) -> Recipe:
    """The default recipe of a method.

    A batch is a quarter of the pictures at most where nothing is said, so that a queue has room beside it. About 200
    passes, for two views of one picture teach less than two pictures of one class do.

    Parameters
    ----------
    method : SelfSupervised
    look : Look
    network : Network
    pictures : int
        How many there are.
    batch : int, optional
        Pictures in a batch, as many as are asked for.
    minutes : float, optional
        The time there is, for a recipe of more steps (`most_steps`).
    """
    batch = batch or min(Recipe.batch, max(4, pictures // 4))
    turns = look.drawn and look.grey
    recipe = Recipe(
        batch=batch,
        augmentation=DRAWINGS if look.drawn else PHOTOS,
        quarter_turns=turns,
        steps=int(np.clip(200 * pictures // batch, 300, most_steps(minutes))),
    )
    return paced(recipe, network).without_labels(method)


def with_lars(recipe: Recipe) -> Recipe:
    """The same by LARS, with the rate and the decay of SimCLR (Chen et al., ICML 2020, section 2.2), for long runs."""
    return replace(
        recipe, optimizer=partial(Lars, momentum=0.9), learning_rate=0.3 * recipe.batch / 256, weight_decay=1e-6
    )


def with_sgd(recipe: Recipe) -> Recipe:
    """The same by SGD, with the rate and the decay of MoCo (He et al., CVPR 2020, section 4), for long runs."""
    return replace(
        recipe,
        optimizer=partial(torch.optim.SGD, momentum=0.9),
        learning_rate=0.03 * recipe.batch / 256,
        weight_decay=1e-4,
    )
