"""Galleries: enrolled subjects, identification, calibration, curation and migration behind one class."""

from semelha.gallery.accuracy import Accuracy
from semelha.gallery.backup import Backup, backup, restore
from semelha.gallery.curation.check import Check, Finding
from semelha.gallery.curation.cluster import Cluster, Clustering
from semelha.gallery.curation.report import export_clusters
from semelha.gallery.doctor import Problem, diagnose, repair
from semelha.gallery.enrollment import Enrollment
from semelha.gallery.gallery import Gallery
from semelha.gallery.migration import MigrationResult, migrate
from semelha.gallery.probes import Probe

__all__ = [
    "Accuracy",
    "Backup",
    "Check",
    "Cluster",
    "Clustering",
    "Enrollment",
    "Finding",
    "Gallery",
    "MigrationResult",
    "Probe",
    "Problem",
    "backup",
    "diagnose",
    "export_clusters",
    "migrate",
    "repair",
    "restore",
]
