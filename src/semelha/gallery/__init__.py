"""Galleries: enrolled subjects, identification, calibration, curation and migration behind one class."""

from semelha.gallery.accuracy import Accuracy
from semelha.gallery.backup import Backup, backup, restore
from semelha.gallery.calibration.det import ChangedAnswers, DetCurve, DetPoint, LeftOutAnswer, RequiredSize
from semelha.gallery.copying import Copy, copy_gallery
from semelha.gallery.curation.check import Check, Finding
from semelha.gallery.curation.cluster import Cluster, Clustering
from semelha.gallery.curation.report import export_clusters, write_check_report, write_clusters_report
from semelha.gallery.curation.reviews import Review, ReviewPage
from semelha.gallery.doctor import Problem, diagnose, repair
from semelha.gallery.enrollment import Enrollment
from semelha.gallery.gallery import Gallery
from semelha.gallery.mapping import Map
from semelha.gallery.migration import MigrationResult, migrate
from semelha.gallery.places import absolute_place, gallery_exists, gallery_name, on_milvus
from semelha.gallery.probes import Probe
from semelha.gallery.vectors import EnrolledVectors
from semelha.store import AuditEntry, acting_as

__all__ = [
    "Accuracy",
    "AuditEntry",
    "Backup",
    "ChangedAnswers",
    "Check",
    "Cluster",
    "Clustering",
    "Copy",
    "DetCurve",
    "DetPoint",
    "EnrolledVectors",
    "Enrollment",
    "Finding",
    "Gallery",
    "LeftOutAnswer",
    "Map",
    "MigrationResult",
    "Probe",
    "Problem",
    "RequiredSize",
    "Review",
    "ReviewPage",
    "absolute_place",
    "acting_as",
    "backup",
    "copy_gallery",
    "diagnose",
    "export_clusters",
    "gallery_exists",
    "gallery_name",
    "migrate",
    "on_milvus",
    "repair",
    "restore",
    "write_check_report",
    "write_clusters_report",
]
