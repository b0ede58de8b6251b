"""Softmax losses over the batch: supervised contrastive loss, NT-Xent, InfoNCE and N-pair loss.

With one positive per anchor, the first three are the same loss. With several positives, SupCon averages over them
outside the logarithm, NT-Xent compares each with the negatives alone, and InfoNCE adds them up inside the logarithm.
A score is −d/τ. For the cosine distance it differs from the papers' z·z/τ by a constant, which leaves the loss as is.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from semelha.deep.losses.blockwise import masked_logsumexp, masked_logsumexp_and_gather, masked_mean
from semelha.deep.losses.distances import Pairs, References, at_least_float32
from semelha.deep.losses.pair_loss import TemperatureLoss


class SupCon(TemperatureLoss):
    """Supervised contrastive loss (Khosla et al., NeurIPS 2020, equation 2).

    For an anchor i with positives P(i): −1/|P(i)| Σ_p log( exp(z_i·z_p/τ) / Σ_{a≠i} exp(z_i·z_a/τ) ),
    averaged over the anchors that have a positive.
    """

    default_temperature = 0.1

    def of_pairs(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        total, distances, filled = masked_logsumexp_and_gather(
            pairs.distance, pairs.positive | pairs.negative, -1 / self.temperature, pairs.positive
        )  # (anchors,), (anchors, positives) twice
        count = filled.sum(dim=1)  # (anchors,)
        mean_distance = torch.where(filled, distances, 0.0).sum(dim=1) / count.clamp(min=1)
        return masked_mean(total + mean_distance / self.temperature, count > 0)


class NTXent(TemperatureLoss):
    """NT-Xent, the loss of SimCLR (Chen et al., ICML 2020, equation 1), for any number of positives.

    For each positive pair (i, p): −log( exp(s_ip) / (exp(s_ip) + Σ_{n negative of i} exp(s_in)) ), s = z·z/τ,
    averaged over the pairs. There is one sum over negatives per anchor, hence O(batch²) time and memory. Two views of
    one picture have the same label.
    """

    default_temperature = 0.5

    def of_pairs(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        negatives, distances, filled = masked_logsumexp_and_gather(
            pairs.distance, pairs.negative, -1 / self.temperature, pairs.positive
        )  # (anchors,), (anchors, positives) twice
        return masked_mean(F.softplus(negatives[:, None] + distances / self.temperature), filled)


class InfoNCE(TemperatureLoss):
    """InfoNCE (van den Oord et al., 2018, equation 4), for any number of positives.

    For an anchor i with positives P(i): −log( Σ_p exp(s_ip) / Σ_{a≠i} exp(s_ia) ), s = z·z/τ, averaged over the
    anchors that have a positive; several positives as in MIL-NCE (Miech et al., CVPR 2020, equation 1). With squared
    Euclidean distances and τ = 1 it is neighborhood components analysis on the unit sphere.
    """

    default_temperature = 0.07

    def of_pairs(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        total, distances, filled = masked_logsumexp_and_gather(
            pairs.distance, pairs.positive | pairs.negative, -1 / self.temperature, pairs.positive
        )  # (anchors,), (anchors, positives) twice
        positives = masked_logsumexp(distances, filled, -1 / self.temperature)  # (anchors,)
        return masked_mean(total - positives, filled.any(dim=1))


class NPair(TemperatureLoss):
    """N-pair loss (Sohn, NIPS 2016, equation 8), of unit vectors with a temperature in place of the paper's penalty.

    The first picture of each class is its anchor, the second its positive:
    −log( exp(s_cc) / Σ_k exp(s_ck) ) with s_ck = z_c·z⁺_k/τ, averaged over the classes. Further pictures of a class are
    ignored, so it is for batches of two pictures per class.
    """

    default_temperature = 0.1

    def forward(self, embeddings: Tensor, labels: Tensor, references: References | None = None) -> Tensor:
        """Compute the loss as `PairLoss.forward` does, of the first picture and the first positive of each class."""
        if references is None:
            references = References(embeddings, labels, torch.arange(len(labels), device=labels.device))
        classes, rows = _first_of_each(labels)
        ordered, order = references.labels.sort(stable=True)
        first, end = torch.searchsorted(ordered, classes), torch.searchsorted(ordered, classes, right=True)
        if references.own is not None:  # an anchor is not its own positive
            first = first + (order[first.clamp(max=len(order) - 1)] == references.own[rows])
        has_positive = first < end
        rows, columns = rows[has_positive], order[first[has_positive]]  # (classes,) each
        if not len(rows):
            return at_least_float32(embeddings)[:0].sum()
        positives = References(references.embeddings[columns], references.labels[columns])
        return super().forward(embeddings[rows], labels[rows], positives)

    def of_pairs(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        total = masked_logsumexp(pairs.distance, pairs.positive | pairs.negative, -1 / self.temperature)  # (classes,)
        return masked_mean(total + pairs.distance.diagonal() / self.temperature, pairs.positive.diagonal())


def _first_of_each(labels: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct labels, ascending, and the first position of each: (classes,) twice."""
    ordered, order = labels.sort(stable=True)
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return ordered[first], order[first]
