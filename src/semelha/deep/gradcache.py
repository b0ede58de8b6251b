"""GradCache: the exact gradient of a batch that does not fit into memory, computed in chunks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from semelha.deep.distributed import SINGLE_PROCESS, ProcessGroup
from semelha.errors import UsageError


@dataclass(frozen=True)
class GradCache:
    """The gradient of a whole batch in the memory of a chunk (Gao et al., RepL4NLP 2021, section 3.2).

    First the embeddings of all chunks are computed without a graph, and their gradients from the loss of the whole
    batch. Then each chunk is computed again with a graph, and its gradients are backpropagated into the network. The
    result is exact and costs a second forward pass. Dropout draws the same in both passes.

    Batch norm is the exception: it normalizes by the chunk, in both passes, and its running averages are updated once
    for each chunk. A batch of one chunk is computed in one pass.

    Parameters
    ----------
    chunk : int
        Maximum number of pictures at a time in each process, 3 or more.
    processes : ProcessGroup, optional
        By default this process alone. Each of several has its share of the batch and of the gradient of its network;
        the loss is that of the whole batch.
    """

    chunk: int
    processes: ProcessGroup = SINGLE_PROCESS

    def __post_init__(self) -> None:
        if self.chunk < 3:
            raise UsageError(
                f"a chunk is {self.chunk} pictures: it must be 3 or more, so that none has a single picture"
            )

    def backward(
        self,
        network: nn.Module,
        pixels: Tensor,
        labels: Tensor,
        loss: Callable[[Tensor, Tensor], Tensor],
        backward: Callable[[Tensor], None],
    ) -> tuple[Tensor, Tensor]:
        """Add the gradient of `loss(network(pixels), labels)` to all parameters, those of the loss among them.

        Parameters
        ----------
        network : nn.Module
        pixels : (share, channels, height, width)
        labels : (share,)
        loss : callable
            From embeddings and labels to a scalar.
        backward : callable
            Computes gradients from a scalar, such as `Tensor.backward` or Lightning Fabric's `backward`.

        Returns
        -------
        Tensor, (batch, dim)
            The loss and the embeddings, detached.
        """
        processes = self.processes
        sizes = processes.sizes(len(pixels))
        labels = processes.all_gather(labels, sizes)  # (batch,)
        # The number of chunks is the same in all processes, because synchronized batch norms wait for each other.
        chunks = self._chunks(pixels, max(sizes))
        # Every process draws the seeds of all, so that later draws, such as of negatives, stay equal.
        several = len(chunks) > 1 or processes.size > 1
        seeds = torch.randint(2**62, (processes.size, len(chunks)))[processes.rank].tolist() if several else []
        if len(chunks) == 1:
            own = _seeded(network, pixels, seeds[0]) if several else network(pixels)
            embeddings = processes.all_gather(own, sizes)
            value = loss(embeddings, labels)
            backward(value)
            return value.detach(), embeddings.detach()
        with torch.no_grad():
            before = [buffer.clone() for buffer in network.buffers()]
            parts = [_seeded(network, chunk, seed) for chunk, seed in zip(chunks, seeds, strict=True)]
            for buffer, old in zip(network.buffers(), before, strict=True):
                buffer.copy_(old)
        own = torch.cat(parts).requires_grad_()
        embeddings = processes.all_gather(own, sizes)
        value = loss(embeddings, labels)
        backward(value)
        assert own.grad is not None
        gradients = torch.split(own.grad, [len(chunk) for chunk in chunks])
        for chunk, seed, gradient in zip(chunks, seeds, gradients, strict=True):
            # The gradient of this product with respect to the embeddings is the cached one.
            backward((_seeded(network, chunk, seed) * gradient).sum())
        return value.detach(), embeddings.detach()

    def _chunks(self, pixels: Tensor, largest: int) -> tuple[Tensor, ...]:
        """Even chunks of at most `chunk` pictures; none has a single picture, which batch norm refuses."""
        return pixels.tensor_split(-(-largest // self.chunk))


def _seeded(network: nn.Module, chunk: Tensor, seed: int) -> Tensor:
    """The embeddings of a chunk, with random draws in the network from `seed`."""
    devices = [chunk.device] if chunk.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        embeddings: Tensor = network(chunk)
    return embeddings
