"""MoCo v3: the keys of the batch in place of a queue, a predictor after the queries, and a symmetric loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semelha.deep.network import EmbeddingNet
from semelha.deep.objective import Objective, StepContext
from semelha.deep.ssl.momentum import MomentumMethod, MomentumObjective, cosine_momentum
from semelha.deep.ssl.projection import mlp
from semelha.deep.ssl.split_batch import SplitBatch


@dataclass(frozen=True)
class MoCoV3(MomentumMethod):
    """MoCo v3 (Chen, Xie, He, ICCV 2021, algorithm 1).

    Parameters
    ----------
    temperature : float
        Temperature of the contrastive loss, above 0.
    momentum : float
        Initial momentum of the key encoder, from 0 to below 1; it increases to 1 by half a cosine.
    hidden, width : int
        Width between the layers of projector and predictor; length of queries and keys.

    Raises
    ------
    UsageError
        A setting is out of range.
    """

    hidden: int = 512
    width: int = 128

    @property
    def name(self) -> str:
        return "moco-v3"

    def objective(self, network: EmbeddingNet, *, dim: int, batch: int, instances: int) -> Objective:
        projector = mlp([dim, self.hidden, self.width], norm=True, last_norm=True)
        predictor = mlp([self.width, self.hidden, self.width], norm=True, last_norm=True)
        return MoCoV3Objective(network, projector, predictor, self)


class MoCoV3Objective(MomentumObjective):
    """The key of each view predicted from the other view. Batch norm gets one view at a time."""

    def __init__(self, network: EmbeddingNet, projector: nn.Module, predictor: nn.Module, method: MoCoV3) -> None:
        super().__init__(network, projector, method)
        self.predictor = predictor

    def backward(self, context: StepContext, pixels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        batch = len(targets)
        with torch.no_grad(), context.autocast():
            vectors = context.all_gather(SplitBatch(self.keys.copy.network, batch)(pixels))
        with torch.no_grad():  # projectors get a whole view, gathered from all processes
            first, second = (self.keys.copy.after(view) for view in context.split_views(vectors))  # (batch, width) each

        def loss(vectors: Tensor, _: Tensor) -> Tensor:
            from_first, from_second = (self.predictor(self.projector(view)) for view in context.split_views(vectors))
            one_way = moco_v3_loss(from_first, second, self.temperature)
            return one_way + moco_v3_loss(from_second, first, self.temperature)

        return context.backpropagate(SplitBatch(context.network, batch), pixels, targets.repeat(2), loss)

    def momentum_at(self, done: float) -> float:
        return cosine_momentum(self.momentum, done)


def moco_v3_loss(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Compute 2τ times InfoNCE of each query against all keys of the batch; the mean over the batch.

    Chen et al., ICCV 2021, equation 1 and algorithm 1. Queries and keys are normalized to unit length; keys have no
    gradient.

    Parameters
    ----------
    queries, keys : (batch, width)
    temperature : float
        τ.
    """
    q, k = F.normalize(queries, dim=1), F.normalize(keys, dim=1)
    scores = q @ k.T / temperature  # (batch, batch)
    return 2 * temperature * F.cross_entropy(scores, torch.arange(len(q), device=q.device))
