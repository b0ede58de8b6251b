"""The one public object that composes embedder, store, index and recognition."""

from semelha.gallery.gallery import Enrollment, Gallery

__all__ = ["Enrollment", "Gallery"]
