"""Vectors that `search.py` searches: clusters that overlap, and pictures of characters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

import semelha
from semelha.embedders import FeatureEmbedder
from semelha.features import HOG
from semelha.linear import PCAWhitening

K = 10
DIMENSION = 128
CLUSTERS, INTRINSIC, SPREAD, NOISE = 1000, 20, 0.6, 0.1
QUERIES = 0.15  # part of the pictures
SAME = 1e-6  # of a squared distance: equal but for rounding

Vectors = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Data:
    """What is stored and what is asked: unit vectors (n, d) and (q, d)."""

    name: str
    stored: Vectors
    queries: Vectors

    @cached_property
    def farthest(self) -> NDArray[np.float64]:
        """Squared distance of the K-th true neighbor of each query: (q,)."""
        _, true = faiss.knn(self.queries, self.stored, K)
        return self.squares(true).max(axis=1)

    def squares(self, ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """Squared distances of each query to what was found for it; infinite beside −1: (q, k)."""
        asked = self.queries[: len(ids), None].astype(np.float64)
        found: NDArray[np.float64] = ((self.stored[ids] - asked) ** 2).sum(axis=2)
        return np.where(ids < 0, np.inf, found)

    def recall(self, ids: NDArray[np.int64]) -> float:
        """Part of the K nearest that was found; of equals any will do."""
        return float(np.mean(self.squares(ids) <= self.farthest[: len(ids), None] * (1 + SAME)))


def clustered(seed: int, n: int, dimension: int = DIMENSION) -> Vectors:
    """Unit vectors of `CLUSTERS` overlapping Gaussian clusters, always the same, in a subspace, plus noise."""
    fixed, drawn = np.random.default_rng(0), np.random.default_rng(seed)
    basis = np.linalg.qr(fixed.normal(size=(dimension, INTRINSIC)))[0].T  # (intrinsic, d)
    centers = fixed.normal(size=(CLUSTERS, INTRINSIC))
    scales = SPREAD * fixed.uniform(0.5, 1.5, (CLUSTERS, INTRINSIC))
    out = np.empty((n, dimension), np.float32)
    for start in range(0, n, 1 << 16):
        which = drawn.integers(0, CLUSTERS, min(1 << 16, n - start))
        inside = centers[which] + scales[which] * drawn.normal(size=(len(which), INTRINSIC))
        out[start : start + len(which)] = unit(inside @ basis + NOISE * drawn.normal(size=(len(which), dimension)))
    return out


def clusters(n: int, queries: int) -> Data:
    return Data(f"clusters-{n}", clustered(1, n), clustered(2, queries))


def pictures(cache: Path) -> Data:
    """HOG of the built-in characters, whitened to `DIMENSION` numbers by what is stored, of length 1."""
    file = cache / "pictures.npz"
    if not file.exists():
        features = FeatureEmbedder(HOG()).embed(semelha.glyphs().pictures)
        drawn = np.random.default_rng(0).permutation(len(features))
        asked, kept = np.split(drawn, [round(QUERIES * len(drawn))])
        whitening = PCAWhitening(DIMENSION).fit(features[kept])
        np.savez(file, **{name: unit(whitening.transform(features[at])) for name, at in (("s", kept), ("q", asked))})
    with np.load(file) as arrays:
        return Data("pictures", arrays["s"], arrays["q"])


def unit(rows: NDArray[np.float64]) -> Vectors:
    return np.ascontiguousarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
