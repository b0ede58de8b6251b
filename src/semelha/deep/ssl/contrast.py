"""Queries against keys: the losses of MoCo. Keys have no gradient; both are put on the unit sphere here."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def against_queue(queries: Tensor, keys: Tensor, queue: Tensor, temperature: float) -> Tensor:
    """Each query nearer to its key than to all of a queue: −log( exp(q·k/τ) / (exp(q·k/τ) + Σ_j exp(q·u_j/τ)) ).

    He et al., CVPR 2020, equation 1; the mean over the batch.

    Parameters
    ----------
    queries, keys : (batch, width)
    queue : (size, width)
        Of length 1.
    temperature : float
        τ.
    """
    q, k = F.normalize(queries, dim=1), F.normalize(keys, dim=1)
    scores = torch.cat([(q * k).sum(dim=1, keepdim=True), q @ queue.T], dim=1) / temperature  # (batch, 1 + size)
    return F.cross_entropy(scores, torch.zeros(len(q), dtype=torch.int64, device=q.device))


def against_batch(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Each query nearer to its key than to the other keys of the batch, times 2 τ.

    Chen et al., ICCV 2021, equation 1 and algorithm 1; the mean over the batch.

    Parameters
    ----------
    queries, keys : (batch, width)
    temperature : float
        τ.
    """
    q, k = F.normalize(queries, dim=1), F.normalize(keys, dim=1)
    scores = q @ k.T / temperature  # (batch, batch)
    return 2 * temperature * F.cross_entropy(scores, torch.arange(len(q), device=q.device))
