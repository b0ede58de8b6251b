"""Our own residual networks for small pictures: four blocks, with 1.2 or 3.5 million weights.

The channels are multiples of 32, which processors with bfloat16 multiply fastest.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

WIDTHS = {"small": (32, 64, 128, 256), "medium": (64, 128, 256, 384)}
"""Channels of each block, by the name of the network."""


class Block(nn.Module):
    """Two 3×3 convolutions and a shortcut (He et al., CVPR 2016, figure 2; option B)."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.first = convolution(channels, width, 3, stride)
        self.second = convolution(width, width, 3, 1)
        self.shortcut = nn.Identity() if channels == width and stride == 1 else convolution(channels, width, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(F.relu(self.first(x), inplace=True)) + self.shortcut(x), inplace=True)


class SmallBackbone(nn.Module):
    """(batch, channels, h, w) → (batch, features, h/16, w/16). `widths` are the channels of the map of each block."""

    recomputed = False  # whether the backward pass computes each block again instead of storing its activations

    def __init__(self, channels: int, widths: tuple[int, ...] = WIDTHS["small"]) -> None:
        super().__init__()
        strides = (1,) + (2,) * (len(widths) - 1)
        inputs = (widths[0], *widths)
        self.stem = convolution(channels, widths[0], 5, 2)
        self.blocks = nn.Sequential(*(Block(i, o, s) for i, o, s in zip(inputs, widths, strides, strict=False)))
        self.widths = widths
        self.features = widths[-1]

    def forward(self, x: Tensor) -> Tensor:
        return self.maps(x)[-1]

    def maps(self, x: Tensor) -> list[Tensor]:
        """The feature map of each block, from the first to the last."""
        x, found = F.relu(self.stem(x), inplace=True), []
        for block in self.blocks:
            again = self.recomputed and torch.is_grad_enabled()
            x = checkpoint(block, x, use_reentrant=False) if again else block(x)
            found.append(x)
        return found

    def depths(self) -> dict[str, int]:
        """Depth of the layer of each weight: 0 for the stem, then the blocks."""
        names = (name.split(".") for name, _ in self.named_parameters())
        return {".".join(name): 0 if name[0] == "stem" else 1 + int(name[1]) for name in names}


def convolution(channels: int, width: int, kernel: int, stride: int) -> nn.Sequential:
    """A convolution without bias, and batch normalization."""
    return nn.Sequential(nn.Conv2d(channels, width, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(width))
