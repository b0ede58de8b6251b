"""Augmentation of a whole batch on its device, with random parameters for each picture.

All geometric changes (rotation, scaling, shear, translation, flips, crops and elastic warps) are one field of
coordinates for each picture, and one interpolation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from semelha.errors import UsageError

MAX_BLUR = 0.01
"""Standard deviation, as a fraction of the side."""


@dataclass(frozen=True)
class Augmentation:
    """Random changes under which a picture still shows the same class. Ranges are uniform around no change.

    Parameters
    ----------
    rotate : float
        Degrees, to either side.
    scale, stretch : float
        Log of the largest factor for both axes, or for one axis relative to the other.
    shear : float
        Tangent of the largest angle.
    translate : float
        Fraction of the picture's side.
    elastic : float
        Standard deviation of the smooth random displacement (Simard et al., ICDAR 2003), as a fraction of the side.
    crop : float
        Smallest area of a crop, which is scaled to the frame, as a fraction of it. The area is drawn between that and
        1, the aspect ratio between 3:4 and 4:3 (Szegedy et al., CVPR 2015, section 6). 1: no crop.
    flip : bool
        Mirror half of the pictures, left to right.
    brightness, contrast, saturation, hue : float
        Largest change: as a fraction of the full range, of the own contrast and saturation, and of the color circle.
    jitter : float
        Fraction of the pictures whose brightness, contrast, saturation and hue are changed.
    grey : float
        Fraction of the pictures that lose their color.
    blur : float
        Fraction of the pictures that are blurred, by a Gaussian of up to 1% of the side (2 pixels in 224).
    solarize : float
        Fraction of the pictures whose values above the middle of the range are inverted.
    erase : float
        Largest side of a grey rectangle over half of the pictures (Zhong et al., AAAI 2020), as a fraction.
    """

    rotate: float = 10.0
    scale: float = 0.15
    stretch: float = 0.1
    shear: float = 0.15
    translate: float = 0.08
    elastic: float = 0.0
    crop: float = 1.0
    flip: bool = False
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    jitter: float = 1.0
    grey: float = 0.0
    blur: float = 0.0
    solarize: float = 0.0
    erase: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.crop <= 1:
            raise UsageError(f"crop is {self.crop}: it is a fraction of the picture, greater than 0 and at most 1")

    def __call__(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """Return an augmented copy of the batch, float32 of the same shape, on the scale 0..255.

        Parameters
        ----------
        pixels : (batch, channels, height, width) uint8 or float32, on the scale 0..255
        generator : torch.Generator
            On the device of `pixels`; the same state gives the same changes.
        """
        x = pixels.float()
        x = F.grid_sample(x, self._field(x, generator), padding_mode="border", align_corners=False)
        if self.brightness or self.contrast or self.saturation or self.hue:
            x = self._recolor(x, generator)
        if self.grey or self.blur or self.solarize:
            x = self._degraded(x, generator)
        return self._erased(x, generator) if self.erase else x

    def _field(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """The coordinates to sample for each pixel of the result: (batch, height, width, 2) in -1..1."""
        batch = len(x)
        angle, scale, stretch, shear, right, down = spread(6, batch, x, generator)  # each (batch,) in -1..1
        angle, shear = angle * math.radians(self.rotate), shear * self.shear
        across = torch.exp(scale * self.scale + stretch * self.stretch)
        along = torch.exp(scale * self.scale - stretch * self.stretch)
        if self.flip:
            across = across * torch.where(spread(1, batch, x, generator)[0] < 0, -1.0, 1.0)
        cos, sin = torch.cos(angle), torch.sin(angle)
        rows = (
            torch.stack([across * cos, across * (shear * cos - sin), 2 * self.translate * right], dim=1),
            torch.stack([along * sin, along * (shear * sin + cos), 2 * self.translate * down], dim=1),
        )
        change = torch.stack(rows, dim=1)  # (batch, 2, 3)
        if self.crop < 1:
            change = change @ self._cropped(x, generator)
        return self._warped(change, x, generator)

    def _cropped(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Affine map from the frame to a random crop of each picture: (batch, 3, 3)."""
        area, proportion, right, down = spread(4, len(x), x, generator)  # each (batch,) in -1..1
        area = self.crop + (1 - self.crop) * (area + 1) / 2
        root = torch.exp(proportion * math.log(4 / 3) / 2)
        wide, high = (area.sqrt() * root).clamp(max=1), (area.sqrt() / root).clamp(max=1)
        none, one = torch.zeros_like(wide), torch.ones_like(wide)
        rows = ((wide, none, (1 - wide) * right), (none, high, (1 - high) * down), (none, none, one))
        return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)

    def _warped(self, change: Tensor, x: Tensor, generator: torch.Generator) -> Tensor:
        """The field of an affine map (batch, 2, 3) and, if elastic, of smooth random displacements.

        Both are sums of products of a function of the row and one of the column: 1 and the coordinate for the affine
        map, a cubic interpolation between 6 × 6 points for the displacements. One matrix product computes them.
        """
        batch, _, height, width = x.shape
        right, down, shift = change.movedim(2, 0).movedim(2, 1)[..., None, None]  # each (2, batch, 1, 1)
        top = torch.cat([shift, right], dim=3)
        weights = torch.cat([top, torch.cat([down, torch.zeros_like(down)], dim=3)], dim=2)  # (2, batch, 2, 2)
        vertical, horizontal = line(height, x.device), line(width, x.device)
        if self.elastic:
            noise = torch.randn(2, batch, 6, 6, generator=generator, device=x.device)
            weights = F.pad(weights, (0, 6, 0, 6))
            weights[:, :, 2:, 2:] = 2 * self.elastic * noise
            vertical = torch.cat([vertical, interpolation(height, x.device)], dim=1)
            horizontal = torch.cat([horizontal, interpolation(width, x.device)], dim=1)
        return (vertical @ weights @ horizontal.T).movedim(0, -1)

    def _recolor(self, x: Tensor, generator: torch.Generator) -> Tensor:
        brightness, contrast, saturation, hue, some = spread(5, len(x), x, generator).view(5, -1, 1, 1, 1)
        some = ((some + 1) / 2 < self.jitter).float()  # (batch, 1, 1, 1): 1 where there is a change
        if x.shape[1] == 3 and (self.saturation or self.hue):
            x = adjust_color(x, 1 + self.saturation * some * saturation, self.hue * some * hue)
        return adjust_light(x, self.brightness * some * brightness, 1 + self.contrast * some * contrast).clamp(0, 255)

    def _degraded(self, x: Tensor, generator: torch.Generator) -> Tensor:
        grey, blur, width, inverted = (spread(4, len(x), x, generator) + 1) / 2  # each (batch,) in 0..1
        if self.blur:
            x = gaussian_blur(x, torch.where(blur < self.blur, width * x.shape[3] * MAX_BLUR, 0.0))
        if self.grey:
            x = remove_color(x, grey < self.grey)
        return solarize(x, inverted < self.solarize) if self.solarize else x

    def _erased(self, x: Tensor, generator: torch.Generator) -> Tensor:
        batch, _, height, width = x.shape
        wide, high, left, top, coin = (spread(5, batch, x, generator).view(5, -1, 1, 1, 1) + 1) / 2
        wide, high = wide * self.erase * (coin < 0.5), high * self.erase
        columns = (torch.arange(width, device=x.device) + 0.5) / width  # (width,)
        rows = (torch.arange(height, device=x.device).view(-1, 1) + 0.5) / height  # (height, 1)
        inside = ((columns - left).abs() < wide / 2) & ((rows - top).abs() < high / 2)  # (batch, 1, height, width)
        return torch.where(inside, x.mean(dim=(1, 2, 3), keepdim=True), x)


