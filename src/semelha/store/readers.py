"""Read-only connections to the database of a gallery, each used by one view at a time."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from semelha.errors import GalleryError, GalleryMoved, SemelhaError
from semelha.store.database import FileIdentity, Mode, check_file, connect, damaged, translating_errors
from semelha.store.integrity import is_damaged
from semelha.store.view import View

# Errors that a damaged row may cause.
CAUSED_BY_DAMAGE = (LookupError, TypeError, ValueError, OverflowError)
IDLE = 16  # connections that are kept open


class Readers:
    """Read-only connections to a database in WAL mode, each used by one view at a time, which sees its own snapshot."""

    def __init__(
        self,
        path: Path,
        model: str,
        file: FileIdentity | None,
        mode: Mode,
        is_checked: Callable[[], bool],
        make_view: Callable[[sqlite3.Connection, Path, str, Callable[[], bool]], View] = View,
    ) -> None:
        self._path = path
        self._model = model
        self._file = file
        self._mode: Mode = mode
        self._is_checked = is_checked
        self._make_view = make_view
        self._unwritten = _written(path) if mode == "immutable" else None
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._lock = threading.Lock()

    @contextmanager
    def view(self) -> Iterator[View]:
        """Open a view of the present change, until the block ends. Raises `GalleryError`."""
        self._check_file()
        connection = self._acquired()
        try:
            view = self._make_view(connection, self._path, self._model, self._is_checked)
            yield view
            view.end()
            if self._mode == "immutable":
                self._check_file()
        except BaseException as error:
            try:
                is_odd = isinstance(error, CAUSED_BY_DAMAGE) and not isinstance(error, SemelhaError)
                if is_odd and is_damaged(connection):
                    raise damaged(self._path, f"{type(error).__name__}: {error}") from error
            finally:
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

    def _check_file(self) -> None:
        check_file(self._path, self._file)
        if self._mode == "immutable" and _written(self._path) != self._unwritten:
            raise GalleryMoved(
                f"{self._path} was written by another process since it was opened to read: open it again"
            )

    def _acquired(self) -> sqlite3.Connection:
        with self._lock:
            if self._closed:
                raise GalleryError(f"the gallery {self._path.parent} is closed")
            if self._idle:
                return self._idle.pop()
        with translating_errors(self._path, "read"):
            connection = connect(self._path, self._mode)
            connection.execute("PRAGMA query_only = ON")
            return connection

    def _release(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < IDLE:
                self._idle.append(connection)
                return
        connection.close()


def _written(path: Path) -> tuple[int, int, bool]:
    """What changes when a database is written: time, length, and whether it has a log."""
    status, log = path.stat(), path.with_name(f"{path.name}-wal")
    return status.st_mtime_ns, status.st_size, log.exists() and log.stat().st_size > 0
