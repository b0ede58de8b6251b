"""`Recipe`: loss, batches, schedule, optimizer and augmentation of a training. `TrainingSettings` override it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from functools import partial
from typing import Any, Literal, Protocol, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.optim import Optimizer

from semelha.arguments import check_choice
from semelha.deep.augment import Augmentation
from semelha.deep.gradcache import GradCache
from semelha.deep.losses import MarginSoftmax, NoMargin, SupCon, WeightedSum
from semelha.deep.network import EmbeddingNet, Network
from semelha.deep.objective import Objective, Supervised
from semelha.deep.sampler import MPerClass, Pool, Sampler
from semelha.deep.sharded_sampler import ShardedSampler
from semelha.deep.ssl import SelfSupervised
from semelha.errors import UsageError

LossFactory = Callable[[NDArray[np.int64], int], nn.Module]
"""(class sizes, embedding dimension) → a loss of (embeddings, labels)."""

Strategy = Literal["replicated", "fsdp"]

OptimizerFactory = Callable[..., Optimizer]
"""(groups of parameters, lr=) → an optimizer: `torch.optim.AdamW`, or another one with settings by `partial`."""

ADAMW = partial(torch.optim.AdamW, fused=True)
"""Fused: one pass over the weights."""


class SamplerFactory(Protocol):
    """`MPerClass`, `Hierarchical`, `ClassBalanced`, or one with settings by `partial`."""

    def __call__(self, pool: Pool, *, batch: int, per_class: int, seed: int) -> Sampler: ...


def pairs_and_proxies(class_sizes: NDArray[np.int64], dim: int, *, temperature: float = 0.05) -> nn.Module:
    """The default loss: supervised contrastive plus normalized softmax, both at one temperature.

    The first compares pictures within the batch, the second compares them with a proxy of every class.
    """
    proxies = MarginSoftmax(len(class_sizes), dim, margin=NoMargin(), scale=1 / temperature)
    return WeightedSum(SupCon(temperature=temperature), proxies)


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Parameters
    ----------
    loss : LossFactory
        Makes the loss from the number of pictures of each class and the dimension of the embedding.
    method : SelfSupervised, optional
        A method of `semelha.deep.ssl` for learning without labels, in place of the loss: every picture is its own
        class, with two views in a batch. Then `loss`, `per_class`, `sampler` and `teaching` are unused, and
        `lookalikes` and `validation` must be 0, as `without_labels` sets them.
    steps : int
        Maximum number of steps.
    minutes : float
        Maximum wall-clock time. If it would end before all steps are done, the learning-rate schedule is shortened to
        it. With `float("inf")` the result depends on the seed alone.
    batch, per_class : int
        Pictures in a batch, and of each class in it.
    chunk : int, optional
        Pictures at a time through the network, if a batch does not fit into memory (`GradCache`): exact but for batch
        norm, with a second forward pass. By default the whole batch.
    accumulate : int
        Batches in a step, whose gradients are averaged. Unlike a batch in chunks, each batch has its own loss.
    checkpoint : bool
        Gradient checkpointing: the backward pass computes the blocks of the network again instead of storing their
        activations. Exact; less memory, a third more time.
    compile : bool
        Compile the backbone by `torch.compile`, which takes about a minute. On a CPU it gains little
        (docs/devices.md).
    shards : int
        Parts that the classes are divided into. Of several processes each reads the pictures of its own parts, and a
        batch has an equal share of each part. 1: every process can read every picture.
    strategy : {"replicated", "fsdp"}
        What each of several processes keeps: all weights, or a part of them and of the optimizer's state, for networks
        that need more memory than a device has (`semelha.deep.fsdp`).
    sampler : SamplerFactory
        Makes the batches that `lookalikes` does not replace.
    lookalikes : float
        Hard batches: fraction of the batches after the warm-up that are made of classes with similar mean embeddings.
    quarter_turns : bool
        Treat each class, turned by 90, 180 and 270 degrees, as three more classes.
    optimizer : OptimizerFactory
    learning_rate, weight_decay : float
    warmup : float
        Fraction of the training, in steps or in minutes, over which the learning rate rises. It then follows half a
        cosine down to zero.
    clip : float
        Gradient clipping: maximum norm of the gradient.
    layer_decay : float
        Factor of the learning rate from each layer of the backbone to the one before it; 1: all are equal.
    freeze : float
        Fraction of the backbone's layers, from the first, that are not trained; 1: all of them.
    coarse : float
        Fraction of the training, from its beginning, at low resolution: pictures have two thirds of their side, which
        is faster. For networks that take any size.
    averaging : float
        Decay of the exponential moving average (EMA) of the weights, which becomes the model.
    teaching : float
        Weight of the distillation loss, if the training has a teacher.
    validation : float
        Fraction of the classes held out to choose the best weights.
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
    shards: int = 1
    strategy: Strategy = "replicated"
    sampler: SamplerFactory = MPerClass
    lookalikes: float = 0.5
    quarter_turns: bool = False
    optimizer: OptimizerFactory = ADAMW
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    warmup: float = 0.0125
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
            raise UsageError(
                "layer_decay is greater than 0 and at most 1, and freeze, a fraction of the backbone, from 0 to 1"
            )
        if not 0 <= self.warmup < 1:
            raise UsageError(f"warmup is {self.warmup}: it is a fraction of the training, at least 0 and less than 1")
        if not self.teaching >= 0:
            raise UsageError(f"teaching is {self.teaching}: it is 0 or more")
        if self.accumulate < 1:
            raise UsageError(f"accumulate is {self.accumulate}: a step needs one batch or more")
        check_choice("strategy", self.strategy, get_args(Strategy))
        if self.strategy == "fsdp" and (self.method is not None or self.compile):
            raise UsageError("the strategy fsdp is for networks that learn from labels and are not compiled")
        if self.shards < 1 or (self.shards > 1 and self.method is not None):
            raise UsageError(f"shards is {self.shards}: it is 1 or more, and 1 for a method without labels")
        if self.shards > 1 and self.batch // self.shards < 2 * self.per_class:
            raise UsageError(
                f"a batch of {self.batch} is too small for {self.shards} shards: each needs {self.per_class} pictures "
                f"of two classes, so the batch must be {2 * self.per_class * self.shards} or more"
            )
        self.grad_cache()  # checks the chunk

    def grad_cache(self) -> GradCache:
        """The forward and backward pass, in chunks or at once. Raises `UsageError` if the chunk is too small."""
        return GradCache(self.chunk or 2 * self.batch)  # a batch of two views, if there are two

    def without_labels(self, method: SelfSupervised) -> Recipe:
        """This recipe with a method without labels; what needs labels is switched off."""
        return replace(self, method=method, lookalikes=0.0, validation=0.0)

    def make_sampler(self, pool: Pool, *, seed: int) -> Sampler:
        """Make the sampler of batches. Without labels, each picture of the pool is its own class."""
        if self.method is not None:
            return MPerClass(pool, batch=self.batch, per_class=1, seed=seed)
        if pool.shards is not None:
            return ShardedSampler(pool, self.sampler, batch=self.batch, per_class=self.per_class, seed=seed)
        return self.sampler(pool, batch=self.batch, per_class=self.per_class, seed=seed)

    def objective(self, network: EmbeddingNet, sampler: Sampler, dim: int) -> Objective:
        """The objective: of the loss, or of the method without labels."""
        if self.method is None:
            return Supervised(self.loss(sampler.counts, dim))
        return self.method.objective(network, dim=dim, batch=sampler.classes_per_batch, instances=len(sampler.counts))

    def as_card(self) -> dict[str, object]:
        """The recipe for a model card, as plain values: loss and sampler, or the method without labels, by name."""
        by_name: dict[str, object] = {
            "minutes": self.minutes if math.isfinite(self.minutes) else None,
            "optimizer": _factory_name(self.optimizer),
        }
        omitted = {"loss", "sampler", "method"}
        if self.method is None:
            by_name |= {"loss": _factory_name(self.loss), "sampler": _factory_name(self.sampler)}
        else:
            assert is_dataclass(self.method)
            omitted |= {"per_class", "lookalikes", "validation", "teaching"}
            by_name |= {"method": self.method.name, "arguments": asdict(self.method)}
        return {name: value for name, value in asdict(self).items() if name not in omitted} | by_name


def _factory_name(factory: Callable[..., object]) -> str:
    """The name of a function or class, with the settings of a `partial`."""
    if isinstance(factory, partial):
        settings = ", ".join(f"{name}={value!r}" for name, value in factory.keywords.items())
        return f"{_factory_name(factory.func)}({settings})"
    return getattr(factory, "__name__", None) or str(factory)


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Explicit settings of a training. Fields that are None are chosen from the pictures.

    `backbone`, `pretrained`, `size`, `channels`, `dim`, `stem`, `pooling` and `readout` replace those of `Network`;
    all others replace those of `Recipe`.

    Parameters
    ----------
    optimizer : {"adamw", "sgd", "lars"}, optional
        For learning without labels only: sets the recipe's optimizer, learning rate and weight decay as in its paper.
    """

    backbone: str | None = None
    pretrained: bool | str | None = None
    size: int | None = None
    channels: int | None = None
    dim: int | None = None
    stem: Literal["own", "small"] | None = None
    pooling: Literal["average", "gem", "grid"] | None = None
    readout: Literal["head", "layers", "stages"] | None = None
    loss: LossFactory | None = None
    sampler: SamplerFactory | None = None
    batch: int | None = None
    chunk: int | None = None
    accumulate: int | None = None
    checkpoint: bool | None = None
    compile: bool | None = None
    shards: int | None = None
    strategy: Strategy | None = None
    steps: int | None = None
    learning_rate: float | None = None
    layer_decay: float | None = None
    freeze: float | None = None
    teaching: float | None = None
    optimizer: Literal["adamw", "sgd", "lars"] | None = None

    def explicit(self) -> dict[str, Any]:
        """The settings that are not None, by name."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) is not None}

    def network_fields(self) -> dict[str, Any]:
        """The explicit settings that are fields of `Network`."""
        own = {field.name for field in fields(Network)}
        return {name: value for name, value in self.explicit().items() if name in own}

    def recipe_fields(self) -> dict[str, Any]:
        """The explicit settings that are fields of `Recipe`, but `optimizer`, which sets several of them."""
        own = {field.name for field in fields(Recipe)} - {"optimizer"}
        return {name: value for name, value in self.explicit().items() if name in own}
