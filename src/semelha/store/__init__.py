"""Subjects, examples, vectors, pictures: SQLite."""

from semelha.store.records import NewExample, Plan, Scores, Strangers, Subject
from semelha.store.store import Store
from semelha.store.view import View

__all__ = ["NewExample", "Plan", "Scores", "Store", "Strangers", "Subject", "View"]
