"""Settings of `import_model`: what the caller says of a graph, and presets of well-known models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from semelha.arguments import check_choice, check_int, check_pair, refuse
from semelha.embedders.graph_spec import GraphLayout
from semelha.images import Fit

MAX_SIDE = 4096

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
    """The arguments of `import_model` that describe the graph; None: found in the file, or assumed."""

    preset: str | None
    size: tuple[int, int] | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    bgr: bool | None
    layout: GraphLayout | None
    output: str | None
    first_token: bool | None
    normalize: bool
    fit: Fit | None

    @property
    def known(self) -> Preset | None:
        """The preset that was chosen."""
        return None if self.preset is None else PRESETS[self.preset]


def checked_settings(
    *,
    preset: str | None = None,
    size: int | tuple[int, int] | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    bgr: bool | None = None,
    layout: str | None = None,
    output: str | None = None,
    first_token: bool | None = None,
    normalize: bool = False,
    fit: str | None = None,
) -> ImportSettings:
    """Check the values of the arguments, whose types are right. Raises `UsageError`."""
    if preset is not None:
        check_choice("preset", preset, tuple(PRESETS))
    if isinstance(size, int):
        size = (check_int("size", size, 1, MAX_SIDE),) * 2
    elif size is not None:
        size = check_pair("size", size, 1, MAX_SIDE)
    layouts: tuple[GraphLayout, ...] = get_args(GraphLayout)
    fits: tuple[Fit, ...] = get_args(Fit)
    return ImportSettings(
        preset=preset,
        size=size,
        mean=_statistic("mean", mean, -1000.0),
        std=_statistic("std", std, 1e-6),
        bgr=bgr,
        layout=None if layout is None else check_choice("layout", layout, layouts),
        output=output,
        first_token=first_token,
        normalize=normalize,
        fit=None if fit is None else check_choice("fit", fit, fits),
    )


def _statistic(name: str, value: float | Sequence[float] | None, least: float) -> tuple[float, ...] | None:
    """A number for each channel, or one for all."""
    if value is None:
        return None
    numbers = tuple(float(one) for one in ([value] if isinstance(value, int | float) else value))
    if len(numbers) not in (1, 3) or not all(math.isfinite(one) and least <= one <= 1000 for one in numbers):
        refuse(name, value, f"one number from {least:g} to 1000, or one for each of three channels, on the scale 0..1")
    return numbers
