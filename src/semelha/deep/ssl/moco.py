"""MoCo v1 and v2: a view of a picture nearer to the key of another view than to the keys of the last batches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

from semelha.deep.network import BeforeNormalization, EmbeddingNet
from semelha.deep.objective import Objective, StepContext
from semelha.deep.ssl.contrast import against_queue
from semelha.deep.ssl.method import SelfSupervised
from semelha.deep.ssl.momentum import KeyNetwork
from semelha.deep.ssl.parts import InParts
from semelha.deep.ssl.projector import Continued, projector
from semelha.deep.ssl.queue import Queue
from semelha.errors import UsageError

MOST_KEYS = 4096
"""In a queue whose size is left open."""


@dataclass(frozen=True)
class MoCo(SelfSupervised):
    """MoCo v2 (Chen et al., 2020); MoCo v1 (He et al., CVPR 2020) with `hidden=None` and `temperature=0.07`.

    Parameters
    ----------
    temperature : float
    momentum : float
        Of the key network, in a step.
    queue : int, optional
        Keys to tell a picture from: a multiple of the batch, and a batch less than there are pictures at most. The
        shorter, the fewer pictures meet an older key of their own, for the order is drawn anew in every pass. If not
        given, up to half of the pictures, 4,096 at most.
    hidden : int, optional
        Length of the vectors between the two layers of the projector; None for one layer alone (v1).
    width : int
        Length of the vectors that are compared.
    parts : int
        Into how many a batch is split for batch norm, as by so many devices; keys by another draw than queries.
    """

    temperature: float = 0.2
    momentum: float = 0.99
    queue: int | None = None
    hidden: int | None = 512
    width: int = 128
    parts: int = 8

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise UsageError(f"temperature is {self.temperature}: it must be greater than 0")
        if not 0 <= self.momentum < 1:
            raise UsageError(f"momentum is {self.momentum}: it lies between 0 and 1, and below 1")
        if self.parts < 1:
            raise UsageError(f"parts is {self.parts}: a batch has one part or more")

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
            wanted = min(MOST_KEYS, instances // 2) // batch * batch
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
        own = projector(widths, norm=False)
        keys = KeyNetwork(Continued(BeforeNormalization(network), own))
        return AgainstQueue(
            own, keys, Queue(size, self.width, batch=batch), self.temperature, self.momentum, -(-batch // self.parts)
        )


class AgainstQueue(Objective):
    """Queries by the network and its projector, keys by what follows them, and a queue of keys to be told from."""

    views = 2
    lr_scale = 1.0
    uses_weight_decay = True

    def __init__(
        self, projector: nn.Module, keys: KeyNetwork, queue: Queue, temperature: float, momentum: float, part: int
    ) -> None:
        super().__init__()
        self.projector = projector
        self.keys = keys
        self.queue = queue
        self.temperature = temperature
        self.momentum = momentum
        self.part = part

    def training_module(self, network: EmbeddingNet) -> nn.Module:
        return BeforeNormalization(network)

    def backward(self, context: StepContext, pixels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        first, second = pixels.chunk(2)
        with torch.no_grad(), context.autocast():
            keys = context.all_gather(InParts(self.keys, self.part, shuffle=True)(second))  # (batch, width)
        queue = self.queue.keys()

        def loss(vectors: Tensor, _: Tensor) -> Tensor:
            return against_queue(self.projector(vectors), keys, queue, self.temperature)

        found = context.backpropagate(InParts(context.network, self.part), first, targets, loss)
        self.queue.put(nn.functional.normalize(keys, dim=1))
        return found

    def after_step(self, network: EmbeddingNet, done: float) -> None:
        self.keys.follow(Continued(BeforeNormalization(network), self.projector), self.momentum)
