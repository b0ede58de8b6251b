"""Conversion of pictures to grey, HSV and CIE Lab, each channel on 0..255."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Color = Literal["grey", "rgb", "hsv", "lab"]
COLORS: tuple[Color, ...] = get_args(Color)
CHANNELS: dict[Color, tuple[str, ...]] = {
    "grey": ("grey",),
    "rgb": ("red", "green", "blue"),
    "hsv": ("hue", "saturation", "value"),
    "lab": ("lightness", "green-red", "blue-yellow"),
}
BLOCK = 1 << 18  # pixels converted to Lab at a time

# IEC 61966-2-1 (sRGB): linear light of each level, and the primaries in CIE XYZ over the white of D65 (2°).
_LEVELS = np.arange(256) / 255
_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4).astype(np.float32)
_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
_OVER_WHITE = (_XYZ / np.array([[0.95047], [1.0], [1.08883]])).astype(np.float32)


def channels_of(pixels: NDArray[np.uint8], color: Color) -> NDArray[np.uint8]:
    """Convert pictures: (n, h, w, 3) RGB → (n, h, w, channels), uint8.

    Grey is the luma of ITU-R 601. Hue, saturation and value go from 0 to 255, the hue around the circle. Of CIE Lab
    (1976; sRGB, D65) L goes from 0 to 100 and becomes 0 to 255; a and b are raised by 128.
    """
    n, h, w, _ = pixels.shape
    if color == "rgb":
        return pixels
    if color == "lab":
        return _lab(pixels.reshape(-1, 3)).reshape(pixels.shape)
    mode, channels = ("L", 1) if color == "grey" else ("HSV", 3)
    tall = Image.fromarray(pixels.reshape(n * h, w, 3)).convert(mode)
    return np.asarray(tall).reshape(n, h, w, channels)


def _lab(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB to Lab: (n, 3) → (n, 3)."""
    out = np.empty_like(pixels)
    for start in range(0, len(pixels), BLOCK):
        rows = slice(start, start + BLOCK)
        relative = _LINEAR[pixels[rows]] @ _OVER_WHITE.T  # X, Y, Z over those of white
        f = np.where(relative > (6 / 29) ** 3, np.cbrt(relative), relative * ((29 / 6) ** 2 / 3) + 4 / 29)
        lightness = (116 * f[:, 1] - 16) * 2.55
        lab = np.stack([lightness, 500 * (f[:, 0] - f[:, 1]) + 128, 200 * (f[:, 1] - f[:, 2]) + 128], axis=1)
        out[rows] = np.clip(np.rint(lab), 0, 255)
    return out
