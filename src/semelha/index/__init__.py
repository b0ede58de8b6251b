"""Nearest neighbors. One contract; today the exact linear scan."""

from semelha.index.linear import LinearIndex
from semelha.index.neighbors import Index, Neighbors

__all__ = ["Index", "LinearIndex", "Neighbors"]
