"""SimCLR v1 and v2: two views of a picture against all other pictures of the batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from semelha.deep.losses import NTXent
from semelha.deep.network import EmbeddingNet
from semelha.deep.objective import Objective, StepContext
from semelha.deep.ssl.method import ContrastiveObjective, SelfSupervised, mlp
from semelha.errors import UsageError


@dataclass(frozen=True)
class SimCLR(SelfSupervised):
    """SimCLR (Chen et al., ICML 2020), or SimCLR v2 (Chen et al., NeurIPS 2020).

    Raises `UsageError` if a setting is out of range.

    Parameters
    ----------
    layers : {2, 3}
        Layers of the projector. Two are placed after the head of the network (v1, section 2.1). Of three (v2,
        section 2), the head of the network is the first, and is kept: v2 fine-tunes from there.
    hidden, width : int
        Width between the layers; dimension of the vectors that are compared.
    """

    layers: Literal[2, 3] = 2
    hidden: int = 512
    width: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layers not in (2, 3):
            raise UsageError(f"layers is {self.layers}: SimCLR has 2 in its projector, SimCLR v2 has 3")

    @property
    def name(self) -> str:
        return "simclr" if self.layers == 2 else "simclr-v2"

    def objective(self, network: EmbeddingNet, *, dim: int, batch: int, instances: int) -> Objective:
        layers = mlp([dim, self.hidden, self.width], norm=True, last_norm=True)
        if self.layers == 3:
            layers = nn.Sequential(nn.BatchNorm1d(dim), nn.ReLU(), *layers)
        return SimCLRObjective(layers, NTXent(temperature=self.temperature))


class SimCLRObjective(ContrastiveObjective):
    """A loss of (vectors, labels) after the projector, with the two views of a picture as one class."""

    def __init__(self, projector: nn.Module, loss: nn.Module) -> None:
        super().__init__(projector)
        self.loss = loss

    def backward(self, context: StepContext, pixels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        def loss(vectors: Tensor, labels: Tensor) -> Tensor:
            value: Tensor = self.loss(self.projector(vectors), labels)
            return value

        return context.backpropagate(context.network, pixels, targets.repeat(2), loss)
