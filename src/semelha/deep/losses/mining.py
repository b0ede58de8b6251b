"""Mining: the choice of the pairs and triplets of a batch that count in a loss. Pairs are masks, not lists.

No triplet is formed. The positives of each anchor are sorted, each negative is located among them (`searchsorted`), and
a cumulative sum gives each positive its number of negatives within reach: O(batch² log batch) time for batch³ triplets,
and O(batch²) memory.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from semelha.deep.losses.blockwise import masked_columns, row_counts, split_rows
from semelha.deep.losses.distances import Pairs
from semelha.errors import UsageError
from semelha.metrics import METRICS, Metric


@torch.no_grad()
def count_triplets(reach: float, pairs: Pairs, *, ties: bool = False) -> Tensor:
    """Count for each pair the triplets with d(a, n) − reach < d(a, p) it is positive in, minus those it is negative in.

    Returns (anchors, references), whole numbers in the dtype of the distances. With `ties`, ≤ instead of <.
    """
    counts = torch.empty_like(pairs.distance)
    for out, *rows in split_rows(counts, pairs.distance.detach(), pairs.positive, pairs.negative):
        out.copy_(_count(reach, *rows, ties=ties))
    return counts


def _count(reach: float, distance: Tensor, positive: Tensor, negative: Tensor, *, ties: bool) -> Tensor:
    columns, filled = masked_columns(positive)  # (n, most)
    most = columns.shape[1]
    near = distance - reach
    if most == 1:  # as after a mining of one positive: nothing to sort
        far = distance.gather(1, columns)
        within = negative & filled & ((near <= far) if ties else (near < far))
        number = row_counts(within)[:, None].to(distance.dtype)
        return within.to(distance.dtype).neg_().scatter_add_(1, columns, number)
    far, order = torch.where(filled, distance.gather(1, columns), -torch.inf).sort(dim=1)
    behind = torch.searchsorted(far, near, right=not ties)  # positives that are too near for each d(a, n): (n, m)
    first = torch.zeros(len(far), most + 1, dtype=distance.dtype, device=distance.device)
    first.scatter_add_(1, behind, negative.to(distance.dtype))  # negatives by the first positive that reaches them
    as_positive = torch.where(far > -torch.inf, first.cumsum(dim=1)[:, :most], 0.0)
    counts = torch.where(negative, behind - most, 0).to(distance.dtype)
    return counts.scatter_add_(1, columns.gather(1, order), as_positive)


Negatives = Literal["all", "semi-hard", "hard"]


class Mining(ABC):
    """A choice of pairs, and, for a loss of triplets, of triplets of these pairs.

    Attributes
    ----------
    needs_chord_length : bool
        It takes only metrics that determine the Euclidean distance of unit vectors (`Metric.has_chord_length`).
    """

    needs_chord_length: ClassVar[bool] = False

    def check(self, metric: Metric) -> None:
        """Raise `UsageError` for a metric whose distances it cannot take."""
        if self.needs_chord_length and not metric.has_chord_length:
            known = ", ".join(name for name, kind in METRICS.items() if kind.has_chord_length)
            raise UsageError(
                f"{type(self).__name__} needs a distance that determines the Euclidean one, and {metric.name} does "
                f"not: take one of {known}, or another mining"
            )

    @abstractmethod
    def pairs(self, pairs: Pairs) -> Pairs:
        """Return the pairs with the positives and negatives that count."""

    def triplets(self, pairs: Pairs, reach: float) -> Tensor:
        """Count the chosen triplets with d(a, n) − reach < d(a, p) as `count_triplets` does: (anchors, references)."""
        return count_triplets(reach, self.pairs(pairs))

    def takes(self, gap: Tensor) -> Tensor:
        """Whether a triplet of chosen pairs counts, by its d(a, n) − d(a, p), elementwise: bool."""
        return torch.ones_like(gap, dtype=torch.bool)


@dataclass(frozen=True)
class AllPairs(Mining):
    """All pairs and all triplets."""

    def pairs(self, pairs: Pairs) -> Pairs:
        return pairs


@dataclass(frozen=True)
class SemiHard(Mining):
    """Triplets whose negative is farther than the positive, by less than a margin (Schroff et al., CVPR 2015, eq. 4).

    For a loss of pairs: the pairs of such triplets.

    Parameters
    ----------
    margin : float
        A triplet loss uses its own margin if that is smaller.
    """

    margin: float = math.inf

    def pairs(self, pairs: Pairs) -> Pairs:
        return _pairs_of_triplets(self.triplets(pairs, math.inf), pairs)

    def triplets(self, pairs: Pairs, reach: float) -> Tensor:
        return count_triplets(min(reach, self.margin), pairs).sub_(count_triplets(0, pairs, ties=True))

    def takes(self, gap: Tensor) -> Tensor:
        return (gap > 0) & (gap < self.margin)


@dataclass(frozen=True)
class Hard(Mining):
    """Triplets whose negative is not farther than the positive. For a loss of pairs: the pairs of such triplets."""

    def pairs(self, pairs: Pairs) -> Pairs:
        return _pairs_of_triplets(self.triplets(pairs, math.inf), pairs)

    def triplets(self, pairs: Pairs, reach: float) -> Tensor:
        return count_triplets(0, pairs, ties=True)

    def takes(self, gap: Tensor) -> Tensor:
        return gap <= 0


@dataclass(frozen=True)
class BatchHard(Mining):
    """The farthest positive and the nearest negative of each anchor (Hermans et al., 2017, equation 5)."""

    def pairs(self, pairs: Pairs) -> Pairs:
        positive = _one_of_each_row(pairs.distance, pairs.positive, largest=True)
        negative = _one_of_each_row(pairs.distance, pairs.negative, largest=False)
        return _anchors_with_both(pairs.only(positive, negative))


@dataclass(frozen=True)
class EasyPositive(Mining):
    """The nearest positive of each anchor (Xuan, Stylianou & Pless, WACV 2020, section 3).

    Raises `UsageError` if `negatives` has another value.

    Parameters
    ----------
    negatives : {"semi-hard", "hard", "all"}
        The nearest negative that is farther than this positive, the nearest negative, or all negatives.
    """

    negatives: Negatives = "semi-hard"

    def __post_init__(self) -> None:
        if self.negatives not in get_args(Negatives):
            raise UsageError(f"negatives is {self.negatives!r}: it must be one of {', '.join(get_args(Negatives))}")

    def pairs(self, pairs: Pairs) -> Pairs:
        distance, negative = pairs.distance.detach(), pairs.negative
        positive = _one_of_each_row(distance, pairs.positive, largest=False)
        if self.negatives == "semi-hard":
            nearest = torch.where(positive, distance, torch.inf).amin(dim=1, keepdim=True)  # (anchors, 1)
            negative = negative & (distance > nearest)
        if self.negatives != "all":
            negative = _one_of_each_row(distance, negative, largest=False)
        return _anchors_with_both(pairs.only(positive, negative))


@dataclass(frozen=True)
class DistanceWeighted(Mining):
    """As many random negatives as an anchor has positives, such that all distances are equally frequent.

    Wu et al. (ICCV 2017, section 4): the weight of a negative is 1 / q(d), with q(d) ∝ d^(dim − 2)
    (1 − d²/4)^((dim − 3)/2), the density of the Euclidean distance between random points of the unit sphere. Drawn
    without replacement by torch's global generator. The metric must be Euclidean, squared Euclidean or cosine.

    Parameters
    ----------
    cutoff : float
        Euclidean distances below it get its weight, lest a few very near negatives are always drawn.
    farthest : float
        Negatives beyond it are never drawn.
    """

    cutoff: float = 0.5
    farthest: float = 1.4
    needs_chord_length = True

    def pairs(self, pairs: Pairs) -> Pairs:
        log_weight = self.log_weights(pairs)  # (anchors, references), −∞ if never drawn
        wanted = row_counts(pairs.positive)  # (anchors,)
        most = min(int(wanted.max()), log_weight.shape[1]) if len(wanted) else 0
        # The largest log w + Gumbel noise: a draw by w, without replacement.
        noise = torch.rand_like(log_weight).clamp(min=1e-20).log().neg().clamp(min=1e-20).log().neg()
        drawn, columns = (log_weight + noise).topk(most, dim=1)
        chosen = (torch.arange(most, device=wanted.device) < wanted[:, None]) & (drawn > -torch.inf)
        negative = torch.zeros_like(pairs.negative).scatter_(1, columns, chosen)
        return _anchors_with_both(pairs.only(pairs.positive, negative))

    def log_weights(self, pairs: Pairs) -> Tensor:
        """Compute ln 1/q of each negative, up to a constant; −∞ for other pairs: (anchors, references)."""
        self.check(pairs.metric)
        dim, distance = pairs.dim, pairs.metric.chord_length(pairs.distance.detach())
        d = distance.clamp(min=self.cutoff)
        log_weight = (2 - dim) * d.log() - (dim - 3) / 2 * torch.log1p(-(d * d / 4).clamp(max=1 - 1e-6))
        return torch.where(pairs.negative & (distance < self.farthest), log_weight, -torch.inf)


@dataclass(frozen=True)
class MultiSimilarityMining(Mining):
    """Negatives nearer than the farthest positive + ε; positives farther than the nearest negative − ε.

    Wang et al. (CVPR 2019, equations 11 and 12).

    Parameters
    ----------
    epsilon : float
        ε, in the unit of the distance.
    """

    epsilon: float = 0.1

    def pairs(self, pairs: Pairs) -> Pairs:
        distance = pairs.distance.detach()
        farthest = torch.where(pairs.positive, distance, -torch.inf).amax(dim=1, keepdim=True)  # (anchors, 1)
        nearest = torch.where(pairs.negative, distance, torch.inf).amin(dim=1, keepdim=True)
        return pairs.only(
            pairs.positive & (distance + self.epsilon > nearest),
            pairs.negative & (distance - self.epsilon < farthest),
        )


def _pairs_of_triplets(counts: Tensor, pairs: Pairs) -> Pairs:
    """The positives and negatives that are part of a counted triplet."""
    return pairs.only(counts > 0, counts < 0)


def _one_of_each_row(distance: Tensor, mask: Tensor, *, largest: bool) -> Tensor:
    """The farthest or nearest under the mask alone, in each row that has one: (n, m) bool."""
    sign = -1.0 if largest else 1.0
    columns = [torch.where(some, sign * d, torch.inf).argmin(dim=1) for d, some in split_rows(distance.detach(), mask)]
    column = torch.cat(columns)[:, None]
    return torch.zeros_like(mask).scatter_(1, column, mask.gather(1, column))


def _anchors_with_both(pairs: Pairs) -> Pairs:
    """The pairs of the anchors that have a positive and a negative."""
    both = pairs.positive.any(dim=1, keepdim=True) & pairs.negative.any(dim=1, keepdim=True)
    return pairs.only(pairs.positive & both, pairs.negative & both)
