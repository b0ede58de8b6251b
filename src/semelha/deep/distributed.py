"""One training in several processes, each with a device of its own.

Every process holds the whole network and sends its share of each batch through it. The embeddings of all are gathered,
and every process computes the loss of the whole batch: the gradient of its own share is a part of that of the whole,
and the sum over the processes is the gradient of the whole batch, exactly, whatever the loss. Nothing is averaged, so
that the number of processes is a factor nowhere. What is learned, drawn and remembered is the same in all of them.

The first process alone writes files; the others wait for it, and learn of its failure.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from timm.layers.norm_act import convert_sync_batchnorm
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from semelha.errors import ProcessLost, TrainingError

T = TypeVar("T")
Module = TypeVar("Module", bound=nn.Module)

PATIENCE = timedelta(days=7)  # pictures may take the first process long to read; that one has ended is noticed at once


@dataclass(frozen=True)
class ProcessGroup:
    """What a process knows of the others. All but `share` and `is_rank_zero` must be called by all of them alike.

    Attributes
    ----------
    rank : int
        Which of them this is, from 0 on.
    size : int
        How many there are; 1 for a process alone, for which nothing here does anything.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_rank_zero(self) -> bool:
        """Is this the one that writes and speaks?"""
        return self.rank == 0

    @property
    def seed_suffix(self) -> tuple[int, ...]:
        """What is added to a seed of which every process draws for itself."""
        return () if self.size == 1 else (self.rank,)

    def share(self, length: int) -> slice:
        """Which of so many rows are this process's: one after another, as even as can be."""
        each, more = divmod(length, self.size)
        start = self.rank * each + min(self.rank, more)
        return slice(start, start + each + (self.rank < more))

    def sizes(self, length: int) -> list[int]:
        """The lengths of the shares of all."""
        if self.size == 1:
            return [length]
        found = torch.zeros(self.size, dtype=torch.int64)
        found[self.rank] = length
        with _noticing():
            dist.all_reduce(found)
        sizes: list[int] = found.tolist()
        return sizes

    def all_gather(self, own: Tensor, sizes: Sequence[int]) -> Tensor:
        """The rows of all processes, those of the first before those of the second: (own, …) → (Σ sizes, …).

        The gradient of the own rows is their part of the gradient of all: every process is to compute the same from
        what is joined, and the sum over the processes of what goes on into a network is the gradient of that.
        """
        if self.size == 1:
            return own
        found: Tensor = _Joined.apply(own, tuple(sizes), self.rank)
        return found

    def sum_gradients(self, network: nn.Module, loss: nn.Module) -> None:
        """Add up the gradients of a network over the processes; those of the loss, equal already, are the first's.

        Running averages of a batch norm become the mean of those of the processes.
        """
        if self.size == 1:
            return
        with _noticing():
            _as_one([p.grad for p in network.parameters() if p.grad is not None], dist.all_reduce)
            _as_one([p.grad for p in loss.parameters() if p.grad is not None], _by_the_first)
            _as_one([buffer for buffer in network.buffers() if buffer.is_floating_point()], self._mean)

    def with_sync_batchnorm(self, network: Module) -> Module:
        """The network with batch norms that see the whole batch, where torch has such: on graphics cards.

        Elsewhere each process normalizes by the statistics of its own share.
        """
        if self.size == 1 or next(network.parameters()).device.type != "cuda":
            return network
        convert: Callable[[Module], Module] = convert_sync_batchnorm  # timm's own kinds too
        return convert(network)

    def broadcast_modules(self, *modules: nn.Module) -> None:
        """Give all processes the first's parameters and buffers."""
        if self.size == 1:
            return
        with _noticing():
            for module in modules:
                _as_one([*module.parameters(), *module.buffers()], _by_the_first)

    def broadcast(self, value: float) -> float:
        """The first's number."""
        if self.size == 1:
            return value
        found = torch.tensor(value, dtype=torch.float64)
        with _noticing():
            _by_the_first(found)
        return float(found)

    def on_rank_zero(self, work: Callable[[], T]) -> T | None:
        """Let the first process do some work while the others wait: what comes of it, there; None to the others.

        Raises
        ------
        TrainingError
            On the others, what the work has failed of on the first.
        """
        if self.size == 1:
            return work()
        if not self.is_rank_zero:
            if failure := self._told(""):
                raise TrainingError(failure)
            return None
        try:
            done = work()
        except Exception as error:
            self._told(str(error) or type(error).__name__)
            raise
        self._told("")
        return done

    def _told(self, text: str) -> str:
        """What the first says."""
        length = int(self.broadcast(len(text.encode())))
        if length == 0:
            return ""
        said = torch.tensor(list(text.encode()) if self.is_rank_zero else [0] * length, dtype=torch.uint8)
        with _noticing():
            _by_the_first(said)
        return bytes(said.tolist()).decode()

    def _mean(self, flat: Tensor) -> None:
        dist.all_reduce(flat)
        flat /= self.size


