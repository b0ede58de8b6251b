"""How a network is trained, and what is chosen where the user chose nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.optim import Optimizer

from semelha.deep.augment import Augmentation
from semelha.deep.backbones import published
from semelha.deep.gradcache import GradCache
from semelha.deep.losses import MarginSoftmax, NoMargin, SupCon, WeightedSum
from semelha.deep.network import SMALL, EmbeddingNet, Network
from semelha.deep.objective import Objective, Supervised
from semelha.deep.sampler import MPerClass, Pool, Sampler
from semelha.deep.small import WIDTHS
from semelha.errors import PictureError, UsageError
from semelha.images import Dataset

if TYPE_CHECKING:
    from semelha.deep.ssl import SelfSupervised

MANY = 400
"""Classes from which on a twentieth of them is enough to choose the best weights by."""

FEW = 1000
"""Classes from which on the head knows enough of others, and the layers before it blur what it knows."""

LossFactory = Callable[[NDArray[np.int64], int], nn.Module]
"""(pictures of each class, length of an embedding) → a loss of (embeddings, labels)."""

OptimizerFactory = Callable[..., Optimizer]
"""(groups of parameters, lr=) → an optimizer: `torch.optim.AdamW`, or another one with settings by `partial`."""

ADAMW = partial(torch.optim.AdamW, fused=True)
"""In one pass over the weights, not one for each operation."""


class SamplerFactory(Protocol):
    """What makes the batches: `MPerClass`, `Hierarchical`, `ClassBalanced`, or one with settings by `partial`."""

    def __call__(self, pool: Pool, *, batch: int, per_class: int, seed: int) -> Sampler: ...


def pairs_and_proxies(pictures: NDArray[np.int64], dim: int) -> nn.Module:
    """Two pictures of a class against everything else in the batch, and each against a proxy of every class.

    Both at scale 20. The batch tells apart what looks alike now, the proxies every class from all others.
    """
    return WeightedSum(SupCon(temperature=0.05), MarginSoftmax(len(pictures), dim, margin=NoMargin(), scale=20.0))


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Parameters
    ----------
    loss : LossFactory
        Makes the loss when the classes are known.
    method : SelfSupervised, optional
        Learn without labels by this method of `semelha.deep.ssl`, in place of the loss: every picture is a class of its
        own, with two views of it in a batch. `loss`, `per_class` and `sampler` are then of no use, `lookalikes` and
        `validation` must be 0; `without_labels` sees to that.
    steps : int
        Steps of the whole schedule.
    minutes : float
        Wall-clock budget: where the machine cannot make `steps` in that time, the schedule runs to its
        end by the clock. `float("inf")` makes a training depend on its seed alone.
    batch, per_class : int
        Pictures a batch, and of each class in it.
    chunk : int, optional
        Pictures at a time through the network, where a batch does not fit into memory: exact, but for batch norm, and a
        second forward pass (`GradCache`). The whole batch if not given.
    accumulate : int
        Batches a step: their gradients are averaged. Each has a loss of its own, unlike one batch in chunks.
    checkpoint : bool
        Gradient checkpointing: what the blocks of the network compute is not kept, but computed again when a gradient
        asks for it. Exact; less memory, a third more time.
    compile : bool
        Let `torch.compile` fuse the network, which takes it a minute at the beginning. On a processor that gains
        little (docs/devices.md).
    sampler : SamplerFactory
        Which batches visit all in turn.
    lookalikes : float
        Part of the batches that is made of classes near each other, once the network knows them.
    quarter_turns : bool
        Let each class, turned by 90, 180 and 270 degrees, be three more classes.
    optimizer : OptimizerFactory
    learning_rate, weight_decay, warmup_steps, clip : float
        Linear warm-up, then a cosine to zero; largest norm of a gradient.
    layer_decay : float
        How much slower each layer of the backbone learns than the next: 1 is all alike.
    freeze : float
        Part of the backbone's layers, from the first, that learns nothing: 1 is all of it.
    coarse : float
        Part of the training, from its beginning, that sees the pictures at two thirds of their side: more of them in
        the same time. For networks that take any size.
    averaging : float
        Decay of the exponential moving average of the weights, which is what is kept.
    teaching : float
        How much the similarities of a teacher, if there is one, count beside the loss.
    validation : float
        Part of the classes held out to choose the best weights by.
    augmentation : Augmentation
    """

    loss: LossFactory = pairs_and_proxies
    method: SelfSupervised | None = None
    steps: int = 8000
    minutes: float = 18.0
    batch: int = 256
    per_class: int = 2
    chunk: int | None = None
    accumulate: int = 1
    checkpoint: bool = False
    compile: bool = False
    sampler: SamplerFactory = MPerClass
    lookalikes: float = 0.5
    quarter_turns: bool = False
    optimizer: OptimizerFactory = ADAMW
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    warmup_steps: int = 100
    clip: float = 5.0
    layer_decay: float = 1.0
    freeze: float = 0.0
    coarse: float = 0.0
    averaging: float = 0.995
    teaching: float = 1.0
    validation: float = 0.1
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        if self.steps < 1 or self.minutes <= 0:
            raise UsageError("a training needs at least one step and some time: steps ≥ 1, minutes > 0")
        if self.per_class < 2 or self.batch < 2 * self.per_class:
            raise UsageError("a batch needs two pictures each of two classes: per_class ≥ 2, batch ≥ 2 · per_class")
        if self.method is not None and (self.lookalikes or self.validation):
            raise UsageError("look-alikes and validation need labels: set both to 0 for a method without them")
        if not (0 < self.layer_decay <= 1 and 0 <= self.freeze <= 1):
            raise UsageError("layer_decay lies above 0 and up to 1, and freeze, a part of the backbone, from 0 to 1")
        if not self.teaching >= 0:
            raise UsageError(f"teaching is {self.teaching}: it is 0 or more")
        if self.accumulate < 1:
            raise UsageError(f"accumulate is {self.accumulate}: a step needs one batch or more")
        self.cached()

    def cached(self) -> GradCache:
        """Forward and backward of a batch, in chunks or at once. Raises `UsageError` for a chunk that is too small."""
        return GradCache(self.chunk or 2 * self.batch)  # a batch of two views, if there are two

    def without_labels(self, method: SelfSupervised) -> Recipe:
        """The same for a method without labels."""
        return replace(self, method=method, lookalikes=0.0, validation=0.0)

    def batches(self, pool: Pool, *, seed: int) -> Sampler:
        """What makes the batches. Without labels the classes of the pool are its pictures."""
        if self.method is not None:
            return MPerClass(pool, batch=self.batch, per_class=1, seed=seed)
        return self.sampler(pool, batch=self.batch, per_class=self.per_class, seed=seed)

    def objective(self, network: EmbeddingNet, sampler: Sampler, dim: int) -> Objective:
        """What is trained with the network: a loss, or what a method without labels makes."""
        if self.method is None:
            return Supervised(self.loss(sampler.counts, dim))
        return self.method.objective(network, dim=dim, batch=sampler.classes_per_batch, instances=len(sampler.counts))


