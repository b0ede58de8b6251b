"""What the processes of a server share and its next start needs, in one SQLite file: remembered answers, jobs, rates.

A process is known by a random id. It locks a file beside the database as long as it lives, so that the others can tell
when it was killed.
"""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock

from semelha.errors import GalleryError, GalleryNotWritable, SemelhaError
from semelha.files import file_lock, make_folder
from semelha.store.database import keep_log

logger = logging.getLogger(__name__)

FORMAT = 2
TIMEOUT = 30  # seconds to wait for another process
FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR)
SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    number INTEGER PRIMARY KEY AUTOINCREMENT, place BLOB UNIQUE NOT NULL, since REAL NOT NULL, process TEXT NOT NULL,
    digest BLOB, salt BLOB, answer BLOB);
CREATE INDEX IF NOT EXISTS answers_since ON answers (since);
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, kind TEXT NOT NULL, gallery TEXT NOT NULL,
    created TEXT NOT NULL, process TEXT NOT NULL, state TEXT NOT NULL, done INTEGER NOT NULL, total INTEGER NOT NULL,
    result TEXT, problem TEXT, cancelling INTEGER NOT NULL DEFAULT 0, removed TEXT NOT NULL DEFAULT '[]',
    names TEXT NOT NULL DEFAULT '[]');
CREATE TABLE IF NOT EXISTS rates (caller TEXT PRIMARY KEY, tokens REAL NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS empty_subjects (
    gallery TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (gallery, name)) WITHOUT ROWID;
"""


class State:
    """The file of a server's state, which any number of threads and processes may use; without a path in memory.

    Raises `SemelhaError` if the file cannot be opened. Other methods raise `GalleryNotWritable` if the disk is full,
    and `GalleryError` for other failures of the database.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.process = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._alive: FileLock | None = None
        try:
            if path is not None:
                make_folder(path.parent)
                with suppress(FileExistsError):
                    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
                self._alive = FileLock(self._mark(self.process), mode=0o600, thread_local=False)
                self._alive.acquire()
            self._db = sqlite3.connect(
                ":memory:" if path is None else path, timeout=TIMEOUT, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise SemelhaError(
                f"the state of the server cannot be kept in {path}: {error}. Name another file: SEMELHA_STATE=…"
            ) from error
        try:
            self._db.execute("PRAGMA secure_delete = ON")
            keep_log(self._db)
            with self.transaction(durable=True):
                self._create()
        except (SemelhaError, sqlite3.Error) as error:
            self.close()
            cause = error.__cause__ or error
            raise SemelhaError(
                f"the state of the server cannot be kept in {path}: {cause}. If the file is damaged, or of another "
                "version, remove it: remembered answers and jobs are lost with it"
            ) from error

    def close(self) -> None:
        """Close the file. Work of this process that has not ended counts as lost."""
        with self._lock:
            self._db.close()
        if self._alive is not None:
            self._alive.release()
            self._mark(self.process).unlink(missing_ok=True)

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Change the state at once or not at all. With `durable` the change survives a power failure."""
        with self._lock, _translated():
            self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows that a query finds; it waits for no writer."""
        with self._lock, _translated():
            return self._db.execute(query, values).fetchall()

    def erase(self) -> None:
        """Leave nothing in the log of what was deleted or overwritten."""
        with self._lock, _translated():
            (is_busy, *_) = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            logger.warning("the log of %s is in use: it keeps what was deleted until it is written over", self.path)

    def is_alive(self, process: str) -> bool:
        """Whether a process, by its id, still has the file open."""
        if process == self.process or self.path is None:
            return process == self.process
        mark = self._mark(process)
        if not mark.exists():
            return False
        with file_lock(mark, wait=False) as is_locked:
            if is_locked:  # it was killed
                mark.unlink(missing_ok=True)
            return not is_locked

    def _mark(self, process: str) -> Path:
        """The file that a process locks."""
        assert self.path is not None
        return self.path.with_name(f"{self.path.name}.{process}.lock")

    def _create(self) -> None:
        (found,) = self._db.execute("PRAGMA user_version").fetchone()
        if found == 1:  # its results have names of subjects that are not known
            self._db.execute("DROP TABLE jobs")
        elif found not in (0, FORMAT):
            raise SemelhaError(f"it has the format {found}, this semelha uses {FORMAT}")
        if found != FORMAT:
            for statement in SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {FORMAT}")


@contextmanager
def _translated() -> Iterator[None]:
    """Raise errors of SQLite as errors of semelha."""
    try:
        yield
    except sqlite3.Error as error:
        is_full = getattr(error, "sqlite_errorcode", 0) & 0xFF in FULL
        kind = GalleryNotWritable if is_full else GalleryError
        raise kind(f"the state of the server cannot be used: {error}") from error
