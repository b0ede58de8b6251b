"""A pool of read-only connections: one view each, for any number of threads, without waiting for writers."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from semelha.errors import GalleryError
from semelha.store.connection import connect, translating_errors
from semelha.store.view import View

IDLE = 16  # connections that are kept open


class Readers:
    """Read-only connections to a database in WAL mode, each used by one view at a time, which sees its own snapshot."""

    def __init__(self, path: Path, model: str) -> None:
        self._path = path
        self._model = model
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._lock = threading.Lock()

    @contextmanager
    def view(self) -> Iterator[View]:
        """Open a view of the present change, until the block ends. Raises `GalleryError`."""
        connection = self._acquired()
        try:
            view = View(connection, self._path, self._model)
            yield view
            view.end()
        except BaseException:
            connection.close()
            raise
        self._release(connection)

    def close(self) -> None:
        """Close the connections; a view that is open keeps its own until it ends."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _acquired(self) -> sqlite3.Connection:
        with self._lock:
            if self._closed:
                raise GalleryError(f"the gallery {self._path.parent} is closed")
            if self._idle:
                return self._idle.pop()
        with translating_errors(self._path, "read"):
            connection = connect(self._path)
            connection.execute("PRAGMA query_only = ON")
            return connection

    def _release(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < IDLE:
                self._idle.append(connection)
                return
        connection.close()
