"""Numbers that a file names in JSON, where `true` is a 1, 3.0 a 3, and everything may be anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST = (1 << 31) - 1
"""The largest that FAISS takes."""


def whole_number(card: Mapping[str, Any], name: str, least: int = 0, most: int = MOST) -> int:
    """A whole number from `least` to `most`. Raises `ValueError` or `KeyError` where it is none."""
    value = card[name]
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"its {name} is no whole number from {least} to {most}")
    return value


def number(card: Mapping[str, Any], name: str, least: float, most: float) -> float:
    """A number from `least` to `most`. Raises `ValueError` or `KeyError` where it is none."""
    value = card[name]
    if type(value) not in (int, float) or not least <= value <= most:  # NaN too
        raise ValueError(f"its {name} is no number from {least:g} to {most:g}")
    return float(value)
