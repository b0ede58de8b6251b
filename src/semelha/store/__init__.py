"""Subjects, examples, vectors, pictures: SQLite."""

from semelha.store.audit import acting_as
from semelha.store.records import (
    Addition,
    AuditEntry,
    ExamplePage,
    Merge,
    NewExample,
    NewReview,
    Plan,
    Rejection,
    ReviewedAnswer,
    ReviewKind,
    Scores,
    StoredExample,
    StoredReview,
    Strangers,
    Subject,
    SubjectPage,
)
from semelha.store.staged_vectors import PLACES, Kept, Place, StagedVectors
from semelha.store.store import Store
from semelha.store.view import View

__all__ = [
    "PLACES",
    "Addition",
    "AuditEntry",
    "ExamplePage",
    "Kept",
    "Merge",
    "NewExample",
    "NewReview",
    "Place",
    "Plan",
    "Rejection",
    "ReviewKind",
    "ReviewedAnswer",
    "Scores",
    "StagedVectors",
    "Store",
    "StoredExample",
    "StoredReview",
    "Strangers",
    "Subject",
    "SubjectPage",
    "View",
    "acting_as",
]
