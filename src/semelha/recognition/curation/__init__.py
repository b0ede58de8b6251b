"""What may be wrong with what is enrolled, and groups of what is not: functions of neighbors, distances and labels."""

from semelha.recognition.curation.enrolled import Enrolled
from semelha.recognition.curation.heights import parting_distance
from semelha.recognition.curation.labels import wrong_labels
from semelha.recognition.curation.linkage import Merges, average_linkage
from semelha.recognition.curation.pairs import near_duplicates, outliers
from semelha.recognition.curation.subjects import two_under_one_name, under_two_names

__all__ = [
    "Enrolled",
    "Merges",
    "average_linkage",
    "near_duplicates",
    "outliers",
    "parting_distance",
    "two_under_one_name",
    "under_two_names",
    "wrong_labels",
]
