"""Softmax over the other members of the batch: supervised contrastive loss, NT-Xent, InfoNCE, N-pair.

With one positive for each anchor the first three are one loss. They differ in what they make of several: SupCon
averages over them outside the logarithm, NT-Xent sets each against the negatives alone, InfoNCE adds them up inside
the logarithm. A score is −d/τ; for the cosine distance, where they differ from their papers' z·z/τ by a constant, that
is the same loss.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from semelha.deep.losses.masks import log_sum_where, mean_where
from semelha.deep.losses.mining import All, Mining
from semelha.deep.losses.pairs import PairLoss, Pairs
from semelha.deep.metric_layer import MetricLayer
from semelha.metrics import Cosine, Metric


class SupCon(PairLoss):
    """Supervised contrastive loss (Khosla et al., NeurIPS 2020, equation 2).

    For an anchor i with positives P(i): −1/|P(i)| Σ_p log( exp(z_i·z_p/τ) / Σ_{a≠i} exp(z_i·z_a/τ) ),
    averaged over the anchors that have a positive.

    Parameters
    ----------
    temperature : float
        τ.
    metric : Metric or MetricLayer, optional
        Cosine where not given.
    mining : Mining, optional
        All pairs where not given.
    """

    def __init__(
        self, *, temperature: float = 0.1, metric: Metric | MetricLayer | None = None, mining: Mining | None = None
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.metric = metric or Cosine()
        self.mining = mining or All()

    def of(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        scores = pairs.distance / -self.temperature  # (anchors, references)
        against = log_sum_where(scores, pairs.positive | pairs.negative)  # (anchors,)
        count = pairs.positive.sum(dim=1)  # (anchors,)
        mean_score = torch.where(pairs.positive, scores, 0.0).sum(dim=1) / count.clamp(min=1)
        return mean_where(against - mean_score, count > 0)


class NTXent(PairLoss):
    """NT-Xent, the loss of SimCLR (Chen et al., ICML 2020, equation 1), for any number of positives.

    For each positive pair (i, p): −log( exp(s_ip) / (exp(s_ip) + Σ_{n negative of i} exp(s_in)) ), s = z·z/τ,
    averaged over the pairs. The sum over the negatives is one per anchor, hence O(batch²) time and memory. Two views
    of one picture share a label.

    Parameters
    ----------
    temperature : float
        τ.
    metric : Metric or MetricLayer, optional
        Cosine where not given.
    mining : Mining, optional
        All pairs where not given.
    """

    def __init__(
        self, *, temperature: float = 0.5, metric: Metric | MetricLayer | None = None, mining: Mining | None = None
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.metric = metric or Cosine()
        self.mining = mining or All()

    def of(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        scores = pairs.distance / -self.temperature  # (anchors, references)
        against = log_sum_where(scores, pairs.negative)  # (anchors,)
        row, column = pairs.positive.nonzero(as_tuple=True)
        return F.softplus(against[row] - scores[row, column]).sum() / max(len(row), 1)


class InfoNCE(PairLoss):
    """InfoNCE (van den Oord et al., 2018, equation 4), for any number of positives.

    For an anchor i with positives P(i): −log( Σ_p exp(s_ip) / Σ_{a≠i} exp(s_ia) ), s = z·z/τ, averaged over the
    anchors that have a positive; several positives as in MIL-NCE (Miech et al., CVPR 2020, equation 1). With squared
    Euclidean distances and τ = 1 that is neighborhood components analysis on the sphere.

    Parameters
    ----------
    temperature : float
        τ.
    metric : Metric or MetricLayer, optional
        Cosine where not given.
    mining : Mining, optional
        All pairs where not given.
    """

    def __init__(
        self, *, temperature: float = 0.07, metric: Metric | MetricLayer | None = None, mining: Mining | None = None
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.metric = metric or Cosine()
        self.mining = mining or All()

    def of(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        scores = pairs.distance / -self.temperature  # (anchors, references)
        ours, theirs = log_sum_where(scores, pairs.positive), log_sum_where(scores, pairs.negative)  # (anchors,)
        some = pairs.positive.any(dim=1)
        return mean_where(F.softplus(torch.where(some, theirs - ours, 0.0)), some)


class NPair(PairLoss):
    """N-pair loss (Sohn, NIPS 2016, equation 8), on the sphere with a temperature in place of the paper's penalty.

    The first picture of each class that has a positive is its anchor, its first positive stands for the class:
    −log( exp(s_cc) / Σ_k exp(s_ck) ) with s_ck = z_c·z⁺_k/τ, averaged over the classes. What else there is of a class
    is left out: made for batches of two a class.

    Parameters
    ----------
    temperature : float
        τ.
    metric : Metric or MetricLayer, optional
        Cosine where not given.
    mining : Mining, optional
        All pairs where not given. Negatives that it leaves out stay out of the sum.
    """

    def __init__(
        self, *, temperature: float = 0.1, metric: Metric | MetricLayer | None = None, mining: Mining | None = None
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.metric = metric or Cosine()
        self.mining = mining or All()

    def of(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        anchors = pairs.positive.any(dim=1).nonzero()[:, 0]
        _, of_class = torch.unique(pairs.labels[anchors], return_inverse=True)
        first = torch.full((int(of_class.max()) + 1 if len(anchors) else 0,), len(pairs.labels), device=anchors.device)
        rows = first.scatter_reduce(0, of_class, anchors, "amin")  # (classes,)
        columns = pairs.positive[rows].to(torch.int8).argmax(dim=1)  # the first positive of each
        scores = pairs.distance[rows][:, columns] / -self.temperature  # (classes, classes)
        counts = pairs.negative[rows][:, columns] | torch.eye(len(rows), dtype=torch.bool, device=rows.device)
        return (log_sum_where(scores, counts) - scores.diagonal()).sum() / max(len(rows), 1)