@dataclass(frozen=True)
class Look:
    """What a sample of the pictures looks like."""

    grey: bool
    drawn: bool
    side: int


def look_at(dataset: Dataset, *, seed: int, sample: int = 200) -> Look:
    """Look at up to `sample` pictures: are they grey, drawn (most pixels at the ends of the range), how large."""
    chosen = np.random.default_rng(seed).permutation(len(dataset))[:sample]
    grey, extreme, sides = [], [], []
    for i in chosen:
        try:
            pixels = dataset.pictures[i].pixels()
        except PictureError:
            continue  # the cache, which reads every picture, lists it as skipped
        grey.append(int(np.ptp(pixels[::2, ::2].astype(np.int16), axis=2).max()) <= 8)
        extreme.append(float(np.mean((pixels < 16) | (pixels > 239))))
        sides.append(max(pixels.shape[:2]))
    if not sides:
        return Look(grey=False, drawn=False, side=64)
    return Look(grey=all(grey), drawn=float(np.median(extreme)) > 0.8, side=int(np.median(sides)))


def choose_network(
    look: Look, *, backbone: str = SMALL, pretrained: bool | str = False, classes: int | None = 1
) -> Network:
    """The default network: grey where the pictures are, 48 pixels for drawings and 64 for photos, drawings closer.

    Where drawings have labels, ours keeps where on the picture the parts of each are; where there are few `classes`, or
    None because there are no labels, its layers are read. Pretrained weights see pictures as they did: in color, of
    their size.
    """
    told = published(backbone) if pretrained else None
    return Network(
        backbone=backbone,
        pretrained=pretrained,
        channels=1 if look.grey and not pretrained else 3,
        size=told.size if told else 48 if look.drawn and look.grey else 64,
        fit="ink" if look.drawn else "pad",
        pooling="grid" if look.drawn and classes is not None and backbone in WIDTHS else "average",
        readout="layers" if (classes or 0) < FEW and backbone in WIDTHS else "head",
    )


def most_steps(minutes: float | None) -> float:
    """Of a training that has so many minutes: the default, or more where there is more time than by default."""
    return Recipe.steps * max(1.0, (minutes or 0.0) / Recipe.minutes)


def paced(recipe: Recipe, network: Network) -> Recipe:
    """The same as fast as the network can learn.

    Our own begin with coarse pictures. Pretrained weights learn slowly, and the slower the nearer to the pixels.
    """
    if network.pretrained:
        return replace(recipe, learning_rate=3e-4, layer_decay=0.75)
    return replace(recipe, coarse=0.6 if network.own else 0.0)


def choose_recipe(
    look: Look,
    network: Network,
    classes: int,
    pictures: int,
    *,
    batch: int = Recipe.batch,
    minutes: float | None = None,
) -> Recipe:
    """The default recipe.

    Drawings (characters, symbols) are warped and, if grey, turned; photos change their light and are mirrored.
    Few pictures make a short training: about 60 passes, between 300 steps and what there is time for.
    """
    recipe = paced(Recipe(batch=batch), network)
    if look.drawn:
        augmentation = Augmentation(rotate=15, stretch=0.15, shear=0.2, translate=0.04, elastic=0.02)
    else:
        augmentation = Augmentation(flip=True, brightness=0.15, contrast=0.3, saturation=0.3, erase=0.4)
    turns = look.drawn and look.grey
    passes = 60 * pictures * (4 if turns else 1) // recipe.batch
    return replace(
        recipe,
        augmentation=augmentation,
        quarter_turns=turns,
        steps=int(np.clip(passes, 300, most_steps(minutes))),
        validation=0.1 if classes < MANY else 0.05,
        per_class=int(np.clip(recipe.batch // (classes * (4 if turns else 1)), 2, 8)),
    )
