"""Galleries: enrolled subjects, identification, calibration, curation and migration behind one class."""

from semelha.gallery.curation.check import Check, Finding
from semelha.gallery.curation.cluster import Cluster, Clustering
from semelha.gallery.curation.report import export_clusters
from semelha.gallery.enrollment import Enrollment
from semelha.gallery.gallery import Gallery
from semelha.gallery.migration import MigrationResult, migrate

__all__ = [
    "Check",
    "Cluster",
    "Clustering",
    "Enrollment",
    "Finding",
    "Gallery",
    "MigrationResult",
    "export_clusters",
    "migrate",
]
