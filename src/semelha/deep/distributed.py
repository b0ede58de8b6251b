"""Distributed training: one training in several processes, each with its own device.

Every process has the whole network and computes the embeddings of its share of each batch. The embeddings of all are
gathered, and every process computes the loss of the whole batch. The gradients of the shares sum to the gradient of
the whole batch, exactly, for any loss. Nothing is averaged, so no factor depends on the number of processes. Weights,
random draws of the loss, and its memory are the same in all processes.

Only the process of rank 0 writes checkpoint, log and model. The others wait for it, and raise its error.
`semelha.deep.machines` has what each machine needs for itself.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from timm.layers.norm_act import convert_sync_batchnorm
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from semelha.deep.fsdp import is_part
from semelha.errors import ProcessLost, TrainingError

T = TypeVar("T")
Module = TypeVar("Module", bound=nn.Module)

TIMEOUT = timedelta(days=7)  # rank 0 may read pictures for long; the end of a process is detected at once


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of a training. All of them must call each method but `share` and `is_rank_zero`."""

    rank: int = 0  # number of this process
    size: int = 1  # number of processes; with one, no method does anything

    @property
    def is_rank_zero(self) -> bool:
        """Whether this process writes files and messages."""
        return self.rank == 0

    @property
    def seed_suffix(self) -> tuple[int, ...]:
        """Added to a seed from which every process draws different numbers."""
        return () if self.size == 1 else (self.rank,)

    def share(self, length: int) -> slice:
        """The rows of this process, of `length` rows divided evenly in order of rank."""
        each, more = divmod(length, self.size)
        start = self.rank * each + min(self.rank, more)
        return slice(start, start + each + (self.rank < more))

    def sizes(self, length: int) -> list[int]:
        """The lengths of the shares of all processes."""
        if self.size == 1:
            return [length]
        found = torch.zeros(self.size, dtype=torch.int64)
        found[self.rank] = length
        with _lost_process_as_error():
            dist.all_reduce(found)
        sizes: list[int] = found.tolist()
        return sizes

    def all_gather(self, own: Tensor, sizes: Sequence[int]) -> Tensor:
        """The rows of all processes in order of rank: (own, …) → (Σ sizes, …).

        The gradient of `own` is its part of the gradient of all rows. Every process must compute the same from them;
        then the gradients of a network sum over the processes to that of the whole batch.
        """
        if self.size == 1:
            return own
        found: Tensor = _AllGather.apply(own, tuple(sizes), self.rank)
        return found

    def sum_gradients(self, network: nn.Module, loss: nn.Module) -> None:
        """Sum the gradients of the network over the processes; those of the loss are equal, and copied from rank 0.

        Gradients of which each process has a part are sums already (`semelha.deep.fsdp`).

        Running statistics of batch norm become their mean over the processes.
        """
        if self.size == 1:
            return
        with _lost_process_as_error():
            own = [p.grad for p in network.parameters() if p.grad is not None and not is_part(p.grad)]
            _flattened(own, dist.all_reduce)
            _flattened([p.grad for p in loss.parameters() if p.grad is not None], _broadcast_from_zero)
            _flattened([buffer for buffer in network.buffers() if buffer.is_floating_point()], self._mean)

    def with_sync_batchnorm(self, network: Module, device: torch.device) -> Module:
        """The network with batch norm over the whole batch, which torch has on graphics cards alone.

        On the CPU each process normalizes by the statistics of its share.
        """
        if self.size == 1 or device.type != "cuda":
            return network
        convert: Callable[[Module], Module] = convert_sync_batchnorm  # timm's own kinds too
        return convert(network)

    def broadcast_modules(self, *modules: nn.Module) -> None:
        """Copy parameters and buffers from rank 0 to all processes, but not those of which each has a part."""
        if self.size == 1:
            return
        with _lost_process_as_error():
            for module in modules:
                tensors = [each for each in (*module.parameters(), *module.buffers()) if not is_part(each)]
                _flattened(tensors, _broadcast_from_zero)

    def broadcast(self, value: float) -> float:
        """The number of rank 0."""
        if self.size == 1:
            return value
        found = torch.tensor(value, dtype=torch.float64)
        with _lost_process_as_error():
            _broadcast_from_zero(found)
        return float(found)

    def broadcast_bytes(self, data: bytes, *, source: int = 0) -> bytes:
        """The bytes of the process `source`."""
        if self.size == 1:
            return data
        length = self.sizes(len(data))[source]
        if length == 0:
            return b""
        own = torch.frombuffer(bytearray(data), dtype=torch.uint8) if self.rank == source else None
        found = torch.empty(length, dtype=torch.uint8) if own is None else own
        with _lost_process_as_error():
            dist.broadcast(found, src=source)
        return found.numpy().tobytes()

    def all_texts(self, own: str) -> list[str]:
        """The texts of all processes in order of rank."""
        if self.size == 1:
            return [own]
        encoded = own.encode()
        sizes = self.sizes(len(encoded))
        if not any(sizes):
            return [own] * self.size
        rows = torch.frombuffer(bytearray(encoded), dtype=torch.uint8) if encoded else torch.empty(0, dtype=torch.uint8)
        joined = self.all_gather(rows, sizes).numpy().tobytes()
        ends = list(accumulate(sizes))
        return [joined[end - size : end].decode() for end, size in zip(ends, sizes, strict=True)]

    def on_rank_zero(self, work: Callable[[], T]) -> T | None:
        """Call `work` in the process of rank 0 while the others wait. The others return None.

        After an error in rank 0 the others raise `TrainingError` with its message.
        """
        return self.where(self.is_rank_zero, work)

    def where(self, condition: bool, work: Callable[[], T]) -> T | None:
        """Call `work` in the processes with the condition while the others wait. The others return None.

        After an error in one of them those without one raise `TrainingError` with its message.
        """
        if self.size == 1:
            return work() if condition else None
        done, raised = None, None
        if condition:
            try:
                done = work()
            except Exception as error:
                raised = error
        failures = self.all_texts("" if raised is None else str(raised) or type(raised).__name__)
        if raised is not None:
            raise raised
        if failure := next(filter(None, failures), ""):
            raise TrainingError(failure)
        return done

    def _mean(self, flat: Tensor) -> None:
        dist.all_reduce(flat)
        flat /= self.size


