"""Softmax over the other members of the batch: supervised contrastive loss and NT-Xent."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semelha.deep.losses.masks import mean_where, positives_and_negatives
from semelha.deep.losses.sphere import cosines, unit

LOW = -1e30  # a score whose exponential is 0, and whose gradient is finite as that of −∞ is not


class SupCon(nn.Module):
    """Supervised contrastive loss (Khosla et al., NeurIPS 2020, equation 2).

    For an anchor i with positives P(i): −1/|P(i)| Σ_p log( exp(z_i·z_p/τ) / Σ_{a≠i} exp(z_i·z_a/τ) ),
    averaged over the anchors that have a positive. Embeddings (batch, dim) of any length are put on the unit
    sphere here; labels (batch,) int64.

    Parameters
    ----------
    temperature : float
        τ.
    """

    def __init__(self, *, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        scores, positive, _ = _scores(embeddings, labels, self.temperature)  # (batch, batch)
        log_share = scores - torch.logsumexp(scores, dim=1, keepdim=True)
        count = positive.sum(dim=1)  # (batch,)
        of_anchor = -torch.where(positive, log_share, 0.0).sum(dim=1) / count.clamp(min=1)
        return mean_where(of_anchor, count > 0)


class NTXent(nn.Module):
    """NT-Xent, the loss of SimCLR (Chen et al., ICML 2020, equation 1), for any number of positives.

    For each positive pair (i, p): −log( exp(s_ip) / (exp(s_ip) + Σ_{n negative of i} exp(s_in)) ), s = z·z/τ,
    averaged over the pairs. The sum over the negatives is one per anchor, hence O(batch²) time and memory.
    Embeddings (batch, dim) of any length are put on the unit sphere here; labels (batch,) int64, where two
    views of one picture share one.

    Parameters
    ----------
    temperature : float
        τ.
    """

    def __init__(self, *, temperature: float = 0.5) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        scores, positive, negative = _scores(embeddings, labels, self.temperature)  # (batch, batch)
        against = torch.where(negative, scores, LOW).logsumexp(dim=1, keepdim=True)  # (batch, 1)
        return mean_where(F.softplus(torch.where(positive, against - scores, 0.0)), positive)


def _scores(embeddings: Tensor, labels: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """Scores with the diagonal struck out, positives, negatives: each (batch, batch)."""
    z = unit(embeddings)
    positive, negative = positives_and_negatives(labels)
    return torch.where(positive | negative, cosines(z, z) / temperature, LOW), positive, negative
