"""`Objective`: what a training minimizes, with its own parameters and memory, such as proxies or a queue."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from semelha.deep.gradcache import GradCache
from semelha.deep.network import EmbeddingNet
from semelha.deep.teacher import with_distillation


@dataclass(frozen=True, eq=False)
class StepContext:
    """How a step computes the forward and backward pass of a batch."""

    network: nn.Module  # the result of `Objective.training_module`, set up for the device and its precision
    cached: GradCache
    backward: Callable[[Tensor], None]  # computes gradients from a scalar, such as Lightning Fabric's `backward`
    autocast: Callable[[], AbstractContextManager[Any]]  # a context in the precision of the device, for other networks
    teacher_vectors: Tensor | None = None  # embeddings of the batch by a teacher, of norm 1: (batch, d)
    teaching: float = 1.0  # weight of the distillation loss

    def backpropagate(
        self, network: nn.Module, pixels: Tensor, labels: Tensor, loss: Callable[[Tensor, Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Add the gradient of `loss(network(pixels), labels)`; returns the loss and the vectors, detached.

        `network` is the attribute of that name, or a module that calls it. The distillation loss is added.
        """
        total = with_distillation(loss, self.teacher_vectors, self.teaching)
        return self.cached.backward(network, pixels, labels, total, self.backward)

    def all_gather(self, own: Tensor) -> Tensor:
        """The rows of all processes, in the order of the vectors of `backpropagate`: (own, …) → (all, …)."""
        processes = self.cached.processes
        return processes.all_gather(own, processes.sizes(len(own)))

    def split_views(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The rows of the first and of the second views: (2 · batch, …) → (batch, …) each.

        The rows are those of all processes; each has its first views before its second ones.
        """
        shares = rows.view(self.cached.processes.size, 2, -1, *rows.shape[1:])
        return shares[:, 0].flatten(0, 1), shares[:, 1].flatten(0, 1)


class Objective(nn.Module, ABC):
    """Computes the loss and the gradients of a batch.

    Its state holds all that it learns or remembers, and is part of every checkpoint. Its random draws come from torch's
    default generator, which the loop seeds for each step. Of several processes each computes the vectors of its share
    of a batch, and all compute the same loss from all vectors. So its parameters have the same gradients in every
    process, and its memory, such as a queue of keys, must take those of all (`StepContext.all_gather`).
    """

    views: int  # augmented copies of each picture in a batch
    lr_scale: float  # factor of the learning rate for its parameters
    uses_weight_decay: bool  # whether weight decay applies to its matrices

    @abstractmethod
    def training_module(self, network: EmbeddingNet) -> nn.Module:
        """The module to train, which shares the parameters of the network."""

    @abstractmethod
    def backward(self, context: StepContext, pixels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Add the gradient of a batch to all parameters.

        `pixels` (views · batch, channels, height, width) are the first views of all pictures in the share of this
        process, then the second views. `targets` (batch,) int64 are the classes; without labels, the picture numbers.
        Returns the loss and the output of the network (vectors, dim), detached.
        """

    @abstractmethod
    def after_step(self, network: EmbeddingNet, done: float) -> None:
        """Update the memory after a step of the optimizer. `done`: fraction of the training that is done, 0 to 1."""


class Supervised(Objective):
    """A loss of (embeddings, labels) on one view of each picture."""

    views = 1
    lr_scale = 10.0  # parameters of the loss, such as proxies, learn ten times as fast as the network
    uses_weight_decay = False

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def training_module(self, network: EmbeddingNet) -> nn.Module:
        return network

    def backward(self, context: StepContext, pixels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return context.backpropagate(context.network, pixels, targets, self.loss)

    def after_step(self, network: EmbeddingNet, done: float) -> None:
        """Do nothing."""
