"""Subjects, examples, vectors, pictures: SQLite."""

from semelha.store.records import Merge, NewExample, Plan, Scores, Subject
from semelha.store.store import Store
from semelha.store.view import View

__all__ = ["Merge", "NewExample", "Plan", "Scores", "Store", "Subject", "View"]
