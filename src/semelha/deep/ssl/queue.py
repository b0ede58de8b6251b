"""The queue of keys: what the last batches were, for the next ones to be told from."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semelha.errors import UsageError


class Queue(nn.Module):
    """The last `size` keys, first in first out (He et al., CVPR 2020, section 3.2).

    It begins with vectors drawn by torch's own generator from the sphere. It is part of the state of the module, and
    goes into a checkpoint.

    Parameters
    ----------
    size, dim : int
    batch : int
        Keys that come at once; `size` is a multiple of it.

    Raises
    ------
    UsageError
        `size` is no multiple of the batch: a batch would be torn at the end.
    """

    stored: Tensor
    place: Tensor

    def __init__(self, size: int, dim: int, *, batch: int) -> None:
        super().__init__()
        if size < batch or size % batch:
            raise UsageError(
                f"the queue holds {size} keys and a batch brings {batch}: it must be a multiple of that, such as "
                f"{batch * max(1, round(size / batch))}"
            )
        self.register_buffer("stored", F.normalize(torch.randn(size, dim), dim=1))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))

    def keys(self) -> Tensor:
        """(size, dim): a copy, for a backward pass needs what was compared, and the next batch overwrites it."""
        return self.stored.clone()

    @torch.no_grad()
    def put(self, keys: Tensor) -> None:
        """Let (batch, dim) keys in, in place of the oldest."""
        place = int(self.place)
        self.stored[place : place + len(keys)] = keys.to(self.stored.dtype)
        self.place.fill_((place + len(keys)) % len(self.stored))
