"""Views of the database for as many threads as ask, none of which waits for a writer."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from semelha.errors import GalleryError
from semelha.store.connection import connect, translating_errors
from semelha.store.view import View

IDLE = 16  # connections that are kept for views to come


class Readers:
    """Connections that only read, each lent to one view at a time.

    Parameters
    ----------
    path : Path
        Of the database, which is there and in WAL mode: a reader then has a snapshot of its own.
    model : str
        Fingerprint of the model whose vectors it held when it was opened.
    """

    def __init__(self, path: Path, model: str) -> None:
        self._path = path
        self._model = model
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._lock = threading.Lock()

    @contextmanager
    def view(self) -> Iterator[View]:
        """A view of this moment, until the block ends. Raises `GalleryError`."""
        connection = self._lent()
        try:
            view = View(connection, self._path, self._model)
            yield view
            view.end()
        except BaseException:
            connection.close()
            raise
        self._returned(connection)

    def close(self) -> None:
        """Let go of the file; a view that is open keeps its connection until it ends."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _lent(self) -> sqlite3.Connection:
        with self._lock:
            if self._closed:
                raise GalleryError(f"the gallery {self._path.parent} is closed")
            if self._idle:
                return self._idle.pop()
        with translating_errors(self._path, "read"):
            connection = connect(self._path)
            connection.execute("PRAGMA query_only = ON")
            return connection

    def _returned(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < IDLE:
                self._idle.append(connection)
                return
        connection.close()
