"""Subjects without examples, which CompreFace has and a gallery has not."""

from __future__ import annotations

import threading
from typing import Annotated

from fastapi import Depends, Request

from semelha.errors import SubjectExists
from semelha.gallery import Gallery
from semelha.service.problems import Problem
from semelha.untrusted import checked_name, normalized_name

MOST = 10_000


class EmptySubjects:
    """Names of subjects that have no example yet, in memory: they end with the server.

    A subject is one of the gallery as soon as it has an example.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: set[str] = set()

    def add(self, name: str, gallery: Gallery) -> str:
        """Add a subject, and return its name as it is stored. Raises `SubjectExists`, `InvalidName` or `Problem`."""
        checked = checked_name(name)
        with self._lock:
            if checked in self._names or checked in gallery:
                raise SubjectExists("Subject already exists")
            if len(self._names) >= MOST:
                raise Problem(409, "too-many-subjects", f"there are {MOST:,} subjects without examples already")
            self._names.add(checked)
        return checked

    def names(self, gallery: Gallery) -> list[str]:
        """The names of those that still have no example."""
        with self._lock:
            self._names = {name for name in self._names if name not in gallery}
            return sorted(self._names)

    def rename(self, old: str, new: str, gallery: Gallery) -> bool:
        """Rename a subject; one that exists already replaces it. Returns whether it was one of these."""
        checked = checked_name(new)
        with self._lock:
            if normalized_name(old) not in self._names:
                return False
            self._names.remove(normalized_name(old))
            if checked not in gallery:
                self._names.add(checked)
        return True

    def remove(self, name: str) -> bool:
        """Remove a subject, and return whether it was one of these."""
        with self._lock:
            known = normalized_name(name) in self._names
            self._names.discard(normalized_name(name))
        return known

    def clear(self, gallery: Gallery) -> int:
        """Remove all, and return how many still had no example."""
        count = len(self.names(gallery))
        with self._lock:
            self._names.clear()
        return count


async def _empty_subjects(request: Request) -> EmptySubjects:
    found: EmptySubjects = request.app.state.empty_subjects
    return found


TheEmptySubjects = Annotated[EmptySubjects, Depends(_empty_subjects)]
