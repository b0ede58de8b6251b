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

from semelha.deep.losses.blocks import log_sum_and_few, log_sum_where
from semelha.deep.losses.masks import mean_where
from semelha.deep.losses.mining import AllPairs, Mining
from semelha.deep.losses.pair_loss import PairLoss
from semelha.deep.losses.pairs import Pairs, References
from semelha.deep.losses.sphere import at_least_float32
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
        super().__init__(metric or Cosine(), mining or AllPairs())
        self.temperature = temperature

    def of(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        against, away, there = log_sum_and_few(
            pairs.distance, pairs.positive | pairs.negative, -1 / self.temperature, pairs.positive
        )  # (anchors,), (anchors, positives) twice
        count = there.sum(dim=1)  # (anchors,)
        mean_away = torch.where(there, away, 0.0).sum(dim=1) / count.clamp(min=1)
        return mean_where(against + mean_away / self.temperature, count > 0)


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
        super().__init__(metric or Cosine(), mining or AllPairs())
        self.temperature = temperature

    def of(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        against, away, there = log_sum_and_few(
            pairs.distance, pairs.negative, -1 / self.temperature, pairs.positive
        )  # (anchors,), (anchors, positives) twice
        return mean_where(F.softplus(against[:, None] + away / self.temperature), there)


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
        super().__init__(metric or Cosine(), mining or AllPairs())
        self.temperature = temperature

    def of(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        everything, away, there = log_sum_and_few(
            pairs.distance, pairs.positive | pairs.negative, -1 / self.temperature, pairs.positive
        )  # (anchors,), (anchors, positives) twice
        own = log_sum_where(away, there, -1 / self.temperature)
        return mean_where(everything - own, there.any(dim=1))


class NPair(PairLoss):
    """N-pair loss (Sohn, NIPS 2016, equation 8), on the sphere with a temperature in place of the paper's penalty.

    The first picture of each class is its anchor, the first other one stands for the class:
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
        super().__init__(metric or Cosine(), mining or AllPairs())
        self.temperature = temperature

    def forward(self, embeddings: Tensor, labels: Tensor, references: References | None = None) -> Tensor:
        """As every loss of pairs: of the first of each class against the first positives of all."""
        if references is None:
            references = References(embeddings, labels, torch.arange(len(labels), device=labels.device))
        classes, rows = first_places(labels)
        ordered, order = references.labels.sort(stable=True)
        first, end = torch.searchsorted(ordered, classes), torch.searchsorted(ordered, classes, right=True)
        if references.own is not None:  # an anchor is not its own positive
            first = first + (order[first.clamp(max=len(order) - 1)] == references.own[rows])
        some = first < end
        rows, columns = rows[some], order[first[some]]  # (classes,) each
        if not len(rows):
            return at_least_float32(embeddings)[:0].sum()
        stand_ins = References(references.embeddings[columns], references.labels[columns])
        return super().forward(embeddings[rows], labels[rows], stand_ins)

    def of(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        against = log_sum_where(pairs.distance, pairs.positive | pairs.negative, -1 / self.temperature)  # (classes,)
        return mean_where(against + pairs.distance.diagonal() / self.temperature, pairs.positive.diagonal())


def first_places(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Every label once, ascending, and the first place of each: (classes,) twice."""
    ordered, order = labels.sort(stable=True)
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return ordered[first], order[first]
