"""Distances within a batch, safe to differentiate."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from semelha.deep.losses.infonce import HALF
from semelha.metrics import Euclidean


def distances(embeddings: Tensor) -> Tensor:
    """Euclidean distances on the unit sphere: (batch, dim) → (batch, batch). Gradient 0 where the distance is 0."""
    z = F.normalize(embeddings.float() if embeddings.dtype in HALF else embeddings, dim=1)
    with torch.autocast(z.device.type, enabled=False):
        found: Tensor = Euclidean().pairwise(z, z)
    return found
