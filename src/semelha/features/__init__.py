"""Pixels to vectors with nothing learned."""

from semelha.features.pixels import RawPixels

__all__ = ["RawPixels"]
