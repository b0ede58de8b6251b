"""A connection to the database of a gallery, and what is said when it fails."""

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
    """A connection whose transactions are begun and ended by hand, used by one thread at a time."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=TIMEOUT)


@contextmanager
def translating_errors(path: Path, what: str) -> Iterator[None]:
    """Turn an error of SQLite into a `GalleryError` that tells what cannot be done."""
    try:
        yield
    except sqlite3.ProgrammingError as error:
        raise GalleryError(f"the gallery {path.parent} is closed") from error
    except sqlite3.Error as error:
        raise GalleryError(f"the gallery {path} cannot be {what}: {error}") from error


def model_of(connection: sqlite3.Connection) -> str:
    """Fingerprint of the model whose vectors the database holds; "" where it does not say."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'model'").fetchone()
    return "" if row is None else str(json.loads(row[0]))


def hash_basis_of(connection: sqlite3.Connection) -> HashBasis:
    """How the content hashes of the database are computed."""
    (value,) = connection.execute("SELECT value FROM meta WHERE key = 'hash_basis'").fetchone()
    return "encoded" if json.loads(value) == "encoded" else "pixels"


def check_model(connection: sqlite3.Connection, model: str, path: Path) -> None:
    """Raise `GalleryMoved` where the database holds vectors of another model by now."""
    if (found := model_of(connection)) != model:
        raise GalleryMoved(
            f"the gallery {path.parent} was moved from the model {model[:12]} to {found[:12]} meanwhile: open it again"
        )