def spread(rows: int, batch: int, like: Tensor, generator: torch.Generator) -> Tensor:
    """(rows, batch) uniform random numbers in -1..1."""
    return torch.rand(rows, batch, generator=generator, device=like.device) * 2 - 1


@cache
def line(side: int, device: torch.device) -> Tensor:
    """(side, 2): 1 and the coordinate of each pixel along one axis, in -1..1 from edge to edge."""
    places = (2 * torch.arange(side, device=device) + 1) / side - 1
    return torch.stack([torch.ones_like(places), places], dim=1)


@cache
def interpolation(side: int, device: torch.device, points: int = 6) -> Tensor:
    """(side, points): weights of a cubic interpolation from `points` to `side` places along one axis."""
    one = torch.eye(points, device=device).unsqueeze(1)  # (points, 1, points)
    return F.interpolate(one.unsqueeze(2), (1, side), mode="bicubic", align_corners=False).view(points, side).T


def quarter_turns(pixels: Tensor, turns: Tensor) -> Tensor:
    """Turn each picture (batch, channels, side, side) counter-clockwise by its number of quarter turns (batch,)."""
    turned = pixels.clone()
    for turn in (1, 2, 3):
        which = turns == turn
        turned[which] = torch.rot90(pixels[which], turn, dims=(2, 3))
    return turned


def adjust_light(x: Tensor, brightness: Tensor, contrast: Tensor) -> Tensor:
    """Add `brightness`, a fraction of the full range, and multiply the contrast about the mean of each picture.

    `x` is (batch, channels, h, w), the others are (batch, 1, 1, 1).
    """
    middle = x.mean(dim=(1, 2, 3), keepdim=True)
    return middle + (x - middle) * contrast + 255 * brightness


def adjust_color(x: Tensor, saturation: Tensor, hue: Tensor) -> Tensor:
    """Scale saturation by a factor, and rotate the hue: (batch, 3, h, w), then (batch, 1, 1, 1) twice.

    `hue` is a fraction of the circle. The rotation is about the grey axis, so grey and brightness do not change.
    """
    grey = x.mean(dim=1, keepdim=True)
    color = x - grey  # a plane across the axis
    angle = 2 * math.pi * hue
    across = (color.roll(1, dims=1) - color.roll(-1, dims=1)) / math.sqrt(3)  # the same, turned by 90°
    return grey + saturation * (torch.cos(angle) * color + torch.sin(angle) * across)


def remove_color(x: Tensor, which: Tensor) -> Tensor:
    """Remove the color of the pictures at `which` (batch,) bool."""
    return torch.where(which.view(-1, 1, 1, 1), x.mean(dim=1, keepdim=True), x)


def gaussian_blur(x: Tensor, sigma: Tensor) -> Tensor:
    """Blur each picture by a Gaussian of width `sigma` (batch,) in pixels; 0.05 pixels or less change nothing."""
    rows, columns = (_smoothing(side, sigma, x) for side in x.shape[2:])
    return rows[:, None] @ x @ columns[:, None].transpose(2, 3)


def solarize(x: Tensor, which: Tensor) -> Tensor:
    """Invert the values above the middle of the range, of the pictures at `which` (batch,) bool."""
    return torch.where(which.view(-1, 1, 1, 1) & (x >= 128), 255 - x, x)


def _smoothing(side: int, sigma: Tensor, like: Tensor) -> Tensor:
    """(batch, side, side): Gaussian weights about each place, which sum to 1 at borders too."""
    place = torch.arange(side, device=like.device, dtype=like.dtype)
    apart = (place[:, None] - place) ** 2
    return torch.softmax(-apart / (2 * sigma.clamp(min=0.05).view(-1, 1, 1) ** 2), dim=2)
