"""Views of a picture for test-time augmentation: rotated, scaled, shifted, mirrored."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semelha.errors import UsageError


@dataclass(frozen=True)
class View:
    """An affine change of a picture.

    Parameters
    ----------
    turn : float
        Degrees, counter-clockwise.
    scale : float
        Magnification, 0.25 to 4.
    right, down : float
        Shift as a part of the sides; −0.5 to 0.5.
    mirror : bool
        Exchange left and right.
    """

    turn: float = 0.0
    scale: float = 1.0
    right: float = 0.0
    down: float = 0.0
    mirror: bool = False

    def __post_init__(self) -> None:
        if not (0.25 <= self.scale <= 4 and abs(self.right) <= 0.5 and abs(self.down) <= 0.5 and abs(self.turn) <= 360):
            raise UsageError(f"{self} is out of range: scale 0.25 to 4, right and down −0.5 to 0.5, turn −360 to 360")

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Transform a picture: (h, w, channels) uint8 → the same shape. Outside, the border is repeated."""
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


STANDARD_VIEWS = (
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
"""Views in the order in which they are used; the first is the unchanged picture."""


def standard_views(count: int, *, mirror: bool) -> tuple[View, ...]:
    """The first `count` of `STANDARD_VIEWS`; with `mirror`, each is followed by its mirror image.

    Raises `UsageError` if `count` is below 1, or above the number of views.
    """
    most = len(STANDARD_VIEWS) * (2 if mirror else 1)
    if not 1 <= count <= most:
        raise UsageError(
            f"views is {count}: it must be 1 to {most}" + ("" if mirror else ", or twice as many with mirror=True")
        )
    if not mirror:
        return STANDARD_VIEWS[:count]
    both = [View(one.turn, one.scale, one.right, one.down, side) for one in STANDARD_VIEWS for side in (False, True)]
    return tuple(both[:count])
