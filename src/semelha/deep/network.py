"""The network: pixels → normalization → backbone → pooling → head → metric layer.

A `Network` says what to build, in words and numbers that a model card can hold; `build` makes it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from semelha.deep.backbones import timm_backbone, with_small_stem
from semelha.deep.metric_layer import MetricLayer
from semelha.deep.pooling import Average, GeM
from semelha.deep.small import SmallBackbone
from semelha.embedders import InputSpec
from semelha.errors import UsageError
from semelha.images import Fit
from semelha.metrics import Cosine

SMALL = "small"


@dataclass(frozen=True)
class Network:
    """What to build.

    Parameters
    ----------
    backbone : str
        `"small"`, our residual network for small pictures, or any name that timm knows.
    channels : {1, 3}
        Grey or RGB.
    size : int
        Side of the square input, in pixels.
    fit : {"pad", "stretch", "ink"}
        How a picture becomes that square (`semelha.images.fit`).
    dim : int
        Length of the embedding.
    stem : {"own", "small"}
        "small": a timm ResNet begins with a 3×3 convolution that keeps the size, without pooling, as it does for
        pictures of 32 pixels (Chen et al., ICML 2020, appendix B.9); its own leaves out 15 of 16 places there.
    pooling : {"average", "gem"}
        How a feature map becomes one vector.
    head : {"sphere", "simplex"}
        Where embeddings lie: vectors of length 1, or histograms of `dim` bins, for the metrics of histograms.
    pretrained : bool or str
        False: random weights. True: timm's published weights for that name. A path: a local weight file.
    mean, std : float
        Pixel statistics on the scale 0..1, subtracted and divided by, inside the network.
    """

    backbone: str = SMALL
    channels: int = 1
    size: int = 48
    fit: Fit = "pad"
    dim: int = 256
    stem: Literal["own", "small"] = "own"
    pooling: Literal["average", "gem"] = "average"
    head: Literal["sphere", "simplex"] = "sphere"
    pretrained: bool | str = False
    mean: float = 0.5
    std: float = 0.5

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise UsageError(f"channels is {self.channels}: it is 1 (grey) or 3 (RGB)")
        if not 8 <= self.size <= 2048:
            raise UsageError(f"size is {self.size}: it lies between 8 and 2048 pixels")
        if self.fit not in get_args(Fit):
            raise UsageError(f"fit is {self.fit!r}: it is one of {', '.join(get_args(Fit))}")
        if not 2 <= self.dim <= 8192:
            raise UsageError(f"dim is {self.dim}: it lies between 2 and 8192")
        if self.stem not in ("own", "small"):
            raise UsageError(f"stem is {self.stem!r}: it is 'own' or 'small'")
        if self.stem == "small" and (self.backbone == SMALL or self.pretrained):
            raise UsageError("a small stem is for a ResNet of timm with random weights, such as resnet18")
        if self.pooling not in ("average", "gem"):
            raise UsageError(f"pooling is {self.pooling!r}: it is 'average' or 'gem'")
        if self.head not in ("sphere", "simplex"):
            raise UsageError(f"head is {self.head!r}: it is 'sphere' or 'simplex'")

    def input_spec(self) -> InputSpec:
        """What it takes."""
        channels: Literal[1, 3] = 1 if self.channels == 1 else 3
        return InputSpec(height=self.size, width=self.size, channels=channels, fit=self.fit)

    def as_card(self) -> dict[str, object]:
        """Every argument, as a model card keeps it."""
        return asdict(self)


class Normalize(nn.Module):
    """Pixels on the scale 0..255, uint8 or float, to zero mean and unit variance in float32."""

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.shift = 255.0 * mean
        self.factor = 1.0 / (255.0 * std)

    def forward(self, pixels: Tensor) -> Tensor:
        return (pixels.float() - self.shift) * self.factor


class Simplex(nn.Module):
    """Vectors to histograms by a softmax: (batch, dim) → (batch, dim) that sum to 1, every bin above 0.

    The softmax is mixed with a millionth part of the even histogram, lest a bin be rounded to 0, where logarithms end.
    """

    def forward(self, x: Tensor) -> Tensor:
        return (1 - 1e-6) * x.softmax(dim=1) + 1e-6 / x.shape[1]


class EmbeddingNet(nn.Module):
    """Pictures in, unit vectors out; or histograms, where the network has a simplex for a head.

    `forward` takes pixels (batch, channels, size, size) on the scale 0..255, uint8 or float32, and returns
    float32 embeddings (batch, dim), of Euclidean length 1 or summing to 1.
    """

    def __init__(self, network: Network, backbone: nn.Module, features: int) -> None:
        super().__init__()
        self.normalize = Normalize(network.mean, network.std)
        self.backbone = backbone
        self.pooling = GeM() if network.pooling == "gem" else Average()
        self.head = nn.Sequential(nn.BatchNorm1d(features), nn.Linear(features, network.dim, bias=False))
        self.place = Simplex() if network.head == "simplex" else MetricLayer(Cosine())

    def forward(self, pixels: Tensor) -> Tensor:
        vectors = self.vectors(pixels)
        with torch.autocast(vectors.device.type, enabled=False):
            embedding: Tensor = self.place(vectors)  # (batch, dim)
        return embedding

    def vectors(self, pixels: Tensor) -> Tensor:
        """What the last step puts on the sphere or the simplex: (batch, dim) float32, of any length."""
        x = self.backbone(self.normalize(pixels))  # (batch, features, h, w), or (batch, features)
        if x.ndim == 4:
            x = self.pooling(x)  # (batch, features)
        with torch.autocast(x.device.type, enabled=False):
            vectors: Tensor = self.head(x.float())  # (batch, dim)
        return vectors


class Unplaced(nn.Module):
    """A network without its last step, for a projector to go on from: pixels → vectors of any length, (batch, dim)."""

    def __init__(self, network: EmbeddingNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        return self.network.vectors(pixels)


def build(network: Network, *, seed: int) -> EmbeddingNet:
    """The network with random weights drawn from `seed`, or with pretrained ones where it asks for them.

    Raises
    ------
    BackboneError, PretrainedUnavailable
        The backbone is unknown to timm, or its weights cannot be had.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if network.backbone == SMALL:
            if network.pretrained:
                raise UsageError("the small network has no pretrained weights: name a timm backbone")
            small = SmallBackbone(network.channels)
            return EmbeddingNet(network, small, small.features)
        backbone = timm_backbone(
            network.backbone, channels=network.channels, pretrained=network.pretrained, size=network.size
        )
        if network.stem == "small":
            with_small_stem(backbone, network.backbone)
        return EmbeddingNet(network, backbone, backbone.features)
