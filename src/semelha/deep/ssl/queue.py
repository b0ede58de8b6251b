"""The queue of MoCo: keys of the last batches, used as negatives."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semelha.errors import UsageError


class KeyQueue(nn.Module):
    """The last `size` keys, first in, first out (He et al., CVPR 2020, section 3.2).

    The initial keys are random unit vectors, drawn by torch's global generator. The queue is part of the module's
    state, and so of a checkpoint.

    Parameters
    ----------
    size, dim : int
    batch : int
        Keys per `put`.

    Raises
    ------
    UsageError
        `size` is not a multiple of the batch.
    """

    stored: Tensor
    place: Tensor

    def __init__(self, size: int, dim: int, *, batch: int) -> None:
        super().__init__()
        if size < batch or size % batch:
            raise UsageError(
                f"the queue holds {size} keys: it must be a multiple of the batch of {batch}, such as "
                f"{batch * max(1, round(size / batch))}"
            )
        self.register_buffer("stored", F.normalize(torch.randn(size, dim), dim=1))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))

    def keys(self) -> Tensor:
        """Return a copy, (size, dim): the next `put` may come before the backward pass."""
        return self.stored.clone()

    @torch.no_grad()
    def put(self, keys: Tensor) -> None:
        """Replace the oldest keys by (batch, dim) new ones."""
        place = int(self.place)
        self.stored[place : place + len(keys)] = keys.to(self.stored.dtype)
        self.place.fill_((place + len(keys)) % len(self.stored))
