"""Color changes of a batch, with parameters for each picture. Pixels are float32 on the scale 0..255."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def lit(x: Tensor, brightness: Tensor, contrast: Tensor) -> Tensor:
    """Change the contrast about the mean of each picture, and the brightness.

    `x` is (batch, channels, h, w), the others are (batch, 1, 1, 1).

    `contrast` is a factor, `brightness` a fraction of the full range.
    """
    middle = x.mean(dim=(1, 2, 3), keepdim=True)
    return middle + (x - middle) * contrast + 255 * brightness


def tinted(x: Tensor, saturation: Tensor, hue: Tensor) -> Tensor:
    """Scale saturation by a factor, and rotate the hue: (batch, 3, h, w), then (batch, 1, 1, 1) twice.

    `hue` is a fraction of the circle. The rotation is about the grey axis, so grey and brightness do not change.
    """
    grey = x.mean(dim=1, keepdim=True)
    color = x - grey  # a plane across the axis
    angle = 2 * math.pi * hue
    across = (color.roll(1, dims=1) - color.roll(-1, dims=1)) / math.sqrt(3)  # the same, turned by 90°
    return grey + saturation * (torch.cos(angle) * color + torch.sin(angle) * across)


def greyed(x: Tensor, which: Tensor) -> Tensor:
    """Remove the color of the pictures at `which` (batch,) bool."""
    return torch.where(which.view(-1, 1, 1, 1), x.mean(dim=1, keepdim=True), x)


def blurred(x: Tensor, sigma: Tensor) -> Tensor:
    """Blur each picture by a Gaussian of width `sigma` (batch,) in pixels; 0.05 pixels or less change nothing."""
    rows, columns = (_smoothing(side, sigma, x) for side in x.shape[2:])
    return rows[:, None] @ x @ columns[:, None].transpose(2, 3)


def solarized(x: Tensor, which: Tensor) -> Tensor:
    """Invert the values above the middle of the range, of the pictures at `which` (batch,) bool."""
    return torch.where(which.view(-1, 1, 1, 1) & (x >= 128), 255 - x, x)


def _smoothing(side: int, sigma: Tensor, like: Tensor) -> Tensor:
    """(batch, side, side): Gaussian weights about each place, which sum to 1 at borders too."""
    place = torch.arange(side, device=like.device, dtype=like.dtype)
    apart = (place[:, None] - place) ** 2
    return torch.softmax(-apart / (2 * sigma.clamp(min=0.05).view(-1, 1, 1) ** 2), dim=2)
