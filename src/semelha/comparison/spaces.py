"""What `semelha tune` tries for each method: its settings, their ranges and their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """A number from `low` to `high`, drawn on a logarithmic scale if `is_log`."""

    low: float
    high: float
    default: float
    is_log: bool = False


@dataclass(frozen=True)
class Choice:
    """One of some numbers; None is the default of the method, which depends on the pictures."""

    numbers: tuple[float | None, ...]
    default: float | None


Space = Mapping[str, Range | Choice]

RANK = Choice((16, 32, 64, 96, None), None)
NEIGHBORS = Choice((1, 2, 3, 5, 8), 3)
SHRINKAGE = Choice((0.0, 0.01, 0.03, 0.1, 0.3, 1.0), 0.0)
TRAINING: Space = {"learning_rate": Range(3e-4, 1e-2, 3e-3, is_log=True), "dim": Choice((64, 128, 256, 512), 256)}
OF_VIEWS: Space = {"temperature": Range(0.05, 1.0, 0.2, is_log=True), **TRAINING}

SPACES: Mapping[str, Space] = {
    "pca-whitening": {"n_components": RANK},
    "lda": {"n_components": RANK, "shrinkage": SHRINKAGE},
    "nca": {
        "n_components": Choice((8, 16, 64, 128, None), None),
        "learning_rate": Range(3e-3, 0.3, 0.03, is_log=True),
        "max_iter": Choice((100, 200, 400, 800), 400),
    },
    "lmnn": {"n_neighbors": NEIGHBORS, "regularization": Range(0.05, 0.95, 0.5), "n_components": RANK},
    "itml": {"gamma": Range(1e-3, 1e3, 1.0, is_log=True)},
    "gmml": {"t": Range(0.05, 1.0, 0.5)},
    "boostmetric": {"n_rounds": Choice((50, 100, 200, 400), 200), "n_neighbors": NEIGHBORS},
    "ranksvm": {"C": Range(1.0, 1e5, 1e3, is_log=True), "n_neighbors": NEIGHBORS},
    "boosted-similarity": {
        "n_rounds": Choice((64, 128, 256, 512), 256),
        "n_thresholds": Choice((16, 32, 64, 128), 64),
    },
    "default-loss": {"temperature": Range(0.02, 0.3, 0.05, is_log=True), **TRAINING},
    "cross-entropy": TRAINING,
    "contrastive": {"negative_margin": Range(0.3, 1.4, 1.0), "positive_margin": Range(0.0, 0.5, 0.0), **TRAINING},
    "triplet": {"margin": Range(0.05, 0.8, 0.2), **TRAINING},
    "proxy-anchor": {"margin": Range(0.01, 0.4, 0.1), "scale": Range(8.0, 64.0, 32.0, is_log=True), **TRAINING},
    "arcface": {"margin": Range(0.05, 0.7, 0.5), "scale": Range(8.0, 64.0, 30.0, is_log=True), **TRAINING},
    "simclr": OF_VIEWS,
    "moco-v2": OF_VIEWS,
}
"""By the short name of the method. Those that are missing have no settings that matter."""
