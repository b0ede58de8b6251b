"""Subjects without examples, which CompreFace has and a gallery has not."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

from fastapi import Depends, Request

from semelha.errors import SubjectExists
from semelha.gallery import Gallery
from semelha.service.problems import Problem
from semelha.service.state import State
from semelha.untrusted import checked_name, normalized_name

MOST = 10_000


class EmptySubjects:
    """Names of subjects that have no example yet, in the state file of the server.

    A subject is one of the gallery as soon as it has an example.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def add(self, name: str, gallery: Gallery) -> str:
        """Add a subject, and return its name as it is stored. Raises `SubjectExists`, `InvalidName` or `Problem`."""
        checked, place = checked_name(name), gallery.path.absolute().name
        with self._state.transaction(durable=True) as db:
            (count,) = db.execute("SELECT count(*) FROM empty_subjects").fetchone()
            is_new = db.execute("INSERT OR IGNORE INTO empty_subjects VALUES (?, ?)", (place, checked)).rowcount
            if not is_new or checked in gallery:
                raise SubjectExists("Subject already exists")
            if count >= MOST:
                raise Problem(409, "too-many-subjects", f"there are {MOST:,} subjects without examples already")
        return checked

    def names(self, gallery: Gallery) -> list[str]:
        """The names of those that still have no example."""
        place = gallery.path.absolute().name
        rows = self._state.rows("SELECT name FROM empty_subjects WHERE gallery = ? ORDER BY name", place)
        return [name for (name,) in rows if name not in gallery]

    def rename(self, old: str, new: str, gallery: Gallery) -> bool:
        """Rename a subject; one that exists already replaces it. Returns whether it was one of these."""
        checked = checked_name(new)
        if not self.remove(old, gallery):
            return False
        if checked not in gallery:
            with suppress(SubjectExists):
                self.add(checked, gallery)
        return True

    def remove(self, name: str, gallery: Gallery) -> bool:
        """Remove a subject, and return whether it was one of these."""
        values = gallery.path.absolute().name, normalized_name(name)
        with self._state.transaction(durable=True) as db:
            count = db.execute("DELETE FROM empty_subjects WHERE gallery = ? AND name = ?", values).rowcount
        if count:
            self._state.erase()
        return bool(count)

    def clear(self, gallery: Gallery) -> int:
        """Remove all, and return how many still had no example."""
        count = len(self.names(gallery))
        with self._state.transaction(durable=True) as db:
            db.execute("DELETE FROM empty_subjects WHERE gallery = ?", (gallery.path.absolute().name,))
        self._state.erase()
        return count


async def _empty_subjects(request: Request) -> EmptySubjects:
    found: EmptySubjects = request.app.state.empty_subjects
    return found


TheEmptySubjects = Annotated[EmptySubjects, Depends(_empty_subjects)]
