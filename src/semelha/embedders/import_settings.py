"""Settings of `import_model`: what the caller says of a graph, and presets of well-known models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from semelha.arguments import check_choice, check_int, check_pair, refuse
from semelha.embedders.card import MAX_SIDE
from semelha.embedders.graph_spec import GraphLayout
from semelha.images import Fit

Color = tuple[float, float, float]

HALF: Color = (0.5, 0.5, 0.5)
IMAGENET: tuple[Color, Color] = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preset:
    """Input of a family of published models: its size if the graph takes any, and whether to take the first token."""

    size: int
    mean: Color
    std: Color
    fit: Fit = "crop"
    first_token: bool = False


PRESETS = {
    "arcface": Preset(112, HALF, HALF),
    "clip": Preset(224, (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "dinov2": Preset(224, *IMAGENET, first_token=True),
    "imagenet": Preset(224, *IMAGENET),
    "megadescriptor": Preset(224, HALF, HALF, fit="stretch"),
    "raw": Preset(224, (0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
}
"""Presets by name. "raw" is for graphs that take floats from 0 to 255, such as exports of Keras."""


@dataclass(frozen=True)
class ImportSettings:
    """The arguments of `import_model` that describe the graph; None: found in the file, or assumed.

    Raises `UsageError` for wrong values; the types must be right.
    """

    preset: str | None = None
    size: int | tuple[int, int] | None = None
    mean: float | Sequence[float] | None = None
    std: float | Sequence[float] | None = None
    bgr: bool | None = None
    layout: str | None = None
    output: str | None = None
    first_token: bool | None = None
    normalize: bool = False
    fit: str | None = None

    def __post_init__(self) -> None:
        for name, choices in (("preset", tuple(PRESETS)), ("layout", get_args(GraphLayout)), ("fit", get_args(Fit))):
            if getattr(self, name) is not None:
                check_choice(name, getattr(self, name), choices)
        _ = self.sides, self.numbers("mean"), self.numbers("std")

    @property
    def preset_values(self) -> Preset | None:
        """The preset that was chosen."""
        return None if self.preset is None else PRESETS[self.preset]

    @property
    def sides(self) -> tuple[int, int] | None:
        """Height and width."""
        if self.size is None:
            return None
        if isinstance(self.size, list | tuple):
            return check_pair("size", self.size, 1, MAX_SIDE)
        return (check_int("size", self.size, 1, MAX_SIDE),) * 2

    def numbers(self, name: Literal["mean", "std"]) -> tuple[float, ...] | None:
        """The mean or std: a number for each channel, or one for all."""
        value, least = getattr(self, name), {"mean": -1000.0, "std": 1e-6}[name]
        if value is None:
            return None
        numbers = tuple(map(float, np.atleast_1d(value)))
        if len(numbers) not in (1, 3) or not all(math.isfinite(one) and least <= one <= 1000 for one in numbers):
            must_be = f"one number from {least:g} to 1000, or one for each of three channels, on the scale 0..1"
            refuse(name, value, must_be)
        return numbers
