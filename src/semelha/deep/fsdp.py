"""Fully sharded data parallel (FSDP): each process keeps a part of the weights, their gradients and optimizer state.

A weight is gathered from all processes when its layer is computed, forward and backward, and its gradients are summed
into the parts (Rajbhandari et al., SC 2020, ZeRO stage 3; `torch.distributed.fsdp.fully_shard`). Parts are `DTensor`s.
A checkpoint has whole tensors, so that any number of processes can resume it, with or without FSDP.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer
from torch.utils._pytree import tree_map

MIN_PARAMETERS = 100_000
"""Of a layer that is gathered by itself; smaller ones are gathered with the layer around them."""


def shard(network: nn.Module, device: torch.device) -> None:
    """Divide the weights of a network on the CPU among all processes, in place. They must be equal in all.

    Layer by layer the parts are moved to the device, which never has the whole network.
    """
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for layer in (*_layers(network), network):
        fully_shard(layer, mesh=mesh)
        assert isinstance(layer, FSDPModule)
        # Sums, not means: each process has its part of the gradient of the whole batch.
        layer.set_gradient_divide_factor(1.0)
        layer.set_force_sum_reduction_for_comms(True)


def _layers(network: nn.Module) -> list[nn.Module]:
    """The elements of all sequences of layers that are large enough, inner ones first."""
    sequences = [part for part in network.modules() if isinstance(part, nn.Sequential | nn.ModuleList)]
    found = [layer for part in reversed(sequences) for layer in part]
    return [layer for layer in found if sum(weight.numel() for weight in layer.parameters()) >= MIN_PARAMETERS]


def is_part(tensor: Tensor | None) -> bool:
    """Whether a process has only a part of a tensor."""
    return isinstance(tensor, DTensor)


def whole(value: Any, *, keep: bool = True) -> Any:
    """A value, such as a `state_dict`, with whole tensors on the CPU in place of parts.

    All processes must call it with the same parts; one that does not `keep` the whole tensors gets None for each.
    """

    def joined(each: Any) -> Any:
        if not isinstance(each, DTensor):
            return each
        with torch.no_grad():
            tensor = each.full_tensor()
        return tensor.cpu() if keep else None

    return tree_map(joined, value)


def by_kind(tensors: Iterable[Tensor]) -> list[list[Tensor]]:
    """Parts and whole tensors apart, because no operation of several tensors takes both."""
    every = list(tensors)
    return [kind for kind in ([t for t in every if is_part(t)], [t for t in every if not is_part(t)]) if kind]


def total_norm(tensors: Iterable[Tensor]) -> float:
    """The norm of all tensors, with the parts of all processes."""
    norms = [whole(torch.nn.utils.get_total_norm(kind)) for kind in by_kind(tensors)]
    return float(torch.stack([norm.cpu() for norm in norms]).norm()) if norms else 0.0


def load_state(into: nn.Module | Optimizer, saved: dict[str, Any]) -> None:
    """`into.load_state_dict`, from whole tensors, of which each process takes its part."""
    if isinstance(into, nn.Module):
        own = into.state_dict()
        into.load_state_dict({name: _part(tensor, own.get(name)) for name, tensor in saved.items()})
        return
    weights = [weight for group in into.param_groups for weight in group["params"]]
    state = {
        number: {name: value if name == "step" else _part(value, weights[number]) for name, value in values.items()}
        for number, values in saved["state"].items()
    }
    into.load_state_dict({**saved, "state": state})


def _part(value: Any, like: Tensor | None) -> Any:
    """What this process has of a whole tensor, if it is as large as `like`: its part, in the memory format of `like`.

    Fused optimizers read weight and state in the order of memory, which differs between formats.
    """
    if not isinstance(value, Tensor) or like is None or value.shape != like.shape:
        return value
    if isinstance(like, DTensor):
        whole_value = value.contiguous().to(like.device)
        return distribute_tensor(whole_value, like.device_mesh, like.placements, src_data_rank=None)
    return torch.empty_like(like, dtype=value.dtype, requires_grad=False).copy_(value)
