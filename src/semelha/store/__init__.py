"""Subjects, examples, vectors, pictures: SQLite."""

from semelha.store.records import Merge, NewExample, Plan, Rejection, Scores, Strangers, Subject
from semelha.store.store import Store
from semelha.store.view import View

__all__ = ["Merge", "NewExample", "Plan", "Rejection", "Scores", "Store", "Strangers", "Subject", "View"]