SINGLE_PROCESS = ProcessGroup()


@contextmanager
def process_group(device: torch.device) -> Iterator[ProcessGroup]:
    """The processes that were started for this training, as by `torchrun`, or this one alone.

    A group that the program has made of its processes is used, and left as it is.

    Raises
    ------
    TrainingError
        The processes do not find each other.
    """
    if dist.is_initialized():
        yield ProcessGroup(dist.get_rank(), dist.get_world_size())
        return
    if launched_processes() == 1:
        yield SINGLE_PROCESS
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    try:
        # Numbers and messages go by gloo in any case, for who waits for NCCL keeps a core busy.
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise TrainingError(
            f"the {launched_processes()} processes do not find each other: start them by torchrun"
        ) from error
    try:
        yield ProcessGroup(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def launched_processes() -> int:
    """How many processes `torchrun` has started for this program."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_device_index() -> int:
    """Which of the graphics cards of this machine is this process's. Raises `TrainingError` where it has none."""
    own, cards = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if own >= cards:
        raise TrainingError(
            f"there are {os.environ.get('LOCAL_WORLD_SIZE', own + 1)} processes on this machine and {cards} graphics "
            "cards: start a process for each card, or choose the device cpu"
        )
    return own


def failed_first(error: Exception) -> bool:
    """Is this the first of the processes to fail? Its message says why; that of any other would only repeat it."""
    if isinstance(error, ProcessLost):
        time.sleep(1)  # the one that is lost has the word, if it can speak
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    try:
        host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = dist.TCPStore(host, port, is_master=False, timeout=timedelta(seconds=10))  # type: ignore[attr-defined]
        first = bool(store.add(f"semelha/failed/{attempt}", 1) == 1)
    except (KeyError, ValueError, RuntimeError):
        # What torchrun keeps is gone when it ends all, another having failed; what the first keeps, with that one.
        return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    if not first:
        time.sleep(1)  # torchrun ends all when one has ended: let the other finish its sentence
    return first


class _Joined(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, sizes: tuple[int, ...], rank: int) -> Tensor:
        ctx.start, ctx.length = sum(sizes[:rank]), sizes[rank]
        padded = own.new_zeros(max(sizes), *own.shape[1:])  # all must send as much
        padded[: len(own)] = own
        parts = [torch.empty_like(padded) for _ in sizes]
        with _noticing():
            dist.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient.narrow(0, ctx.start, ctx.length), None, None


@torch.no_grad()
def _as_one(tensors: list[Tensor], collective: Callable[[Tensor], object]) -> None:
    """One call for all tensors of a kind, side by side."""
    for kind in dict.fromkeys(tensor.dtype for tensor in tensors):
        same = [tensor for tensor in tensors if tensor.dtype == kind]
        flat = torch.cat([tensor.reshape(-1) for tensor in same])
        collective(flat)
        for tensor, part in zip(same, torch.split(flat, [tensor.numel() for tensor in same]), strict=True):
            tensor.copy_(part.view_as(tensor))


def _by_the_first(tensor: Tensor) -> None:
    dist.broadcast(tensor, src=0)


@contextmanager
def _noticing() -> Iterator[None]:
    """That another process has ended is an error of torch, which tells of sockets."""
    try:
        yield
    except RuntimeError as error:
        raise ProcessLost(
            "another process of this training has ended before its time: go on with --resume, in as many processes "
            "or in others"
        ) from error
