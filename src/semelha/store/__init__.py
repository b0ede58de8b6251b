"""Subjects, examples, vectors, pictures: SQLite."""

from semelha.store.records import Example, NewExample, Subject
from semelha.store.store import Store

__all__ = ["Example", "NewExample", "Store", "Subject"]
