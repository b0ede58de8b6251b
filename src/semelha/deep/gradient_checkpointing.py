"""Gradient checkpointing: the backward pass computes each block again instead of storing its activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from semelha.deep.small import SmallBackbone
from semelha.errors import UsageError


def enable_gradient_checkpointing(network: nn.Module) -> None:
    """Store only the inputs of the blocks of the backbone for the backward pass (Chen et al., 2016, section 3).

    Raises
    ------
    UsageError
        The backbone is one of timm without support for it.
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

    def kept(value: Tensor) -> None:
        before = [buffer.clone() for buffer in network.buffers()]
        backward(value)
        with torch.no_grad():
            for buffer, old in zip(network.buffers(), before, strict=True):
                buffer.copy_(old)

    return kept
