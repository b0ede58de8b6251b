"""Training in less memory: the gradient of a batch in chunks (GradCache), and gradient checkpointing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from semelha.deep.distributed import SINGLE_PROCESS, ProcessGroup
from semelha.deep.small import SmallBackbone
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
        """Add the gradient of `loss(network(pixels), labels)` to all parameters, also to those of the loss.

        `pixels` are (share, channels, height, width), `labels` (share,). `backward` computes gradients from a scalar,
        such as `Tensor.backward`. Returns the loss and the embeddings (batch, dim), detached.
        """
        processes = self.processes
        sizes = processes.sizes(len(pixels))
        labels = processes.all_gather(labels, sizes)  # (batch,)
        # The number of chunks is the same in all processes, because synchronized batch norms wait for each other.
        # Even chunks, so that none has a single picture, which batch norm refuses.
        chunks = pixels.tensor_split(-(-max(sizes) // self.chunk))
        # Every process draws the seeds of all, so that later draws, such as of negatives, stay equal.
        several = len(chunks) > 1 or processes.size > 1
        seeds = torch.randint(2**62, (processes.size, len(chunks)))[processes.rank].tolist() if several else []
        if len(chunks) == 1:
            own = _seeded(network, pixels, seeds[0]) if several else network(pixels)
            embeddings = processes.all_gather(own, sizes)
            value = loss(embeddings, labels)
            backward(value)
            return value.detach(), embeddings.detach()
        with torch.no_grad(), _restored_buffers(network):
            parts = [_seeded(network, chunk, seed) for chunk, seed in zip(chunks, seeds, strict=True)]
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


def _seeded(network: nn.Module, chunk: Tensor, seed: int) -> Tensor:
    """The embeddings of a chunk, with random draws in the network from `seed`."""
    devices = [chunk.device] if chunk.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        embeddings: Tensor = network(chunk)
    return embeddings


def enable_gradient_checkpointing(network: nn.Module) -> None:
    """Store only the inputs of the backbone's blocks; the backward pass computes the blocks again.

    Chen et al., 2016, section 3. Raises `UsageError` for a backbone of timm without support for it.
    """
    for part in network.modules():
        if isinstance(part, SmallBackbone):
            part.recomputed = True
            return
        checkpointing: Any = getattr(part, "set_grad_checkpointing", None)  # timm's
        if checkpointing is not None:
            try:
                checkpointing(True)
            except AssertionError as error:  # of timm, for a model without support
                raise UsageError(
                    f"{type(part).__name__} does not support gradient checkpointing: leave it out"
                ) from error
            return
    raise UsageError("the network does not support gradient checkpointing: leave it out")


def preserve_running_stats(network: nn.Module, backward: Callable[[Tensor], None]) -> Callable[[Tensor], None]:
    """A backward pass that restores running averages, which the first forward pass has updated already."""

    def restoring(value: Tensor) -> None:
        with _restored_buffers(network):
            backward(value)

    return restoring


@contextmanager
def _restored_buffers(network: nn.Module) -> Iterator[None]:
    """Restore the buffers of the network, such as running averages, to their values before the block."""
    before = [buffer.clone() for buffer in network.buffers()]
    yield
    with torch.no_grad():
        for buffer, old in zip(network.buffers(), before, strict=True):
            buffer.copy_(old)
