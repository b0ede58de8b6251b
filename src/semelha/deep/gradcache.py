"""Batches larger than memory: forward and backward in chunks, around a loss that sees the whole batch."""

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

    The embeddings of all chunks are made without a graph; the loss of them all gives each its gradient, which is kept;
    then each chunk is made again, with a graph, and its gradient goes on into the network. That is exact, and costs a
    second forward pass: the loss is that of the batch, however large. Dropout draws the same in both passes.

    Statistics of the batch are the exception: batch norm sees the chunk, in both passes alike, not the batch. Its
    running averages move once for each chunk. A batch of one chunk is computed in one pass, as if there were none.

    Parameters
    ----------
    chunk : int
        Pictures at a time, 3 or more; in each of several processes.
    processes : ProcessGroup, optional
        This one alone if not given. Of several each has its share of the batch, and adds that of the gradient to its
        network; the loss is that of the whole batch.
    """

    chunk: int
    processes: ProcessGroup = SINGLE_PROCESS

    def __post_init__(self) -> None:
        if self.chunk < 3:
            raise UsageError(f"a chunk is {self.chunk} pictures: it must be 3 or more, lest one be left over alone")

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
            From a scalar to gradients, such as `Tensor.backward`, or the `backward` of Lightning Fabric.

        Returns
        -------
        Tensor, (batch, dim)
            The value, and the embeddings, without a gradient.
        """
        processes = self.processes
        sizes = processes.sizes(len(pixels))
        labels = processes.all_gather(labels, sizes)  # (batch,)
        # As many chunks as the largest share has: in a synchronized batch norm each waits for that of the others.
        chunks = self._chunks(pixels, max(sizes))
        # All draw the seeds of all, lest they go on to draw different negatives for one loss; each uses its own.
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
            # The gradient of this product with respect to the embeddings is the one that was kept.
            backward((_seeded(network, chunk, seed) * gradient).sum())
        return value.detach(), embeddings.detach()

    def _chunks(self, pixels: Tensor, largest: int) -> tuple[Tensor, ...]:
        """As even as can be, none larger than `chunk`; none is of a single picture, which would stop batch norm."""
        return pixels.tensor_split(-(-largest // self.chunk))


def _seeded(network: nn.Module, chunk: Tensor, seed: int) -> Tensor:
    """The embeddings of a chunk, what is drawn in the network being drawn from `seed`."""
    devices = [chunk.device] if chunk.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        embeddings: Tensor = network(chunk)
    return embeddings
