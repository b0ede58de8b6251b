"""Subjects, examples, vectors, pictures: SQLite."""

from semelha.store.places import PLACES, Kept, Place
from semelha.store.records import NewExample, Plan, Scores, Subject
from semelha.store.store import Store
from semelha.store.successor import Successor
from semelha.store.view import View

__all__ = ["PLACES", "Kept", "NewExample", "Place", "Plan", "Scores", "Store", "Subject", "Successor", "View"]
