"""Nearest-neighbor search under every metric: linear scan, trees, inverted file (IVF) and HNSW, with one contract."""

from semelha.index.base import Index
from semelha.index.kinds import AutoIndex, HNSWIndex, IVFIndex, LinearIndex, TreeIndex
from semelha.index.snapshot import Neighbors, Snapshot

__all__ = ["AutoIndex", "HNSWIndex", "IVFIndex", "Index", "LinearIndex", "Neighbors", "Snapshot", "TreeIndex"]
