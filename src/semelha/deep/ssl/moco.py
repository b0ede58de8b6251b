"""MoCo v1 and v2, with keys of the last batches in a queue, and MoCo v3, with the keys of the batch alone."""

from __future__ import annotations

import copy
import math
from abc import ABC
from dataclasses import dataclass, replace
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semelha.deep.network import BeforeNormalization, EmbeddingNet
from semelha.deep.objective import Objective, StepContext
from semelha.deep.ssl.method import ContrastiveObjective, SelfSupervised, WithProjector, mlp
from semelha.errors import UsageError


class SplitBatch(nn.Module):
    """A network that gets a batch in even parts, each with its own batch-norm statistics.

    If queries and keys are normalized by the statistics of one batch, a network can recognize its key among those of
    the queue by the statistics alone, and learns that instead of the content (He et al., CVPR 2020, section 3.3).
    MoCo shuffles keys between devices to avoid it; here the parts of a batch stand for devices.

    A part has `size` pictures at most, but 3 are allowed always, so that none has a single picture. With `shuffle` the
    pictures of a part are drawn by torch's global generator. The output keeps the order of the batch.
    """

    def __init__(self, network: nn.Module, size: int, *, shuffle: bool = False) -> None:
        super().__init__()
        self.network = network
        self.size = max(3, size)
        self.shuffle = shuffle

    def forward(self, pixels: Tensor) -> Tensor:
        order = (torch.randperm if self.shuffle else torch.arange)(len(pixels)).to(pixels.device)
        parts = order.tensor_split(-(-len(pixels) // self.size))
        return torch.cat([self.network(pixels[part]) for part in parts])[order.argsort()]


@dataclass(frozen=True)
class MomentumMethod(SelfSupervised, ABC):
    """Settings of a method with a momentum encoder."""

    momentum: float = 0.99  # per step, from 0 to below 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.momentum < 1:
            raise UsageError(f"momentum is {self.momentum}: it must be at least 0 and below 1")


class MomentumEncoder(nn.Module):
    """A moving average of the parameters of an encoder (He et al., CVPR 2020, equation 2), without a gradient.

    It starts as a copy of the encoder. In training its batch norm normalizes by the batch.
    """

    def __init__(self, encoder: WithProjector) -> None:
        super().__init__()
        self.copy = copy.deepcopy(encoder).requires_grad_(False)

    @torch.no_grad()
    def forward(self, pixels: Tensor) -> Tensor:
        keys: Tensor = self.copy(pixels)
        return keys

    @torch.no_grad()
    def update(self, encoder: nn.Module, momentum: float) -> None:
        """Update the average: θ_k ← m · θ_k + (1 − m) · θ_q."""
        torch._foreach_lerp_(list(self.copy.parameters()), list(encoder.parameters()), 1 - momentum)


class MomentumObjective(ContrastiveObjective):
    """An objective whose keys come from a momentum encoder, updated after each step."""

    def __init__(self, network: EmbeddingNet, projector: nn.Module, method: MomentumMethod) -> None:
        super().__init__(projector)
        self.keys = MomentumEncoder(WithProjector(BeforeNormalization(network), projector))
        self.temperature = method.temperature
        self.momentum = method.momentum

    def after_step(self, network: EmbeddingNet, done: float) -> None:
        self.keys.update(WithProjector(BeforeNormalization(network), self.projector), self.momentum_at(done))

    def momentum_at(self, done: float) -> float:
        """The momentum when the fraction `done` of the training is completed; constant unless overridden."""
        return self.momentum


def cosine_momentum(momentum: float, done: float) -> float:
    """Increase the momentum from its initial value to 1 by half a cosine (Grill et al., NeurIPS 2020, section 3.2)."""
    return 1 - (1 - momentum) * (math.cos(math.pi * done) + 1) / 2


class KeyQueue(nn.Module):
    """The last `size` keys, first in, first out (He et al., CVPR 2020, section 3.2).

    The initial keys are random unit vectors, drawn by torch's global generator. The queue is part of the module's
    state, and so of a checkpoint. Raises `UsageError` if `size` is not a multiple of the batch, the keys per `put`.
    """

    stored: Tensor
    place: Tensor

    def __init__(self, size: int, dim: int, *, batch: int) -> None:
        super().__init__()
        if size < batch or size % batch:
            raise UsageError(
                f"the queue holds {size} keys: it must be a multiple of the batch of {batch}, such as "
                f"{batch * max(1, round(size / batch))}"
            )
        self.register_buffer("stored", F.normalize(torch.randn(size, dim), dim=1))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))

    def keys(self) -> Tensor:
        """Return a copy, (size, dim): the next `put` may come before the backward pass."""
        return self.stored.clone()

    @torch.no_grad()
    def put(self, keys: Tensor) -> None:
        """Replace the oldest keys by (batch, dim) new ones."""
        place = int(self.place)
        self.stored[place : place + len(keys)] = keys.to(self.stored.dtype)
        self.place.fill_((place + len(keys)) % len(self.stored))


