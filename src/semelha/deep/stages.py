"""Embedding from the feature maps of all stages of a network, projected on axes that are fitted to pictures.

The last features of a network that was trained to tell other classes apart are shaped for those classes; the maps
before them tell more about new ones (Bordes et al., TMLR 2023: guillotine regularization). The mean and the generalized
mean of each map are concatenated, and projected by relevant component analysis: directions in which pictures of one
class differ become small.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from semelha.deep.backbones import TimmBackbone
from semelha.deep.cache import PictureSubset
from semelha.deep.loop import embed
from semelha.deep.network import EmbeddingNet
from semelha.errors import UsageError
from semelha.linear.base import LinearLearner
from semelha.linear.closed_form import RCA, PCAWhitening

POWER = 3
"""Of the generalized mean: between the mean and the maximum (Radenović et al., TPAMI 2019)."""
SHRINKAGE = 0.2
"""Of the covariance within classes: few pictures do not determine a thousand dimensions."""
MAX_DIM = 1024
MIN_DEVIATION = 1e-3
"""Features with less standard deviation, relative to the largest, are left out."""


Axes = tuple[NDArray[np.float32], NDArray[np.float32]]
"""A mean (width,) and axes (width, dim)."""


class StageFeatures(nn.Module):
    """Pixels → mean and generalized mean of the map of each stage, concatenated: (batch, width) float32."""

    def __init__(self, network: EmbeddingNet) -> None:
        super().__init__()
        self.network = network

    @property
    def backbone(self) -> TimmBackbone:
        """The backbone of the network. Raises `UsageError` if it is one of ours."""
        if not isinstance(self.network.backbone, TimmBackbone):
            raise UsageError("the readout 'stages' is for backbones of timm: for our own it is 'layers'")
        return self.network.backbone

    def forward(self, pixels: Tensor) -> Tensor:
        return self.features(pixels)[1]

    def features(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The embedding of the network without its stages, (batch, dim), and the features of its stages."""
        network = self.network
        last, maps = self.backbone.stages(network.normalize(pixels))
        pooled = network.pooling(last) if last.ndim == 4 else last
        parts = [part for x in maps for part in (x.float().mean(dim=(2, 3)), generalized_mean(x.float()))]
        return network.place(network.head(pooled.float())), torch.cat(parts, dim=1)


class BothFeatures(StageFeatures):
    """The embedding of the network and the features of its stages, concatenated, so that both are computed once."""

    def forward(self, pixels: Tensor) -> Tensor:
        return torch.cat(self.features(pixels), dim=1)


class StageNet(StageFeatures):
    """The features of the stages of a network, centered and projected: pixels → (batch, dim) of norm 1."""

    mean: Tensor
    axes: Tensor

    def __init__(self, network: EmbeddingNet, axes: Axes) -> None:
        super().__init__(network)
        self.register_buffer("mean", torch.from_numpy(axes[0]))
        self.register_buffer("axes", torch.from_numpy(axes[1]))
        self.dim = axes[1].shape[1]

    def forward(self, pixels: Tensor) -> Tensor:
        return F.normalize((self.features(pixels)[1] - self.mean) @ self.axes, dim=1)


def generalized_mean(x: Tensor) -> Tensor:
    """(mean |x|ᵖ)^(1/p) over the places of a map: (batch, features, h, w) → (batch, features)."""
    return (x.abs().clamp(min=1e-6) ** POWER).mean(dim=(2, 3)) ** (1 / POWER)


def fit_stage_readout(network: EmbeddingNet, training: PictureSubset, places: NDArray[np.int64]) -> StageNet:
    """The network, on the CPU and in evaluation mode, with axes fitted to the training pictures at `places`.

    By their classes (`relevant_axes`), or without labels if no class has two of them (`whitened_axes`).
    """
    stages = StageFeatures(network.eval())
    features = embed(stages, training.read(places), torch.device("cpu"), batch=64)
    classes = training.classes[places]
    paired = len(np.unique(classes)) < len(classes)
    return StageNet(network, relevant_axes(features, classes) if paired else whitened_axes(features)).eval()


def whitened_axes(features: NDArray[np.float32]) -> Axes:
    """Axes of equal variance, fitted to the features of pictures without labels (n, width)."""
    return _axes(features, None, PCAWhitening(MAX_DIM))


def relevant_axes(features: NDArray[np.float32], labels: NDArray[Any]) -> Axes:
    """Axes in which pictures of one class vary equally (`RCA`), fitted to features (n, width) and labels (n,).

    Raises `VectorsError` if no class has two pictures.
    """
    most = None if features.shape[1] <= MAX_DIM else MAX_DIM
    return _axes(features, labels, RCA(most, shrinkage=SHRINKAGE))


def projected(features: NDArray[np.float32], axes: Axes) -> NDArray[np.float32]:
    """Embeddings from features, as `StageNet` computes them: (n, width) → (n, dim) of norm 1."""
    mean, directions = axes
    x = (np.asarray(features, np.float32) - mean) @ directions
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12), np.float32)


def _axes(features: NDArray[np.float32], labels: NDArray[Any] | None, learner: LinearLearner) -> Axes:
    x = np.asarray(features, np.float64)
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    scale = np.where(deviation > MIN_DEVIATION * deviation.max(), 1 / np.maximum(deviation, 1e-30), 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the pictures do not span the space is usual here
        learner.fit((x - mean) * scale, np.zeros(len(x)) if labels is None else labels)
    axes = learner.components_ * scale
    return mean.astype(np.float32), np.ascontiguousarray(axes.T, np.float32)
