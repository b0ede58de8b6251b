"""Small data for the tests of learners."""

from __future__ import annotations

from typing import Any

import numpy as np

import semelha.linear
from semelha.linear.base import Learner

PUBLIC = [getattr(semelha.linear, name) for name in semelha.linear.__all__]
EVERY: list[type[Learner]] = [kind for kind in PUBLIC if isinstance(kind, type) and issubclass(kind, Learner)]


def clusters(seed: int = 0, *, n: int = 90, d: int = 6, classes: int = 3, spread: float = 1.0) -> tuple[Any, Any]:
    """Vectors (n, d) of `classes` clusters that differ in the first two features; the others are noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    x = rng.normal(size=(n, d))
    angles = 2 * np.pi * y / classes
    x[:, 0] = 3 * np.cos(angles) + spread * x[:, 0]
    if d > 1:
        x[:, 1] = 3 * np.sin(angles) + spread * x[:, 1]
    return x, y


def every_pair(y: Any) -> tuple[Any, Any]:
    """All pairs (m, 2) of rows, and which are of the same class."""
    pairs = np.stack(np.triu_indices(len(y), 1), axis=1)
    return pairs, y[pairs[:, 0]] == y[pairs[:, 1]]
