"""Nearest neighbors under every metric: linear scan, space partitioning by trees and cells, and HNSW. One contract."""

from semelha.index.kinds import AutoIndex, CellIndex, HNSWIndex, LinearIndex, TreeIndex
from semelha.index.neighbors import Index, Neighbors
from semelha.index.snapshot import Snapshot

__all__ = ["AutoIndex", "CellIndex", "HNSWIndex", "Index", "LinearIndex", "Neighbors", "Snapshot", "TreeIndex"]