MAX_QUEUE = 4096  # largest that is chosen if `queue` is None


@dataclass(frozen=True)
class MoCo(MomentumMethod):
    """MoCo v2 (Chen et al., 2020); MoCo v1 (He et al., CVPR 2020) with `hidden=None` and `temperature=0.07`.

    Raises `UsageError` if a setting is out of range.

    Parameters
    ----------
    momentum : float
        Momentum of the key encoder per step, from 0 to below 1.
    queue : int, optional
        Number of keys in the queue: a multiple of the batch, and at most the number of pictures minus a batch. In a
        shorter queue fewer pictures meet their own older key, because each epoch has another order. By default
        up to half of the pictures, at most 4,096.
    hidden : int, optional
        Width between the two layers of the projector; None for a single layer (v1).
    width : int
        Dimension of queries and keys.
    parts : int
        Number of parts of a batch that batch norm normalizes separately, like so many devices.
    """

    queue: int | None = None
    hidden: int | None = 512
    width: int = 128
    parts: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.parts < 1:
            raise UsageError(f"parts is {self.parts}: it must be 1 or more")

    @property
    def name(self) -> str:
        return "moco-v1" if self.hidden is None else "moco-v2"

    def resolve(self, *, batch: int, instances: int) -> Self:
        most = (instances - batch) // batch * batch
        if most < batch:
            raise UsageError(
                f"a queue needs pictures beside those of a batch, and there are {instances} with {batch} in a batch: "
                f"make the batch {instances // 2} or smaller, or take simclr or moco-v3, which have no queue"
            )
        if self.queue is None:
            wanted = min(MAX_QUEUE, instances // 2) // batch * batch
            return replace(self, queue=max(batch, wanted))
        if self.queue % batch or not batch <= self.queue <= most:
            raise UsageError(
                f"the queue holds {self.queue} keys, for {instances} pictures and {batch} in a batch: it must be a "
                f"multiple of the batch, {most} at most"
            )
        return self

    def objective(self, network: EmbeddingNet, *, dim: int, batch: int, instances: int) -> Objective:
        size = self.resolve(batch=batch, instances=instances).queue
        assert size is not None
        widths = [dim, self.width] if self.hidden is None else [dim, self.hidden, self.width]
        projector = mlp(widths, norm=False)
        return MoCoObjective(network, projector, self, size, batch)


class MoCoObjective(MomentumObjective):
    """Queries by the network and its projector, keys by the momentum encoder, negatives from the queue."""

    def __init__(self, network: EmbeddingNet, projector: nn.Module, method: MoCo, size: int, batch: int) -> None:
        super().__init__(network, projector, method)
        self.queue = KeyQueue(size, method.width, batch=batch)
        self.part = -(-batch // method.parts)

    def backward(self, context: StepContext, pixels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        first, second = pixels.chunk(2)
        with torch.no_grad(), context.autocast():
            keys = context.all_gather(SplitBatch(self.keys, self.part, shuffle=True)(second))  # (batch, width)
        negatives = self.queue.keys()

        def loss(vectors: Tensor, _: Tensor) -> Tensor:
            return moco_loss(self.projector(vectors), keys, negatives, self.temperature)

        result = context.backpropagate(SplitBatch(context.network, self.part), first, targets, loss)
        self.queue.put(F.normalize(keys, dim=1))
        return result


def moco_loss(queries: Tensor, keys: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """Compute InfoNCE against a queue: mean of −log( exp(q·k/τ) / (exp(q·k/τ) + Σ_j exp(q·n_j/τ)) ).

    He et al., CVPR 2020, equation 1. Queries and keys (batch, width) are normalized here; negatives (size, width) are
    unit vectors.
    """
    q, k = F.normalize(queries, dim=1), F.normalize(keys, dim=1)
    scores = torch.cat([(q * k).sum(dim=1, keepdim=True), q @ negatives.T], dim=1) / temperature  # (batch, 1 + size)
    return F.cross_entropy(scores, torch.zeros(len(q), dtype=torch.int64, device=q.device))


@dataclass(frozen=True)
class MoCoV3(MomentumMethod):
    """MoCo v3 (Chen, Xie, He, ICCV 2021, algorithm 1). Raises `UsageError` if a setting is out of range.

    Parameters
    ----------
    momentum : float
        Initial momentum of the key encoder, from 0 to below 1; it increases to 1 by half a cosine.
    hidden, width : int
        Width between the layers of projector and predictor; dimension of queries and keys.
    """

    hidden: int = 512
    width: int = 128

    @property
    def name(self) -> str:
        return "moco-v3"

    def objective(self, network: EmbeddingNet, *, dim: int, batch: int, instances: int) -> Objective:
        projector = mlp([dim, self.hidden, self.width], norm=True, last_norm=True)
        predictor = mlp([self.width, self.hidden, self.width], norm=True, last_norm=True)
        return MoCoV3Objective(network, projector, predictor, self)


class MoCoV3Objective(MomentumObjective):
    """The key of each view predicted from the other view. Batch norm gets one view at a time."""

    def __init__(self, network: EmbeddingNet, projector: nn.Module, predictor: nn.Module, method: MoCoV3) -> None:
        super().__init__(network, projector, method)
        self.predictor = predictor

    def backward(self, context: StepContext, pixels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        batch = len(targets)
        with torch.no_grad(), context.autocast():
            vectors = context.all_gather(SplitBatch(self.keys.copy.network, batch)(pixels))
        with torch.no_grad():  # projectors get a whole view, gathered from all processes
            first, second = (self.keys.copy.after(view) for view in context.split_views(vectors))  # (batch, width) each

        def loss(vectors: Tensor, _: Tensor) -> Tensor:
            from_first, from_second = (self.predictor(self.projector(view)) for view in context.split_views(vectors))
            one_way = moco_v3_loss(from_first, second, self.temperature)
            return one_way + moco_v3_loss(from_second, first, self.temperature)

        return context.backpropagate(SplitBatch(context.network, batch), pixels, targets.repeat(2), loss)

    def momentum_at(self, done: float) -> float:
        return cosine_momentum(self.momentum, done)


def moco_v3_loss(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Compute 2τ times InfoNCE of each query against all keys of the batch, each (batch, width); the mean.

    Chen et al., ICCV 2021, equation 1 and algorithm 1. Queries and keys are normalized here.
    """
    q, k = F.normalize(queries, dim=1), F.normalize(keys, dim=1)
    scores = q @ k.T / temperature  # (batch, batch)
    return 2 * temperature * F.cross_entropy(scores, torch.arange(len(q), device=q.device))
