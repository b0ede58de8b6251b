"""The one public object that composes embedder, store, index and recognition."""

from semelha.gallery.examples import Enrollment
from semelha.gallery.gallery import Gallery
from semelha.gallery.migration import Migrated, migrate

__all__ = ["Enrollment", "Gallery", "Migrated", "migrate"]
