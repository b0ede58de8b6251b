"""What may be wrong with what is enrolled, and groups of what is not: functions of neighbors, distances and labels."""

from semelha.recognition.care.enrolled import Enrolled
from semelha.recognition.care.heights import parting_distance
from semelha.recognition.care.labels import wrong_labels
from semelha.recognition.care.linkage import Merges, average_linkage
from semelha.recognition.care.pairs import near_duplicates, outliers
from semelha.recognition.care.subjects import two_under_one_name, under_two_names

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
