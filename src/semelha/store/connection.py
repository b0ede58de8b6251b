"""Connections to the database of a gallery, and the translation of their errors."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from semelha.errors import GalleryError, GalleryMoved
from semelha.images import HashBasis

TIMEOUT = 30  # seconds that a writer waits for another


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection with explicit transactions, for one thread at a time."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=TIMEOUT)


@contextmanager
def translating_errors(path: Path, what: str) -> Iterator[None]:
    """Raise errors of SQLite as `GalleryError`: "cannot be opened", or another participle."""
    try:
        yield
    except sqlite3.ProgrammingError as error:
        raise GalleryError(f"the gallery {path.parent} is closed") from error
    except sqlite3.Error as error:
        raise GalleryError(f"the gallery {path} cannot be {what}: {error}") from error


def model_of(connection: sqlite3.Connection) -> str:
    """Fingerprint of the model of the database's vectors; "" if it does not name one."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'model'").fetchone()
    return "" if row is None else str(json.loads(row[0]))


def hash_basis_of(connection: sqlite3.Connection) -> HashBasis:
    """How the content hashes of the database are computed."""
    (value,) = connection.execute("SELECT value FROM meta WHERE key = 'hash_basis'").fetchone()
    return "encoded" if json.loads(value) == "encoded" else "pixels"


def check_model(connection: sqlite3.Connection, model: str, path: Path) -> None:
    """Raise `GalleryMoved` if the database has vectors of another model by now."""
    if (found := model_of(connection)) != model:
        raise GalleryMoved(
            f"the gallery {path.parent} was moved from the model {model[:12]} to {found[:12]}: open it again"
        )
