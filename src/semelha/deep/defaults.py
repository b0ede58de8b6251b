"""The default network and recipe for a set of pictures, and the reasons (docs/training.md, docs/ssl.md)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from timm.optim.lars import Lars

from semelha.deep.augment import Augmentation
from semelha.deep.network import SMALL, Network
from semelha.deep.recipe import Recipe, TrainingSettings
from semelha.deep.small import WIDTHS
from semelha.deep.ssl import SelfSupervised
from semelha.deep.weight_names import resolve_backbone, weight_config
from semelha.errors import PictureError
from semelha.images import Dataset

MIN_STEPS = 300
PASSES = 60
"""Passes over the pictures of a training with labels; quarter turns count as pictures."""
PASSES_WITHOUT_LABELS = 200
"""More, because two views of one picture teach less than two pictures of one class."""
WARMUP_STEPS = 100
"""Steps of warm-up, or a third of a training of fewer than 300 steps."""
MANY_CLASSES = 400
"""From this number of classes on, 5% of them are held out for validation instead of 10%."""
HEAD_ONLY_CLASSES = 1000
"""From this number of classes on, the embedding is the output of the head alone."""
MIN_BLACK_OR_WHITE = 0.8
"""Pictures are drawings if this share of the pixels of a typical one is black or white."""

DRAWINGS = Augmentation(rotate=15, stretch=0.15, shear=0.2, translate=0.04, elastic=0.02)
PHOTOS = Augmentation(flip=True, brightness=0.15, contrast=0.3, saturation=0.3, erase=0.4)
DRAWINGS_WITHOUT_LABELS = Augmentation(rotate=15, scale=0.2, stretch=0.2, shear=0.3, translate=0.08, elastic=0.03)
"""Two views show the same sign by two hands: no mirroring, no crop."""
PHOTOS_WITHOUT_LABELS = Augmentation(
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
"""Another crop and other light. The papers also drop the color, but color tells many things apart."""


@dataclass(frozen=True)
class PictureStats:
    """Statistics of a sample of the pictures, by which defaults are chosen."""

    inspected: int  # pictures in the sample that could be read
    grey_share: float  # share of them without color
    black_or_white: float  # share of black or white pixels, median over the pictures

    @property
    def grey(self) -> bool:
        """Whether all pictures are grey."""
        return self.grey_share == 1

    @property
    def drawn(self) -> bool:
        """Whether the pictures are drawings: most pixels of a typical one are black or white."""
        return self.black_or_white > MIN_BLACK_OR_WHITE


def inspect_pictures(dataset: Dataset, *, seed: int, sample: int = 200) -> PictureStats:
    """Statistics of up to `sample` pictures, drawn at random. Pictures that cannot be read are left out."""
    grey, extreme = [], []
    for i in np.random.default_rng(seed).permutation(len(dataset))[:sample]:
        try:
            pixels = dataset.pictures[i].pixels()
        except PictureError:
            continue  # the pixel cache, which reads every picture, lists it as skipped
        grey.append(int(np.ptp(pixels[::2, ::2].astype(np.int16), axis=2).max()) <= 8)
        extreme.append(float(np.mean((pixels < 16) | (pixels > 239))))
    if not grey:
        return PictureStats(inspected=0, grey_share=0.0, black_or_white=0.0)
    return PictureStats(len(grey), float(np.mean(grey)), float(np.median(extreme)))


def choose_network(
    stats: PictureStats, *, backbone: str = SMALL, pretrained: bool | str | None = None, classes: int | None = 1
) -> Network:
    """The default network.

    The input is grey if the pictures are, 48 pixels for grey drawings and 64 otherwise. Pretrained weights get pictures
    of the size and color they were trained on. Drawings are framed by their ink; with labels, our own networks pool
    them on a grid. Our own networks below `HEAD_ONLY_CLASSES` classes, or without labels (`classes=None`), read their
    layers.
    """
    backbone, pretrained = resolve_backbone(backbone, pretrained)
    weights = weight_config(backbone, pretrained)
    own = backbone in WIDTHS
    return Network(
        backbone=backbone,
        pretrained=pretrained,
        channels=weights.input_size[0] if weights else 1 if stats.grey and not pretrained else 3,
        size=weights.input_size[-1] if weights else 48 if stats.drawn and stats.grey else 64,
        fit="ink" if stats.drawn else "pad",
        pooling="grid" if stats.drawn and classes is not None and own else "average",
        readout="layers" if (classes or 0) < HEAD_ONLY_CLASSES and own else "head",
    )


def choose_recipe(
    stats: PictureStats,
    network: Network,
    classes: int,
    pictures: int,
    *,
    batch: int = Recipe.batch,
    minutes: float | None = None,
) -> Recipe:
    """The default recipe for learning with labels.

    Drawings are warped and, if grey, turned; photos are mirrored and change their light. There are `PASSES` passes
    over the pictures: at least `MIN_STEPS` steps, at most what the minutes leave room for.
    """
    turns = 4 if stats.drawn and stats.grey else 1
    recipe = Recipe(
        batch=batch,
        augmentation=DRAWINGS if stats.drawn else PHOTOS,
        quarter_turns=turns > 1,
        steps=_steps(PASSES * pictures * turns // batch, minutes),
        validation=0.1 if classes < MANY_CLASSES else 0.05,
        per_class=int(np.clip(batch // (classes * turns), 2, 8)),
    )
    return _with_rates(recipe, network)


def choose_recipe_without_labels(
    method: SelfSupervised,
    stats: PictureStats,
    network: Network,
    pictures: int,
    *,
    batch: int | None = None,
    minutes: float | None = None,
) -> Recipe:
    """The default recipe for a method without labels.

    The batch is at most a quarter of the pictures, so that a queue has room for others. There are
    `PASSES_WITHOUT_LABELS` passes over the pictures, limited as in `choose_recipe`.
    """
    batch = batch or min(Recipe.batch, max(4, pictures // 4))
    recipe = Recipe(
        batch=batch,
        augmentation=DRAWINGS_WITHOUT_LABELS if stats.drawn else PHOTOS_WITHOUT_LABELS,
        quarter_turns=stats.drawn and stats.grey,
        steps=_steps(PASSES_WITHOUT_LABELS * pictures // batch, minutes),
    )
    return _with_rates(recipe, network).without_labels(method)


def with_lars(recipe: Recipe) -> Recipe:
    """The recipe with LARS, the learning rate and weight decay of SimCLR (Chen et al., ICML 2020, section 2.2)."""
    return replace(
        recipe, optimizer=partial(Lars, momentum=0.9), learning_rate=0.3 * recipe.batch / 256, weight_decay=1e-6
    )


def with_sgd(recipe: Recipe) -> Recipe:
    """The recipe with SGD, the learning rate and weight decay of MoCo (He et al., CVPR 2020, section 4)."""
    return replace(
        recipe,
        optimizer=partial(torch.optim.SGD, momentum=0.9),
        learning_rate=0.03 * recipe.batch / 256,
        weight_decay=1e-4,
    )


def default_warmup(steps: int) -> float:
    """The fraction of a training that `WARMUP_STEPS` are, at most a third."""
    return min(1 / 3, WARMUP_STEPS / steps)


def _steps(wanted: int, minutes: float | None) -> int:
    """`wanted`, at least `MIN_STEPS` and at most the default, or more in proportion to more minutes than usual."""
    return int(np.clip(wanted, MIN_STEPS, Recipe.steps * max(1.0, (minutes or 0.0) / Recipe.minutes)))


def _with_rates(recipe: Recipe, network: Network) -> Recipe:
    """Low rates, lower towards the pixels, for pretrained weights; coarse pictures first for our own networks."""
    recipe = replace(recipe, warmup=default_warmup(recipe.steps))
    if network.pretrained:
        return replace(recipe, learning_rate=3e-4, layer_decay=0.75)
    return replace(recipe, coarse=0.6 if network.own else 0.0)


def explain_network(
    stats: PictureStats, network: Network, classes: int | None, settings: TrainingSettings
) -> list[str]:
    """Why the network is as it is, but for what was set explicitly."""
    explicit = settings.explicit()
    color = "grey" if network.channels == 1 else "color"
    found = [f"The pictures are {kind(stats)}: {evidence(stats)}."]
    if "size" not in explicit and "channels" not in explicit:
        if network.pretrained:
            found.append(f"The input is {network.size} × {network.size} in {color}, as the pretrained weights expect.")
        else:
            found.append(f"The input is {network.size} × {network.size} in {color}, the default for {kind(stats)}.")
    if stats.drawn:
        found.append("Each drawing is moved and scaled by its ink, because hands differ in place and size.")
    if "pooling" not in explicit and network.pooling == "grid":
        found.append("Features are pooled on a 3 × 3 grid, because the parts of a drawing have fixed places.")
    if "readout" not in explicit and network.readout == "layers":
        number = (
            "there are no labels" if classes is None else f"{classes:,} classes are fewer than {HEAD_ONLY_CLASSES:,}"
        )
        found.append(f"The embedding is read from the last layers too, because {number}.")
    if network.head == "simplex":
        found.append("The head is a simplex, because the metric of the loss compares histograms.")
    return found


def explain_recipe(
    stats: PictureStats, network: Network, recipe: Recipe, dataset: Dataset, settings: TrainingSettings
) -> list[str]:
    """Why the recipe is as it is, but for what was set explicitly."""
    explicit = settings.explicit()
    changes = "warped" if stats.drawn else "mirrored and change their light"
    found = [f"Pictures are {changes} at random, because they are {kind(stats)}."]
    if recipe.quarter_turns:
        what = "pictures" if recipe.method else "classes"
        found.append(f"Grey drawings turned by 90, 180 and 270 degrees are further {what}.")
    if "steps" not in explicit:
        passes = PASSES if recipe.method is None else PASSES_WITHOUT_LABELS
        turned = " in 4 turns" if recipe.quarter_turns and recipe.method is None else ""
        found.append(
            f"There are {recipe.steps:,} steps: {passes} passes over {len(dataset):,} pictures{turned} in batches of "
            f"{recipe.batch}, within the limits for the minutes."
        )
    if network.pretrained and "learning_rate" not in explicit:
        found.append(f"The learning rate is {recipe.learning_rate:g}, low because the weights are pretrained.")
    if recipe.method is None and recipe.validation:
        classes = len(dataset.classes)
        size = f"{classes:,} classes are {'fewer than' if classes < MANY_CLASSES else 'at least'} {MANY_CLASSES}"
        found.append(f"{recipe.validation:.0%} of the classes are held out to choose the best weights, because {size}.")
    if explicit:
        found.append(f"Set explicitly: {', '.join(f'{name} {_short(value)}' for name, value in explicit.items())}.")
    return found


def kind(stats: PictureStats) -> str:
    """Drawings or photos, grey or in color."""
    return f"{'grey' if stats.grey else 'color'} {'drawings' if stats.drawn else 'photos'}"


def evidence(stats: PictureStats) -> str:
    """The statistics that decide the kind."""
    grey = f"{stats.grey_share:.0%} of {stats.inspected} inspected pictures are grey"
    return f"{stats.black_or_white:.0%} of the pixels of a typical picture are black or white, and {grey}"


def _short(value: object) -> str:
    return getattr(value, "__name__", None) or str(value)
