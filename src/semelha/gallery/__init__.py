"""The one public object that composes embedder, store, index and recognition."""

from semelha.gallery.care import Check, Finding
from semelha.gallery.clusters import Cluster, Clustering
from semelha.gallery.examples import Enrollment
from semelha.gallery.gallery import Gallery
from semelha.gallery.migration import Migrated, migrate
from semelha.gallery.proposal import write_folders

__all__ = [
    "Check",
    "Cluster",
    "Clustering",
    "Enrollment",
    "Finding",
    "Gallery",
    "Migrated",
    "migrate",
    "write_folders",
]
