"""Mining: which pairs, and which triplets of them, count. Masks in, masks out; nothing is listed."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from semelha.deep.losses.blocks import parts
from semelha.deep.losses.counting import triplets_within
from semelha.deep.losses.masks import counts
from semelha.deep.losses.pairs import Pairs
from semelha.errors import UsageError
from semelha.metrics import METRICS, Metric

Negatives = Literal["all", "semi-hard", "hard"]


class Mining(ABC):
    """Which pairs count, and, for a loss of triplets, which triplets of these pairs."""

    needs_chord_length: ClassVar[bool] = False
    """It takes only metrics whose distances tell the Euclidean distance of unit vectors."""

    def check(self, metric: Metric) -> None:
        """Raise `UsageError` for a metric whose distances it cannot take."""
        if self.needs_chord_length and not metric.has_chord_length:
            known = ", ".join(name for name, kind in METRICS.items() if kind.has_chord_length)
            raise UsageError(
                f"{type(self).__name__} does not know how distances by {metric.name} are spread: "
                f"take one of {known}, or another mining"
            )

    @abstractmethod
    def pairs(self, pairs: Pairs) -> Pairs:
        """The same anchors and references with fewer positives and negatives, or as many."""

    def triplets(self, pairs: Pairs, reach: float) -> Tensor:
        """How often each pair is the positive of a triplet with d(a, n) − reach < d(a, p), less how often its negative.

        Only the triplets that count; (anchors, references).
        """
        return triplets_within(reach, self.pairs(pairs))

    def takes(self, ahead: Tensor) -> Tensor:
        """Whether a triplet of such pairs counts, by d(a, n) − d(a, p), elementwise: bool."""
        return torch.ones_like(ahead, dtype=torch.bool)


@dataclass(frozen=True)
class AllPairs(Mining):
    """All."""

    def pairs(self, pairs: Pairs) -> Pairs:
        return pairs


@dataclass(frozen=True)
class SemiHard(Mining):
    """Triplets whose negative is farther away than the positive (Schroff et al., CVPR 2015, eq. 4), but not by far.

    Of pairs: those that stand in such a triplet.

    Parameters
    ----------
    margin : float
        By less than this. A triplet loss looks no farther than its own margin anyway.
    """

    margin: float = math.inf

    def pairs(self, pairs: Pairs) -> Pairs:
        return _in_one_of(self.triplets(pairs, math.inf), pairs)

    def triplets(self, pairs: Pairs, reach: float) -> Tensor:
        return triplets_within(min(reach, self.margin), pairs).sub_(triplets_within(0, pairs, ties=True))

    def takes(self, ahead: Tensor) -> Tensor:
        return (ahead > 0) & (ahead < self.margin)


@dataclass(frozen=True)
class Hard(Mining):
    """Triplets whose negative is no farther from the anchor than the positive. Of pairs: those that stand in one."""

    def pairs(self, pairs: Pairs) -> Pairs:
        return _in_one_of(self.triplets(pairs, math.inf), pairs)

    def triplets(self, pairs: Pairs, reach: float) -> Tensor:
        return triplets_within(0, pairs, ties=True)

    def takes(self, ahead: Tensor) -> Tensor:
        return ahead <= 0


@dataclass(frozen=True)
class BatchHard(Mining):
    """For each anchor its farthest positive and its nearest negative (Hermans et al., 2017, equation 5)."""

    def pairs(self, pairs: Pairs) -> Pairs:
        positive = _one_of_each_row(pairs.distance, pairs.positive, largest=True)
        negative = _one_of_each_row(pairs.distance, pairs.negative, largest=False)
        return _with_both(pairs.only(positive, negative))


@dataclass(frozen=True)
class EasyPositive(Mining):
    """For each anchor its nearest positive alone (Xuan, Stylianou & Pless, WACV 2020, section 3).

    Parameters
    ----------
    negatives : {"semi-hard", "hard", "all"}
        Beside it: the nearest negative that is farther than this positive, the nearest, or all.
    """

    negatives: Negatives = "semi-hard"

    def __post_init__(self) -> None:
        if self.negatives not in get_args(Negatives):
            raise UsageError(f"negatives is {self.negatives!r}: it is one of {', '.join(get_args(Negatives))}")

    def pairs(self, pairs: Pairs) -> Pairs:
        distance, negative = pairs.distance.detach(), pairs.negative
        positive = _one_of_each_row(distance, pairs.positive, largest=False)
        if self.negatives == "semi-hard":
            nearest = torch.where(positive, distance, torch.inf).amin(dim=1, keepdim=True)  # (anchors, 1)
            negative = negative & (distance > nearest)
        if self.negatives != "all":
            negative = _one_of_each_row(distance, negative, largest=False)
        return _with_both(pairs.only(positive, negative))


@dataclass(frozen=True)
class DistanceWeighted(Mining):
    """As many negatives as an anchor has positives, drawn so that all distances come equally often.

    Wu et al. (ICCV 2017, section 4): by 1 / q(d), with q(d) ∝ d^(dim − 2) (1 − d²/4)^((dim − 3)/2) the density of the
    Euclidean distance between random points of the sphere. Drawn without replacement, by torch's own generator. The
    metric is Euclidean, or one that tells the Euclidean distance there: its square, or the cosine distance.

    Parameters
    ----------
    cutoff : float
        Euclidean distances below it are drawn as if they were it, lest a few that lie very near are always drawn.
    farthest : float
        Negatives beyond it are never drawn.
    """

    cutoff: float = 0.5
    farthest: float = 1.4
    needs_chord_length = True

    def pairs(self, pairs: Pairs) -> Pairs:
        log_weight = self.log_weights(pairs)  # (anchors, references), −∞ for what is not drawn
        wanted = counts(pairs.positive)  # (anchors,)
        most = min(int(wanted.max()), log_weight.shape[1]) if len(wanted) else 0
        # Largest of log w + Gumbel noise: draws by w, without replacement.
        noise = torch.rand_like(log_weight).clamp(min=1e-20).log().neg().clamp(min=1e-20).log().neg()
        drawn, places = (log_weight + noise).topk(most, dim=1)
        chosen = (torch.arange(most, device=wanted.device) < wanted[:, None]) & (drawn > -torch.inf)
        negative = torch.zeros_like(pairs.negative).scatter_(1, places, chosen)
        return _with_both(pairs.only(pairs.positive, negative))

    def log_weights(self, pairs: Pairs) -> Tensor:
        """ln 1/q of each negative, up to a constant; −∞ for other pairs: (anchors, references)."""
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


def _in_one_of(triplets: Tensor, pairs: Pairs) -> Pairs:
    return pairs.only(triplets > 0, triplets < 0)


def _one_of_each_row(distance: Tensor, mask: Tensor, *, largest: bool) -> Tensor:
    """The farthest or the nearest under the mask, alone, in each row that has one: (n, m) bool."""
    sign = -1.0 if largest else 1.0
    places = [torch.where(some, sign * d, torch.inf).argmin(dim=1) for d, some in parts(distance.detach(), mask)]
    place = torch.cat(places)[:, None]
    return torch.zeros_like(mask).scatter_(1, place, mask.gather(1, place))


def _with_both(pairs: Pairs) -> Pairs:
    """Without the anchors that lack a positive or a negative."""
    both = pairs.positive.any(dim=1, keepdim=True) & pairs.negative.any(dim=1, keepdim=True)
    return pairs.only(pairs.positive & both, pairs.negative & both)
