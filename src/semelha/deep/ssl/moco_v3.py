"""MoCo v3: no queue, but a predictor on the side of the queries, and each view is query and key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from semelha.deep.network import BeforeNormalization, EmbeddingNet
from semelha.deep.objective import Objective, StepContext
from semelha.deep.ssl.contrast import against_batch
from semelha.deep.ssl.method import SelfSupervised
from semelha.deep.ssl.momentum import KeyNetwork, rising
from semelha.deep.ssl.parts import InParts
from semelha.deep.ssl.projector import Continued, projector
from semelha.errors import UsageError


@dataclass(frozen=True)
class MoCoV3(SelfSupervised):
    """MoCo v3 (Chen, Xie, He, ICCV 2021, algorithm 1).

    Parameters
    ----------
    temperature : float
    momentum : float
        Of the key network, in the first step; it rises to 1 by half a cosine.
    hidden, width : int
        Length of the vectors between the layers of projector and predictor, and of those that are compared.
    """

    temperature: float = 0.2
    momentum: float = 0.99
    hidden: int = 512
    width: int = 128

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise UsageError(f"temperature is {self.temperature}: it must be greater than 0")
        if not 0 <= self.momentum < 1:
            raise UsageError(f"momentum is {self.momentum}: it lies between 0 and 1, and below 1")

    @property
    def name(self) -> str:
        return "moco-v3"

    def resolve(self, *, batch: int, instances: int) -> Self:
        return self

    def objective(self, network: EmbeddingNet, *, dim: int, batch: int, instances: int) -> Objective:
        own = projector([dim, self.hidden, self.width], norm=True, last_norm=True)
        predictor = projector([self.width, self.hidden, self.width], norm=True, last_norm=True)
        keys = KeyNetwork(Continued(BeforeNormalization(network), own))
        return Predicted(own, predictor, keys, self.temperature, self.momentum)


class Predicted(Objective):
    """The key of each view predicted from the other: the loss is of both, and batch norm sees one view at a time."""

    views = 2
    lr_scale = 1.0
    uses_weight_decay = True

    def __init__(
        self, projector: nn.Module, predictor: nn.Module, keys: KeyNetwork, temperature: float, momentum: float
    ) -> None:
        super().__init__()
        self.projector = projector
        self.predictor = predictor
        self.keys = keys
        self.temperature = temperature
        self.momentum = momentum

    def training_module(self, network: EmbeddingNet) -> nn.Module:
        return BeforeNormalization(network)

    def backward(self, context: StepContext, pixels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        batch = len(targets)
        with torch.no_grad(), context.autocast():
            vectors = context.all_gather(InParts(self.keys.copy.network, batch)(pixels))
        with torch.no_grad():  # the projector sees all of a view, in whichever process, as that of the queries does
            first, second = (self.keys.copy.after(view) for view in context.split_views(vectors))  # (batch, width) each

        def loss(vectors: Tensor, _: Tensor) -> Tensor:
            ours, theirs = (self.predictor(self.projector(view)) for view in context.split_views(vectors))
            value = against_batch(ours, second, self.temperature)
            return value + against_batch(theirs, first, self.temperature)

        return context.backpropagate(InParts(context.network, batch), pixels, targets.repeat(2), loss)

    def after_step(self, network: EmbeddingNet, done: float) -> None:
        self.keys.follow(Continued(BeforeNormalization(network), self.projector), rising(self.momentum, done))
