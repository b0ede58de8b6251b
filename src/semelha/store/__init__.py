"""Subjects, examples, vectors, pictures: SQLite."""

from semelha.store.audit import acting_as
from semelha.store.records import (
    Addition,
    AuditEntry,
    ExamplePage,
    Merge,
    NewExample,
    Plan,
    Rejection,
    Scores,
    StoredExample,
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
    "Place",
    "Plan",
    "Rejection",
    "Scores",
    "StagedVectors",
    "Store",
    "StoredExample",
    "Strangers",
    "Subject",
    "SubjectPage",
    "View",
    "acting_as",
]
