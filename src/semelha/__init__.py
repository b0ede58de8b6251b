"""semelha: recognize objects by similarity."""

from semelha._version import __version__

__all__ = ["__version__"]
