"""What a training lowers, with what belongs to it beside the network: proxies, or a projector, a queue."""

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
    """How a batch goes through the network, forward and backward.

    Attributes
    ----------
    network : nn.Module
        What `Objective.training_module` gave, set up for the device and its precision.
    cached : GradCache
    backward : callable
        From a scalar to gradients, such as the `backward` of Lightning Fabric.
    autocast : callable
        A context in the precision of the device, for other networks, such as Fabric's `autocast`.
    taught : (batch, d), optional
        What a teacher makes of the batch, of length 1.
    teaching : float
        How much its similarities count beside a loss.
    """

    network: nn.Module
    cached: GradCache
    backward: Callable[[Tensor], None]
    autocast: Callable[[], AbstractContextManager[Any]]
    taught: Tensor | None = None
    teaching: float = 1.0

    def backpropagate(
        self, network: nn.Module, pixels: Tensor, labels: Tensor, loss: Callable[[Tensor, Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Add the gradient of `loss(network(pixels), labels)`: its value, and the vectors, without a gradient.

        `network` is the attribute of that name, or what calls it. What a teacher says of the vectors is in the loss.
        """
        beside_it = with_distillation(loss, self.taught, self.teaching)
        return self.cached.backward(network, pixels, labels, beside_it, self.backward)

    def all_gather(self, own: Tensor) -> Tensor:
        """The rows of all processes, as the vectors of `backpropagate` come: (own, …) → (all, …)."""
        processes = self.cached.processes
        return processes.all_gather(own, processes.sizes(len(own)))

    def split_views(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of all processes, in each of equal shares first views before second ones: (batch, …) of each view."""
        shares = rows.view(self.cached.processes.size, 2, -1, *rows.shape[1:])
        return shares[:, 0].flatten(0, 1), shares[:, 1].flatten(0, 1)


class Objective(nn.Module, ABC):
    """From a batch to a value and gradients, and what there is to do after a step.

    All that it learns or remembers is in its state, which goes into every checkpoint; all that it draws by chance comes
    from torch's own generator, which the loop has seeded for this step. Of several processes each sends its share of a
    batch through the network, and all compute the same from the vectors of all: so its parameters have the same
    gradients everywhere, and what it remembers, such as keys, is to be of all (`StepContext.all_gather`).

    Attributes
    ----------
    views : int
        How many changed copies of each picture it takes.
    lr_scale : float
        How much faster than the network its parameters learn.
    uses_weight_decay : bool
        Whether its matrices decay like those of the network.
    """

    views: int
    lr_scale: float
    uses_weight_decay: bool

    @abstractmethod
    def training_module(self, network: EmbeddingNet) -> nn.Module:
        """What of the network is at work in a training, with the parameters of the network."""

    @abstractmethod
    def backward(self, context: StepContext, pixels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Add the gradient of a batch to all parameters.

        Parameters
        ----------
        context : StepContext
        pixels : (views · batch, channels, height, width)
            The first views of all pictures, then the second ones; of several processes, those of this one's share.
        targets : (batch,) int64
            The class of each picture; its own number where there are no labels.

        Returns
        -------
        Tensor, (vectors, dim)
            The value, and what the network gave, without a gradient.
        """

    @abstractmethod
    def after_step(self, network: EmbeddingNet, done: float) -> None:
        """To be called when the optimizer has moved `network`; `done` is the part of the training behind it, 0 to 1."""


class Supervised(Objective):
    """A loss of (embeddings, labels) on one view of each picture.

    Parameters
    ----------
    loss : nn.Module
        Its parameters, such as proxies, learn ten times faster than the network.
    """

    views = 1
    lr_scale = 10.0
    uses_weight_decay = False

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def training_module(self, network: EmbeddingNet) -> nn.Module:
        return network

    def backward(self, context: StepContext, pixels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return context.backpropagate(context.network, pixels, targets, self.loss)

    def after_step(self, network: EmbeddingNet, done: float) -> None:
        """Nothing."""
