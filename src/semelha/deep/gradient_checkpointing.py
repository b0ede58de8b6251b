"""Memory for time: what a block of a network computes is forgotten, and computed again when a gradient asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from semelha.deep.small import SmallBackbone
from semelha.errors import UsageError


def enable_gradient_checkpointing(network: nn.Module) -> None:
    """Let every block of the backbone keep its input alone for the backward pass (Chen et al., 2016, section 3).

    Raises
    ------
    UsageError
        Its backbone, one of timm's, cannot do that.
    """
    for part in network.modules():
        if isinstance(part, SmallBackbone):
            part.recomputed = True
            return
        checkpointing: Any = getattr(part, "set_grad_checkpointing", None)  # timm's
        if checkpointing is not None:
            try:
                checkpointing(True)
            except AssertionError as error:  # how timm says no
                raise UsageError(f"{type(part).__name__} has no blocks to compute again: leave that out") from error
            return
    raise UsageError("the network has no blocks to compute again: leave that out")


def preserve_running_stats(network: nn.Module, backward: Callable[[Tensor], None]) -> Callable[[Tensor], None]:
    """A backward pass that leaves running averages as they are: those of a block moved when it was first computed."""

    def kept(value: Tensor) -> None:
        before = [buffer.clone() for buffer in network.buffers()]
        backward(value)
        with torch.no_grad():
            for buffer, old in zip(network.buffers(), before, strict=True):
                buffer.copy_(old)

    return kept
