"""Subjects, examples, vectors, pictures: SQLite."""

from semelha.store.records import Merge, NewExample, Plan, Rejection, Scores, Subject
from semelha.store.store import Store
from semelha.store.view import View

__all__ = ["Merge", "NewExample", "Plan", "Rejection", "Scores", "Store", "Subject", "View"]
