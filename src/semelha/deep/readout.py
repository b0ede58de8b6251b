"""An embedding read from the layers before the head, too, and partly whitened.

A head is shaped by the loss, for the classes that are learned from; what the layers before it hold tells more of others
(Bordes et al., TMLR 2023, who call it guillotine regularization when the last layers are left out). The vector of the
head and the last two maps of the backbone, each place of them at length 1, are joined and brought to their principal
axes. Their deviations are evened out in part, by a power: the whole would make the noise of the last axes as loud as
what the first ones say (attenuated whitening: Mukundan et al., IJCV 2019, section 3.3).
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
from semelha.deep.network import EmbeddingNet
from semelha.deep.pooling import Grid
from semelha.deep.small import SmallBackbone
from semelha.errors import TrainingError

MAPS = 2
HEAD = 2.0
"""What the head counts in a similarity; each map counts 1."""
WHITENING = 0.3
"""Part of it: 0 leaves the deviations as they are, 1 makes them one."""
MOST = 2048
BATCH = 256
FLAT = 1e-9
SILENT = 1e-3
"""A channel whose deviation is less than so large a part of the largest is left out."""


class Places(nn.Module):
    """A map by 3 × 3 places, its channels in one unit: (batch, channels, h, w) → (batch, 9 · channels) of length 1."""

    shift: Tensor
    factor: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(channels))
        self.register_buffer("factor", torch.ones(channels))

    def fit(self, pooled: Tensor) -> None:
        """Mean 0 and deviation 1 of each channel over pictures and places, from (pictures, 9 · channels)."""
        by_channel = pooled.reshape(-1, len(self.shift), Grid.vectors)
        deviation = by_channel.std(dim=(0, 2))
        self.shift.copy_(by_channel.mean(dim=(0, 2)))
        self.factor.copy_(torch.where(deviation > SILENT * deviation.max(), 1 / deviation, 0.0))

    def forward(self, pooled: Tensor) -> Tensor:
        """From the grid of a map, (batch, 9 · channels)."""
        x = pooled.reshape(-1, len(self.shift), Grid.vectors)
        places = F.normalize((x - self.shift[:, None]) * self.factor[:, None], dim=1)
        return F.normalize(places.flatten(1), dim=1)


class MultiLayerNet(nn.Module):
    """A trained network whose embedding is read from its layers: pixels, as `EmbeddingNet` takes them → (batch, dim).

    Parameters
    ----------
    network : EmbeddingNet
        With a backbone of ours.
    dim : int
        Length of the embedding.

    Attributes
    ----------
    dim : int
    """

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
        """That of the network."""
        assert isinstance(self.network.backbone, SmallBackbone)
        return self.network.backbone

    def forward(self, pixels: Tensor) -> Tensor:
        joined = self.joined(*self.layers(pixels))
        return F.normalize((joined - self.mean) @ self.axes, dim=1)

    def layers(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """What the head gives, and the grid of each of the last maps: (batch, …) each."""
        maps = self.backbone.maps(self.network.normalize(pixels))[-MAPS:]
        head: Tensor = self.network.head(self.network.pooling(maps[-1]).float())
        return head, *(self.grid(x).float() for x in maps)

    def joined(self, head: Tensor, *grids: Tensor) -> Tensor:
        """All of it side by side, a map at length 1: (batch, joined)."""
        parts = [places(grid) for places, grid in zip(self.places, grids, strict=True)]
        return torch.cat([HEAD**0.5 * F.normalize(head, dim=1), *parts], dim=1)


def some_of(number: int, *, seed: int) -> NDArray[np.int64]:
    """Places of up to `MOST` of so many pictures, drawn by chance: what the axes are found from."""
    return np.sort(np.random.default_rng([seed, 6]).permutation(number)[:MOST])


def fit_layer_readout(
    network: EmbeddingNet, pixels: NDArray[np.uint8], dim: int, *, augmentation: Augmentation, seed: int
) -> MultiLayerNet:
    """The network with its embedding read from the layers, whose axes are those of some pictures.

    Parameters
    ----------
    network : EmbeddingNet
        With a backbone of ours, on the CPU. Put into evaluation mode.
    pixels : (pictures, channels, size, size) uint8
        Two or more, such as some of those that were learned from. Fewer than twice `dim` are seen several times,
        changed as in training: so few have not as many axes.
    dim : int
        Length of the embedding, or as much less as there are axes.
    augmentation : Augmentation
    seed : int

    Raises
    ------
    TrainingError
        The network makes the same of all pictures.
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
    """The pictures as they are, and then changed, block by block."""
    for copy in range(copies):
        for start in range(0, len(pixels), BATCH):
            block = torch.from_numpy(np.array(pixels[start : start + BATCH]))
            yield augmentation(block, generator) if copy else block.float()


def _axes(x: NDArray[np.float32], dim: int, *, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean (d,), and principal axes (d, at most dim): the first at length 1, others longer, the less lies in them."""
    found = PCA(min(dim, len(x) - 1, x.shape[1]), svd_solver="randomized", random_state=seed).fit(x)
    variance = found.explained_variance_
    if not variance[0] > FLAT:
        raise TrainingError("all pictures are one to the network: there is nothing to tell them apart by")
    some = variance > FLAT * variance[0]
    scale = (variance[some] / variance[0]) ** (-WHITENING / 2)
    return found.mean_.astype(np.float32), np.ascontiguousarray(
        (found.components_[some] * scale[:, None]).T, np.float32
    )
