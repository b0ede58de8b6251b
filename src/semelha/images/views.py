"""A picture seen again a little differently: turned, nearer, farther, to one side, in a mirror."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semelha.errors import UsageError


@dataclass(frozen=True)
class View:
    """How a picture is seen.

    Parameters
    ----------
    turn : float
        Degrees, counter-clockwise.
    scale : float
        What is seen becomes so many times as large; 0.25 to 4.
    right, down : float
        It moves so far, as a part of the sides; −0.5 to 0.5.
    mirror : bool
        Left and right change places.
    """

    turn: float = 0.0
    scale: float = 1.0
    right: float = 0.0
    down: float = 0.0
    mirror: bool = False

    def __post_init__(self) -> None:
        if not (0.25 <= self.scale <= 4 and abs(self.right) <= 0.5 and abs(self.down) <= 0.5 and abs(self.turn) <= 360):
            raise UsageError(f"{self} shows too little of a picture: scale 0.25 to 4, right and down −0.5 to 0.5")

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture so seen: (h, w, channels) uint8 → the same shape. What lay outside is as the nearest border."""
        if self == View():
            return pixels
        height, width, channels = pixels.shape
        cos, sin = math.cos(math.radians(self.turn)) / self.scale, math.sin(math.radians(self.turn)) / self.scale
        turned = np.array([[cos, -sin], [sin, cos]])  # Pillow asks where each pixel comes from
        if self.mirror:
            turned[0] *= -1
        sides = np.array([width, height])
        origin = sides / 2 - turned @ (sides * [0.5 + self.right, 0.5 + self.down])
        corners = origin + np.array([[0, 0], [width, 0], [0, height], [width, height]]) @ turned.T  # (4, 2)
        rim = 2 + math.ceil(max(0.0, -corners.min(), (corners - sides).max()))
        padded = np.pad(pixels, ((rim, rim), (rim, rim), (0, 0)), mode="edge")
        image = Image.fromarray(padded[:, :, 0] if channels == 1 else padded)
        across, along = np.column_stack([turned, origin + rim]).tolist()
        seen = image.transform((width, height), Image.Transform.AFFINE, (*across, *along), Image.Resampling.BICUBIC)
        return np.asarray(seen).reshape(pixels.shape)


LADDER = (
    View(),
    View(turn=8.0, right=0.05, down=0.05),
    View(turn=-8.0, right=-0.05, down=-0.05),
    View(turn=-8.0, right=0.05, down=-0.05),
    View(turn=8.0, right=-0.05, down=0.05),
    View(scale=1.12, down=0.05),
    View(scale=1.12, down=-0.05),
    View(scale=0.9, right=0.05),
    View(scale=0.9, right=-0.05),
)
"""Views in the order in which they are taken; the first is the picture as it is."""


def first_views(count: int, *, mirror: bool) -> tuple[View, ...]:
    """The first `count` views: with `mirror`, each is followed by the same in a mirror.

    Raises
    ------
    UsageError
        There are not that many.
    """
    most = len(LADDER) * (2 if mirror else 1)
    if not 1 <= count <= most:
        raise UsageError(f"views is {count}: there are 1 to {most}" + ("" if mirror else ", or twice as many mirrored"))
    if not mirror:
        return LADDER[:count]
    both = [View(one.turn, one.scale, one.right, one.down, side) for one in LADDER for side in (False, True)]
    return tuple(both[:count])
