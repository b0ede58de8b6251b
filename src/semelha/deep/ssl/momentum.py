"""The momentum encoder of MoCo, which makes the keys, and batch norm over parts of a batch."""

from __future__ import annotations

import copy
import math
from abc import ABC
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from semelha.deep.network import BeforeNormalization, EmbeddingNet
from semelha.deep.ssl.method import ContrastiveObjective, SelfSupervised, WithProjector
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
