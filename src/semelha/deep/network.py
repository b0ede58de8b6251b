"""The network: pixels → normalization → backbone → pooling → head → metric layer.

`Network` describes it by plain values, as a model card stores them; `build` makes the module.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from semelha.arguments import check_choice, check_int
from semelha.deep.backbones import TimmBackbone, timm_backbone, with_small_stem
from semelha.deep.metric_layer import MetricLayer
from semelha.deep.small import WIDTHS, SmallBackbone
from semelha.deep.weight_names import resolve_backbone, weight_config
from semelha.embedders import Card, InputSpec
from semelha.errors import ModelError, UsageError
from semelha.images import Fit
from semelha.metrics import Cosine

SMALL = "small"

Statistic = float | tuple[float, ...] | None


@dataclass(frozen=True)
class Network:
    """Description of a network.

    Parameters
    ----------
    backbone : str
        `"small"` or `"medium"`, our residual networks for small pictures, or any name that timm knows. Also the name of
        weights, which come with it: `hf-hub:owner/name`, `timm/name` or `local-dir:folder`
        (`semelha.deep.weight_names`).
    channels : {1, 3}
        Grey or RGB.
    size : int
        Side of the square input, in pixels.
    fit : {"pad", "stretch", "crop", "ink"}
        How a picture is fitted to that square (`semelha.images.fit`).
    dim : int, optional
        Dimension of the embedding. None: the pooled features, without a head.
    stem : {"own", "small"}
        "small": a timm ResNet begins with a 3×3 convolution of stride 1 and no pooling, for pictures of about 32
        pixels (Chen et al., ICML 2020, appendix B.9). Its own stem divides the side by 4.
    pooling : {"average", "gem", "grid"}
        How a feature map becomes one vector. A grid keeps places: it suits centered drawings, and not photos in which
        things lie anywhere.
    head : {"sphere", "simplex"}
        What the embeddings are: vectors of norm 1, or histograms of `dim` bins for metrics of histograms.
    readout : {"head", "layers", "stages"}
        What the embedding is computed from after the training: the output of the head; that and the feature maps
        before it ("layers", for our own networks: `semelha.deep.readout`); or the maps of all stages ("stages", for
        those of timm: `semelha.deep.stages`). Both of the latter are for the cosine distance.
    pretrained : bool or str, optional
        None: the weights that `backbone` names, or random ones. False: random weights. True: timm's published weights
        for that name. "efficientnet-lite0": those that the extra `train` installs. `hf-hub:owner/name` or
        `local-dir:folder`: those of that repository or folder. A path: a local weight file.
    mean, std : float or tuple of float, optional
        Pixel statistics on the scale 0..1, of all channels or of each, for normalization inside the network. By
        default a training sets them to those of the pretrained weights or of its pictures.
    """

    backbone: str = SMALL
    channels: int = 1
    size: int = 48
    fit: Fit = "pad"
    dim: int | None = 256
    stem: Literal["own", "small"] = "own"
    pooling: Literal["average", "gem", "grid"] = "average"
    head: Literal["sphere", "simplex"] = "sphere"
    readout: Literal["head", "layers", "stages"] = "head"
    pretrained: bool | str | None = None
    mean: Statistic = None
    std: Statistic = None

    def __post_init__(self) -> None:
        check_choice("channels", self.channels, (1, 3))
        check_int("size", self.size, 8, 2048)
        check_choice("fit", self.fit, get_args(Fit))
        if self.dim is not None:
            check_int("dim", self.dim, 2, 8192)
        check_choice("stem", self.stem, ("own", "small"))
        check_choice("pooling", self.pooling, tuple(POOLINGS))
        check_choice("head", self.head, ("sphere", "simplex"))
        check_choice("readout", self.readout, ("head", "layers", "stages"))
        if self.stem == "small" and (self.own or self.pretrained):
            raise UsageError("a small stem is for a ResNet of timm with random weights, such as resnet18")
        if self.readout == "layers" and not (self.own and self.dim and self.head == "sphere"):
            raise UsageError(
                "the readout 'layers' is for our own networks, small and medium, with a dim and the head 'sphere': "
                "for others it is 'head'"
            )
        if self.readout == "stages" and (self.own or self.head != "sphere"):
            raise UsageError(
                "the readout 'stages' is for backbones of timm with the head 'sphere': for our own it is 'layers'"
            )
        for name in ("mean", "std"):
            value: Any = getattr(self, name)
            if isinstance(value, list | tuple):
                object.__setattr__(self, name, tuple(value))  # a card gives a list
                if len(value) != self.channels:
                    raise UsageError(f"{name} has {len(value)} numbers: it is one, or one for each channel")

    @property
    def own(self) -> bool:
        """Whether the backbone is one of ours, which take pictures of any size."""
        return self.backbone in WIDTHS

    def statistics(self) -> tuple[list[float], list[float]]:
        """Mean and standard deviation of each channel; 0.5 by default."""
        values = (0.5 if value is None else value for value in (self.mean, self.std))
        mean, std = (list(value) if isinstance(value, tuple) else [value] * self.channels for value in values)
        return mean, std

    def input_spec(self) -> InputSpec:
        """The input of the network, as a model card keeps it."""
        channels: Literal[1, 3] = 1 if self.channels == 1 else 3
        return InputSpec(height=self.size, width=self.size, channels=channels, fit=self.fit)

    @classmethod
    def of_card(cls, card: Card) -> Network:
        """The network of a model card, without pretrained weights. Raises `ModelError` if it describes none."""
        if not card.network:
            raise ModelError(f"{card.name} has no network that can be trained: its card describes none")
        try:
            return replace(cls(**card.network), pretrained=False).resolved()
        except (TypeError, UsageError) as error:
            raise ModelError(f"the card of {card.name} describes no network that can be built: {error}") from error

    def resolved(self) -> Network:
        """The network with the plain name of its backbone in timm, and the place of its weights as `pretrained`.

        Reads the `config.json` of named weights. Raises `BackboneError`, `PretrainedUnavailable` or `UsageError`.
        """
        backbone, pretrained = resolve_backbone(self.backbone, self.pretrained)
        return replace(self, backbone=backbone, pretrained=pretrained)

    def as_card(self) -> dict[str, object]:
        """All fields, as a model card keeps them."""
        return asdict(self)


class Average(nn.Module):
    """Mean over all places: (batch, features, h, w) → (batch, features)."""

    vectors = 1

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3))


class GeM(nn.Module):
    """Generalized mean, (mean xᵖ)^(1/p), with a learned p (Radenović et al., TPAMI 2019, equation 3).

    p = 1 is the mean of the positive part and p → ∞ its maximum. (batch, features, h, w) → (batch, features).
    """

    vectors = 1

    def __init__(self, p: float = 3.0, smallest: float = 1e-6) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor(p))
        self.smallest = smallest

    def forward(self, x: Tensor) -> Tensor:
        powers = x.float().clamp(min=self.smallest) ** self.p
        return powers.mean(dim=(2, 3)) ** (1 / self.p)


class Grid(nn.Module):
    """Mean over each of 3 × 3 regions, concatenated, which keeps the places of features.

    One level of a spatial pyramid (He et al., ECCV 2014); the number of regions does not depend on the map's size.
    (batch, features, h, w) → (batch, 9 · features).
    """

    side = 3
    vectors = side * side

    def forward(self, x: Tensor) -> Tensor:
        # As a product, because ONNX has no adaptive pooling.
        rows, columns = (_means(int(length), self.side) for length in x.shape[2:])
        regions = [[row * column for row in down for column in across] for down in rows for across in columns]
        return (x.flatten(2) @ torch.tensor(regions, dtype=x.dtype, device=x.device).T).flatten(1)


def _means(length: int, number: int) -> list[list[float]]:
    """Weights of the means of `number` regions of a side: (number, length)."""
    bounds = [(region * length // number, -(-(region + 1) * length // number)) for region in range(number)]
    return [[(first <= place < end) / (end - first) for place in range(length)] for first, end in bounds]


POOLINGS: dict[str, type[Average | GeM | Grid]] = {"average": Average, "gem": GeM, "grid": Grid}
"""The poolings by name. `vectors`: number of feature vectors that are concatenated."""


class Normalize(nn.Module):
    """Pixels on the scale 0..255, uint8 or float, to zero mean and unit variance of each channel in float32."""

    shift: Tensor
    factor: Tensor

    def __init__(self, mean: list[float], std: list[float]) -> None:
        super().__init__()
        shift, factor = [255 * each for each in mean], [1 / (255 * each) for each in std]
        self.register_buffer("shift", torch.tensor(shift).view(-1, 1, 1), persistent=False)
        self.register_buffer("factor", torch.tensor(factor).view(-1, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        return (pixels.float() - self.shift) * self.factor


class Simplex(nn.Module):
    """Vectors to histograms by a softmax: (batch, dim) → (batch, dim) that sum to 1, every bin above 0.

    A millionth of the uniform histogram is mixed in, so that no bin is rounded to 0, where logarithms are infinite.
    """

    def forward(self, x: Tensor) -> Tensor:
        return (1 - 1e-6) * x.softmax(dim=1) + 1e-6 / x.shape[1]


class EmbeddingNet(nn.Module):
    """Pictures → unit vectors, or histograms with the head "simplex".

    `forward` takes pixels (batch, channels, size, size) on the scale 0..255, uint8 or float32, and returns
    float32 embeddings (batch, dim), of Euclidean norm 1 or summing to 1. Modules of the backbone in
    `frozen` stay in evaluation mode, so that their running statistics do not change.
    """

    def __init__(self, network: Network, backbone: TimmBackbone | SmallBackbone, features: int) -> None:
        super().__init__()
        self.frozen: tuple[str, ...] = ()
        self.normalize = Normalize(*network.statistics())
        self.backbone: TimmBackbone | SmallBackbone = backbone
        self.pooling = POOLINGS[network.pooling]()
        features *= self.pooling.vectors
        self.dim = network.dim or features
        self.head = nn.Sequential()
        if network.dim is not None:
            self.head.extend([nn.BatchNorm1d(features), nn.Linear(features, network.dim, bias=False)])
        self.place = Simplex() if network.head == "simplex" else MetricLayer(Cosine())

    def forward(self, pixels: Tensor) -> Tensor:
        vectors = self.vectors(pixels)
        with torch.autocast(vectors.device.type, enabled=False):
            embedding: Tensor = self.place(vectors)  # (batch, dim)
        return embedding

    def vectors(self, pixels: Tensor) -> Tensor:
        """The output of the head, before it is normalized: (batch, dim) float32."""
        x = self.features(pixels)
        with torch.autocast(x.device.type, enabled=False):
            vectors: Tensor = self.head(x.float())  # (batch, dim)
        return vectors

    def features(self, pixels: Tensor) -> Tensor:
        """The output of the backbone, pooled, which is the input of the head: (batch, features)."""
        x: Tensor = self.backbone(self.normalize(pixels))  # (batch, features, h, w), or (batch, features)
        return self.pooling(x) if x.ndim == 4 else x

    def train(self, mode: bool = True) -> EmbeddingNet:
        """Set the mode of all modules but the frozen ones."""
        super().train(mode)
        for name in self.frozen:
            self.backbone.get_submodule(name).eval()
        return self


class BeforeNormalization(nn.Module):
    """A network without its normalization, as the input of a projector: pixels → (batch, dim)."""

    def __init__(self, network: EmbeddingNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        return self.network.vectors(pixels)


def build(network: Network, *, seed: int) -> EmbeddingNet:
    """Build the network, with random weights drawn from `seed` or with its pretrained weights.

    Raises
    ------
    BackboneError, PretrainedUnavailable
        The backbone is unknown to timm, or its weights are not available.
    UsageError
        Pretrained weights or a pooling that the backbone does not have.
    """
    network = network.resolved()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if network.own:
            if network.pretrained:
                raise UsageError(f"the {network.backbone} network has no pretrained weights: name a timm backbone")
            small = SmallBackbone(network.channels, WIDTHS[network.backbone])
            return EmbeddingNet(network, small, small.features)
        backbone = timm_backbone(
            network.backbone, channels=network.channels, pretrained=network.pretrained or False, size=network.size
        )
        if network.stem == "small":
            with_small_stem(backbone, network.backbone)
        if network.pooling != "average" and not backbone.mapped:
            raise UsageError(f"{network.backbone} has no feature map for the pooling {network.pooling}: leave it out")
        return EmbeddingNet(network, backbone, backbone.features)


def with_statistics(network: Network, of_pictures: tuple[float, float]) -> Network:
    """The network with `mean` and `std` set, unless they are explicit: of its pretrained weights or of the pictures."""
    network = network.resolved()
    weights = weight_config(network.backbone, network.pretrained)
    mean, std = (weights.mean, weights.std) if weights else of_pictures
    if weights and network.channels != len(weights.mean):  # the weights of RGB are summed for grey
        mean, std = float(np.mean(mean)), float(np.mean(std))
    return replace(
        network, mean=mean if network.mean is None else network.mean, std=std if network.std is None else network.std
    )
