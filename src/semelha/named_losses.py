"""Losses by name: with a metric, a mining and a memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from semelha.arguments import check_numbers
from semelha.errors import UsageError
from semelha.metrics import METRICS, Mahalanobis, Metric

if TYPE_CHECKING:
    from semelha.deep.losses import Mining, PairLoss, ProxyAnchor, ProxyNCA
    from semelha.deep.metric_layer import MetricLayer
    from semelha.deep.recipe import LossFactory

Pictures = NDArray[np.int64]
"""Number of pictures of each class."""


class Loss(StrEnum):
    """Names of losses: of pairs, then of classes."""

    contrastive = "contrastive"
    triplet = "triplet"
    soft = "triplet-soft-margin"
    quadruplet = "quadruplet"
    npair = "n-pair"
    lifted = "lifted-structure"
    generalized = "generalized-lifted"
    similarity = "multi-similarity"
    circle = "circle"
    supcon = "supcon"
    ntxent = "nt-xent"
    infonce = "infonce"
    margin = "margin"
    fastap = "fast-ap"
    smoothap = "smooth-ap"
    centers = "center"
    proxynca = "proxy-nca"
    proxyanchor = "proxy-anchor"
    softtriple = "soft-triple"
    crossentropy = "cross-entropy"
    normalized = "normalized-softmax"
    sphereface = "sphereface"
    cosface = "cosface"
    arcface = "arcface"
    subcenter = "sub-center-arcface"
    adacos = "adacos"
    dynamic = "dynamic-arcface"


class MiningName(StrEnum):
    """Names of minings."""

    all = "all"
    semihard = "semi-hard"
    hard = "hard"
    batchhard = "batch-hard"
    easypositive = "easy-positive"
    distance = "distance-weighted"
    similarity = "multi-similarity"


METRIC_NAMES = tuple(name for name, kind in METRICS.items() if kind.domain != "gaussians" and name != "agreement")
"""Distances of vectors or histograms that a loss can take. That of thresholds is learned without a network."""


@dataclass(frozen=True)
class NamedLoss:
    """A named loss with its options: makes the loss when the classes are known.

    `settings` are arguments of the loss by name, such as ("margin", 0.3). Raises `UsageError` for a mining, a metric, a
    memory or a setting that the loss does not take.
    """

    loss: Loss
    mining: MiningName | None = None
    metric: str | None = None  # Mahalanobis is learned with the network; the others are fixed
    memory: int | None = None  # number of embeddings of the last batches to compare with
    settings: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        if self.settings:
            factories = {**pair_losses(), **proxy_losses(), **class_losses()}
            checked = check_numbers(str(self.loss), factories[self.loss], dict(self.settings))
            object.__setattr__(self, "settings", tuple(checked.items()))
        if self.metric is not None and self.metric not in METRIC_NAMES:
            raise UsageError(f"no metric is called {self.metric!r}: there are {', '.join(METRIC_NAMES)}")
        if self.loss in pair_losses():
            return
        if self.mining is not None or self.memory is not None:
            raise UsageError(
                f"--mining and --memory are for losses of pairs, and {self.loss} is none: "
                f"take one of {', '.join(pair_losses())}"
            )
        if self.metric is not None and self.loss not in proxy_losses():
            raise UsageError(
                f"--metric is for losses that take any distance, and {self.loss} has its own: "
                f"take one of {', '.join([*pair_losses(), *proxy_losses()])}"
            )

    def __call__(self, pictures: Pictures, dim: int) -> Any:
        """The loss, from the number of pictures of each class and the dimension of the embedding."""
        settings = dict(self.settings)
        if self.loss in class_losses():
            return class_losses()[self.loss](pictures, dim, **settings)
        metric: Metric | MetricLayer | None = None
        if self.metric == Mahalanobis.name:  # learned from the identity
            from semelha.deep.metric_layer import MetricLayer

            metric = MetricLayer(Mahalanobis(M=np.eye(dim)))
        elif self.metric is not None:
            metric = METRICS[self.metric]()
        if self.loss in proxy_losses():
            return proxy_losses()[self.loss](len(pictures), dim, metric=metric, **settings)
        from semelha.deep.losses import CrossBatchMemory

        mining = None if self.mining is None else minings()[self.mining]()
        loss = pair_losses()[self.loss](metric=metric, mining=mining, **settings)
        return loss if self.memory is None else CrossBatchMemory(loss, dim, size=self.memory)

    def __str__(self) -> str:
        parts = {"mining": self.mining, "metric": self.metric, "memory": self.memory, **dict(self.settings)}
        options = ", ".join(f"{name} {value}" for name, value in parts.items() if value is not None)
        return f"{self.loss} ({options})" if options else str(self.loss)


def pair_losses() -> dict[Loss, Callable[..., PairLoss]]:
    """The losses of pairs: factories that take `metric` and `mining`."""
    from semelha.deep import losses as L

    def margin_loss(
        *,
        margin: float = 0.2,
        beta: float = 1.2,
        metric: Metric | MetricLayer | None = None,
        mining: Mining | None = None,
    ) -> PairLoss:
        return L.MarginLoss(margin=margin, beta=beta, metric=metric, mining=mining)

    return {
        Loss.contrastive: L.Contrastive,
        Loss.triplet: L.Triplet,
        Loss.soft: partial(L.Triplet, margin=None),
        Loss.quadruplet: L.Quadruplet,
        Loss.npair: L.NPair,
        Loss.lifted: L.LiftedStructure,
        Loss.generalized: L.GeneralizedLifted,
        Loss.similarity: L.MultiSimilarity,
        Loss.circle: L.Circle,
        Loss.supcon: partial(L.SupCon, temperature=0.05),
        Loss.ntxent: partial(L.NTXent, temperature=0.05),
        Loss.infonce: partial(L.InfoNCE, temperature=0.05),
        Loss.margin: margin_loss,
        Loss.fastap: L.FastAP,
        Loss.smoothap: L.SmoothAP,
    }


def proxy_losses() -> dict[Loss, Callable[..., ProxyNCA | ProxyAnchor]]:
    """The proxy losses that take a metric: factories of (classes, dimension of the embedding, metric=)."""
    from semelha.deep import losses as L

    return {Loss.proxynca: L.ProxyNCA, Loss.proxyanchor: L.ProxyAnchor}


def class_losses() -> dict[Loss, Callable[..., Any]]:
    """The other losses of classes: factories of (pictures of each class, dimension of the embedding)."""
    from semelha.deep import losses as L

    def normalized(pictures: Pictures, dim: int, *, scale: float = 30.0) -> Any:
        return L.MarginSoftmax(len(pictures), dim, margin=L.NoMargin(), scale=scale)

    def sphereface(pictures: Pictures, dim: int, *, margin: int = 4, scale: float = 30.0) -> Any:
        return L.MarginSoftmax(len(pictures), dim, margin=L.SphereFace(margin), scale=scale)

    def cosface(pictures: Pictures, dim: int, *, margin: float = 0.35, scale: float = 30.0) -> Any:
        return L.MarginSoftmax(len(pictures), dim, margin=L.CosFace(margin), scale=scale)

    def arcface(pictures: Pictures, dim: int, *, margin: float = 0.5, scale: float = 30.0, centers: int = 1) -> Any:
        return L.MarginSoftmax(len(pictures), dim, margin=L.ArcFace(margin), scale=scale, centers=centers)

    def dynamic(pictures: Pictures, dim: int, *, scale: float = 30.0) -> Any:
        margins = L.dynamic_margins(pictures.tolist())
        return L.MarginSoftmax(len(pictures), dim, margin=L.ArcFace(), margins=margins, scale=scale)

    def adacos(pictures: Pictures, dim: int) -> Any:
        return normalized(pictures, dim, scale=L.adacos_scale(len(pictures)))

    def centers(pictures: Pictures, dim: int, *, scale: float = 30.0) -> Any:
        parts = normalized(pictures, dim, scale=scale), L.CenterLoss(len(pictures), dim)
        return L.WeightedSum(*parts, weights=(1.0, 0.5))

    def softtriple(
        pictures: Pictures, dim: int, *, scale: float = 20.0, gamma: float = 0.1, margin: float = 0.01
    ) -> Any:
        return L.SoftTriple(len(pictures), dim, scale=scale, gamma=gamma, margin=margin)

    return {
        Loss.centers: centers,
        Loss.softtriple: softtriple,
        Loss.crossentropy: lambda pictures, dim: L.CrossEntropy(len(pictures), dim),
        Loss.normalized: normalized,
        Loss.sphereface: sphereface,
        Loss.cosface: cosface,
        Loss.arcface: arcface,
        Loss.subcenter: partial(arcface, centers=3),
        Loss.adacos: adacos,
        Loss.dynamic: dynamic,
    }


def default_loss(settings: Mapping[str, float]) -> LossFactory:
    """The loss that is used if none is named, with arguments of it. Raises `UsageError`."""
    from semelha.deep.recipe import pairs_and_proxies

    arguments: dict[str, Any] = check_numbers("the default loss", pairs_and_proxies, settings)
    return partial(pairs_and_proxies, **arguments)


def minings() -> dict[MiningName, Callable[[], Mining]]:
    """The minings: factories with the settings of their papers."""
    from semelha.deep import losses as L

    return {
        MiningName.all: L.AllPairs,
        MiningName.semihard: partial(L.SemiHard, margin=0.2),
        MiningName.hard: L.Hard,
        MiningName.batchhard: L.BatchHard,
        MiningName.easypositive: L.EasyPositive,
        MiningName.distance: L.DistanceWeighted,
        MiningName.similarity: L.MultiSimilarityMining,
    }
