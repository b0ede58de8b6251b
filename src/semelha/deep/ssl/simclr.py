"""SimCLR: two views of a picture nearer to each other than to all others of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from torch import Tensor, nn

from semelha.deep.losses import NTXent
from semelha.deep.network import BeforeNormalization, EmbeddingNet
from semelha.deep.objective import Objective, StepContext
from semelha.deep.ssl.method import SelfSupervised
from semelha.deep.ssl.projector import projector
from semelha.errors import UsageError


@dataclass(frozen=True)
class SimCLR(SelfSupervised):
    """SimCLR (Chen et al., ICML 2020), or SimCLR v2 (Chen et al., NeurIPS 2020).

    Parameters
    ----------
    temperature : float
        Of NT-Xent.
    layers : {2, 3}
        Of the projector. Two stand on the vectors of the network (v1, section 2.1). Of three (v2, section 2), the
        head of the network is the first, and what is kept: v2 goes on from there.
    hidden, width : int
        Length of the vectors between its layers, and of those that are compared.
    """

    temperature: float = 0.2
    layers: Literal[2, 3] = 2
    hidden: int = 512
    width: int = 128

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise UsageError(f"temperature is {self.temperature}: it must be greater than 0")
        if self.layers not in (2, 3):
            raise UsageError(f"layers is {self.layers}: SimCLR has 2 in its projector, SimCLR v2 has 3")

    @property
    def name(self) -> str:
        return "simclr" if self.layers == 2 else "simclr-v2"

    def resolve(self, *, batch: int, instances: int) -> Self:
        return self

    def objective(self, network: EmbeddingNet, *, dim: int, batch: int, instances: int) -> Objective:
        layers = projector([dim, self.hidden, self.width], norm=True, last_norm=True)
        if self.layers == 3:
            layers = nn.Sequential(nn.BatchNorm1d(dim), nn.ReLU(), *layers)
        return TwoViews(layers, NTXent(temperature=self.temperature))


class TwoViews(Objective):
    """A loss of (vectors, labels) behind a projector, for which the two views of a picture are one class."""

    views = 2
    lr_scale = 1.0
    uses_weight_decay = True

    def __init__(self, projector: nn.Module, loss: nn.Module) -> None:
        super().__init__()
        self.projector = projector
        self.loss = loss

    def training_module(self, network: EmbeddingNet) -> nn.Module:
        return BeforeNormalization(network)

    def backward(self, context: StepContext, pixels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        def loss(vectors: Tensor, labels: Tensor) -> Tensor:
            value: Tensor = self.loss(self.projector(vectors), labels)
            return value

        return context.backpropagate(context.network, pixels, targets.repeat(2), loss)

    def after_step(self, network: EmbeddingNet, done: float) -> None:
        """Nothing."""
