"""Readout of the embedding from the head and the layers before it, with partial whitening.

The loss shapes the head for the training classes; the layers before it tell more about others (Bordes et al., TMLR
2023: guillotine regularization). The output of the head and the last two feature maps, each place normalized, are
concatenated and projected on their principal axes. The axes are whitened by a power below 1, because full whitening
would amplify the noise of the last axes (attenuated whitening: Mukundan et al., IJCV 2019, section 3.3).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from torch import Tensor, nn

from semelha.deep.augment import Augmentation
from semelha.deep.network import EmbeddingNet, Grid
from semelha.deep.small import SmallBackbone
from semelha.errors import TrainingError

MAPS = 2
HEAD = 2.0
"""Weight of the head in a similarity; each map has weight 1."""
WHITENING = 0.3
"""Exponent: 0 keeps the standard deviations of the axes, 1 makes them equal."""
MAX_PICTURES = 2048
BATCH = 256
MIN_VARIANCE = 1e-9
"""Axes with less variance, relative to the first one, are left out."""
MIN_DEVIATION = 1e-3
"""Channels with less standard deviation, relative to the largest, are left out."""


class Places(nn.Module):
    """Standardizes the channels of a map at 3 × 3 places: (batch, 9 · channels) → the same, of norm 1."""

    shift: Tensor
    factor: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(channels))
        self.register_buffer("factor", torch.ones(channels))

    def fit(self, pooled: Tensor) -> None:
        """Standardize each channel over pictures and places, from (pictures, 9 · channels)."""
        by_channel = pooled.reshape(-1, len(self.shift), Grid.vectors)
        deviation = by_channel.std(dim=(0, 2))
        self.shift.copy_(by_channel.mean(dim=(0, 2)))
        self.factor.copy_(torch.where(deviation > MIN_DEVIATION * deviation.max(), 1 / deviation, 0.0))

    def forward(self, pooled: Tensor) -> Tensor:
        """Standardize and normalize the grid of a map, (batch, 9 · channels)."""
        x = pooled.reshape(-1, len(self.shift), Grid.vectors)
        places = F.normalize((x - self.shift[:, None]) * self.factor[:, None], dim=1)
        return F.normalize(places.flatten(1), dim=1)


class MultiLayerNet(nn.Module):
    """A network with our own backbone whose embedding is read from several layers: pixels → (batch, dim)."""

    mean: Tensor
    axes: Tensor

    def __init__(self, network: EmbeddingNet, dim: int) -> None:
        super().__init__()
        self.network = network
        widths = self.backbone.widths[-MAPS:]
        self.grid = Grid()
        self.places = nn.ModuleList(map(Places, widths))
        joined = network.dim + Grid.vectors * sum(widths)
        self.dim = dim
        self.register_buffer("mean", torch.zeros(joined))
        self.register_buffer("axes", torch.zeros(joined, dim))

    @property
    def backbone(self) -> SmallBackbone:
        """The backbone of the network."""
        assert isinstance(self.network.backbone, SmallBackbone)
        return self.network.backbone

    def forward(self, pixels: Tensor) -> Tensor:
        joined = self.joined(*self.layers(pixels))
        return F.normalize((joined - self.mean) @ self.axes, dim=1)

    def layers(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """The output of the head, and the grid of each of the last maps: (batch, …) each."""
        maps = self.backbone.maps(self.network.normalize(pixels))[-MAPS:]
        head: Tensor = self.network.head(self.network.pooling(maps[-1]).float())
        return head, *(self.grid(x).float() for x in maps)

    def joined(self, head: Tensor, *grids: Tensor) -> Tensor:
        """Head and maps, weighted and concatenated: (batch, all features)."""
        parts = [places(grid) for places, grid in zip(self.places, grids, strict=True)]
        return torch.cat([HEAD**0.5 * F.normalize(head, dim=1), *parts], dim=1)


def sample_places(number: int, *, seed: int) -> NDArray[np.int64]:
    """Up to `MAX_PICTURES` of `number` places, drawn at random: the pictures that the axes are fitted to."""
    return np.sort(np.random.default_rng([seed, 6]).permutation(number)[:MAX_PICTURES])


def fit_layer_readout(
    network: EmbeddingNet, pixels: NDArray[np.uint8], dim: int, *, augmentation: Augmentation, seed: int
) -> MultiLayerNet:
    """The network, on the CPU and in evaluation mode, with a readout of its layers fitted to some pictures.

    `pixels` are (pictures, channels, size, size) uint8, two pictures or more. If they are fewer than twice `dim`,
    augmented copies are added, because so few have fewer axes. With fewer axes than `dim`, the embedding is shorter.
    Raises `TrainingError` if the network gives the same features for all pictures.
    """
    network.eval()
    generator = torch.Generator().manual_seed(seed)
    copies = -(-2 * dim // len(pixels))
    read = MultiLayerNet(network, dim)
    with torch.inference_mode():
        blocks = [read.layers(block) for block in _views(pixels, copies, augmentation, generator)]
        head, *grids = (torch.cat(part) for part in zip(*blocks, strict=True))
        for places, grid in zip(read.places, grids, strict=True):
            assert isinstance(places, Places)
            places.fit(grid)
        joined = read.joined(head, *grids)
    mean, axes = _axes(joined.numpy(), dim, seed=seed)
    read.dim = axes.shape[1]
    read.mean, read.axes = torch.from_numpy(mean), torch.from_numpy(axes)
    return read.eval()


def _views(
    pixels: NDArray[np.uint8], copies: int, augmentation: Augmentation, generator: torch.Generator
) -> Iterator[Tensor]:
    """The pictures, then augmented copies of them, block by block."""
    for copy in range(copies):
        for start in range(0, len(pixels), BATCH):
            block = torch.from_numpy(np.array(pixels[start : start + BATCH]))
            yield augmentation(block, generator) if copy else block.float()


def _axes(x: NDArray[np.float32], dim: int, *, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean (d,) and scaled principal axes (d, ≤ dim): the first has norm 1, axes of less variance are longer."""
    found = PCA(min(dim, len(x) - 1, x.shape[1]), svd_solver="randomized", random_state=seed).fit(x)
    variance = found.explained_variance_
    if not variance[0] > MIN_VARIANCE:
        raise TrainingError("the network gives the same features for all pictures: there is no axis to tell them apart")
    some = variance > MIN_VARIANCE * variance[0]
    scale = (variance[some] / variance[0]) ** (-WHITENING / 2)
    return found.mean_.astype(np.float32), np.ascontiguousarray(
        (found.components_[some] * scale[:, None]).T, np.float32
    )
