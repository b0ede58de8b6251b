"""Find mislabeled examples, duplicates, outliers and subjects to merge or split, and cluster unknown pictures.

Functions of vectors, neighbors and labels; `semelha.gallery.curation` applies them to a gallery.
"""

from semelha.recognition.curation.enrolled import EnrolledExamples
from semelha.recognition.curation.examples import mislabel_probabilities, near_duplicates, outliers
from semelha.recognition.curation.linkage import Merges, average_linkage, linkage_threshold
from semelha.recognition.curation.subjects import merge_candidates, split_candidates

__all__ = [
    "EnrolledExamples",
    "Merges",
    "average_linkage",
    "linkage_threshold",
    "merge_candidates",
    "mislabel_probabilities",
    "near_duplicates",
    "outliers",
    "split_candidates",
]
