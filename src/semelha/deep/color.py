"""Changes of light and color of a whole batch, each picture with its own draw. Pixels on the scale 0..255, float32."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def lit(x: Tensor, brightness: Tensor, contrast: Tensor) -> Tensor:
    """Contrast about the mean of each picture, and light added: (batch, channels, h, w), then (batch, 1, 1, 1) twice.

    `contrast` is a factor, `brightness` a part of the full range.
    """
    middle = x.mean(dim=(1, 2, 3), keepdim=True)
    return middle + (x - middle) * contrast + 255 * brightness


def tinted(x: Tensor, saturation: Tensor, hue: Tensor) -> Tensor:
    """Colors stretched from grey by a factor and turned around it: (batch, 3, h, w), then (batch, 1, 1, 1) twice.

    `hue` is a part of the circle. The turn is about the axis of greys, so grey stays grey and light stays as it is.
    """
    grey = x.mean(dim=1, keepdim=True)
    color = x - grey  # a plane across the axis
    angle = 2 * math.pi * hue
    across = (color.roll(1, dims=1) - color.roll(-1, dims=1)) / math.sqrt(3)  # the same, turned by 90°
    return grey + saturation * (torch.cos(angle) * color + torch.sin(angle) * across)


def greyed(x: Tensor, which: Tensor) -> Tensor:
    """The pictures that `which` (batch,) bool names, without color."""
    return torch.where(which.view(-1, 1, 1, 1), x.mean(dim=1, keepdim=True), x)


def blurred(x: Tensor, sigma: Tensor) -> Tensor:
    """Each picture by a Gaussian of its own width, `sigma` (batch,) in pixels; a twentieth of one changes nothing."""
    rows, columns = (_smoothing(side, sigma, x) for side in x.shape[2:])
    return rows[:, None] @ x @ columns[:, None].transpose(2, 3)


def solarized(x: Tensor, which: Tensor) -> Tensor:
    """The pictures that `which` (batch,) bool names, what is lighter than the middle of the range inverted."""
    return torch.where(which.view(-1, 1, 1, 1) & (x >= 128), 255 - x, x)


def _smoothing(side: int, sigma: Tensor, like: Tensor) -> Tensor:
    """(batch, side, side): each row has the weights of a Gaussian about its place, which sum to 1 at a border too."""
    place = torch.arange(side, device=like.device, dtype=like.dtype)
    apart = (place[:, None] - place) ** 2
    return torch.softmax(-apart / (2 * sigma.clamp(min=0.05).view(-1, 1, 1) ** 2), dim=2)
