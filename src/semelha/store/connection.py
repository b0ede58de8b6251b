"""A connection to the database of a gallery, and what is said when it fails."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from semelha.errors import GalleryError

TIMEOUT = 30  # seconds that a writer waits for another


def connect(path: Path) -> sqlite3.Connection:
    """A connection whose transactions are begun and ended by hand, used by one thread at a time."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=TIMEOUT)


@contextmanager
def saying(path: Path, what: str) -> Iterator[None]:
    """Turn an error of SQLite into a `GalleryError` that tells what cannot be done."""
    try:
        yield
    except sqlite3.ProgrammingError as error:
        raise GalleryError(f"the gallery {path.parent} is closed") from error
    except sqlite3.Error as error:
        raise GalleryError(f"the gallery {path} cannot be {what}: {error}") from error
