"""The base classes of self-supervised methods, and the projectors that follow the network in training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn

from semelha.deep.network import BeforeNormalization, EmbeddingNet
from semelha.deep.objective import Objective
from semelha.errors import UsageError


@dataclass(frozen=True)
class SelfSupervised(ABC):
    """Settings of a method that learns without labels: every picture is its own class.

    Raises `UsageError` if a setting is out of range.

    Parameters
    ----------
    temperature : float
        Temperature of the contrastive loss, above 0.
    """

    temperature: float = 0.2

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise UsageError(f"temperature is {self.temperature}: it must be greater than 0")

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the method on the command line."""

    def resolve(self, *, batch: int, instances: int) -> Self:
        """Return the settings with a value for every setting that is None.

        `batch` is the pictures per batch, `instances` their number; quarter turns that are classes count as pictures.
        Raises `UsageError` if the method cannot learn from so many pictures in such batches.
        """
        return self

    @abstractmethod
    def objective(self, network: EmbeddingNet, *, dim: int, batch: int, instances: int) -> Objective:
        """Build the objective for `network`; initial weights are drawn by torch's global generator."""


class ContrastiveObjective(Objective):
    """An objective of two views per picture, with a projector of the network's output before it is normalized."""

    views = 2
    lr_scale = 1.0
    uses_weight_decay = True

    def __init__(self, projector: nn.Module) -> None:
        super().__init__()
        self.projector = projector

    def training_module(self, network: EmbeddingNet) -> nn.Module:
        return BeforeNormalization(network)

    def after_step(self, network: EmbeddingNet, done: float) -> None:
        """Do nothing: a method with a momentum encoder overrides it."""


def mlp(widths: Sequence[int], *, norm: bool, last_norm: bool = False) -> nn.Sequential:
    """Build linear layers with ReLU between them, for vectors of these lengths before, between and after the layers.

    `norm` puts batch normalization after every layer but the last, in place of a bias; `last_norm` after the last one
    too, without scale, shift and ReLU.
    """
    layers: list[nn.Module] = []
    last = len(widths) - 2
    for number, (before, after) in enumerate(pairwise(widths)):
        normed = norm if number < last else last_norm
        layers.append(nn.Linear(before, after, bias=not normed))
        if normed:
            layers.append(nn.BatchNorm1d(after, affine=number < last))
        if number < last:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


class WithProjector(nn.Module):
    """A network followed by a projector in float32: (batch, …) → (batch, width)."""

    def __init__(self, network: nn.Module, projector: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.after = projector

    def forward(self, pixels: Tensor) -> Tensor:
        vectors = self.network(pixels)
        with torch.autocast(vectors.device.type, enabled=False):
            out: Tensor = self.after(vectors)
        return out