SINGLE_PROCESS = ProcessGroup()


@contextmanager
def process_group(device: torch.device) -> Iterator[ProcessGroup]:
    """The processes that `torchrun` launched for this training, or this process alone.

    A process group that the program initialized is used, and not destroyed. Raises `TrainingError` if the processes
    cannot connect to each other.
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
        # Numbers and messages always use gloo: waiting for NCCL keeps a core busy.
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)
    except (RuntimeError, ValueError) as error:
        raise TrainingError(
            f"the {launched_processes()} processes do not find each other: start them by torchrun"
        ) from error
    try:
        yield ProcessGroup(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def launched_processes() -> int:
    """The number of processes that `torchrun` launched."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_device_index() -> int:
    """The graphics card of this process. Raises `TrainingError` if there are more processes than cards."""
    own, cards = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if own >= cards:
        raise TrainingError(
            f"there are {os.environ.get('LOCAL_WORLD_SIZE', own + 1)} processes on this machine and {cards} graphics "
            "cards: start a process for each card, or choose the device cpu"
        )
    return own


def failed_first(error: Exception) -> bool:
    """Whether this process failed first. Its message has the cause; those of the others only follow from it."""
    if isinstance(error, ProcessLost):
        time.sleep(1)  # let the lost process report its own error first
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    try:
        host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = dist.TCPStore(host, port, is_master=False, timeout=timedelta(seconds=10))  # type: ignore[attr-defined]
        first = bool(store.add(f"semelha/failed/{attempt}", 1) == 1)
    except (KeyError, ValueError, RuntimeError):
        # The store is gone: torchrun ended it after another failure, or it belonged to a process that ended.
        return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    if not first:
        time.sleep(1)  # torchrun ends all processes when one has ended: let the first print its message
    return first


class _AllGather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, sizes: tuple[int, ...], rank: int) -> Tensor:
        ctx.start, ctx.length = sum(sizes[:rank]), sizes[rank]
        padded = own.new_zeros(max(sizes), *own.shape[1:])  # all_gather needs equal shapes
        padded[: len(own)] = own
        parts = [torch.empty_like(padded) for _ in sizes]
        with _lost_process_as_error():
            dist.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient.narrow(0, ctx.start, ctx.length), None, None


@torch.no_grad()
def _flattened(tensors: list[Tensor], collective: Callable[[Tensor], object]) -> None:
    """Call `collective` once for all tensors of a dtype, concatenated."""
    for kind in dict.fromkeys(tensor.dtype for tensor in tensors):
        same = [tensor for tensor in tensors if tensor.dtype == kind]
        flat = torch.cat([tensor.reshape(-1) for tensor in same])
        collective(flat)
        for tensor, part in zip(same, torch.split(flat, [tensor.numel() for tensor in same]), strict=True):
            tensor.copy_(part.view_as(tensor))


def _broadcast_from_zero(tensor: Tensor) -> None:
    dist.broadcast(tensor, src=0)


@contextmanager
def _lost_process_as_error() -> Iterator[None]:
    """Raise `ProcessLost` for the errors of torch about sockets."""
    try:
        yield
    except RuntimeError as error:
        raise ProcessLost(
            "another process of this training has ended: continue with --resume, in any number of processes"
        ) from error
