"""The audit log of a gallery: who changed what, and when. A row is written in the transaction of its change.

Rows refer to subjects by number and never hold a name, so that what is deleted leaves none behind. Names are joined
when the log is read.
"""

from __future__ import annotations

import getpass
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from semelha.arguments import check_types
from semelha.errors import UsageError
from semelha.store.database import now
from semelha.text import shown
from semelha.untrusted import MAX_NAME_LENGTH

MOST = 1_000_000  # rows that are kept; the oldest go first
_NAME = (
    "coalesce((SELECT name FROM subjects WHERE id = audit.{0}),"
    " (SELECT source FROM merges WHERE source_number = audit.{0}))"
)
LISTED = (
    f"SELECT id, time, who, action, subject, {_NAME.format('subject')}, other, {_NAME.format('other')},"
    " item, examples, detail FROM audit"
)
NEW_SUBJECT = (
    "(SELECT 1 + max(ifnull((SELECT max(id) FROM subjects), 0), ifnull((SELECT max(subject) FROM audit), 0),"
    " ifnull((SELECT max(other) FROM audit), 0), ifnull((SELECT max(source_number) FROM merges), 0)))"
)
"""A number for a new subject that no other one had, as far as the log reaches."""

_actor: ContextVar[str | None] = ContextVar("actor", default=None)


@contextmanager
@check_types
def acting_as(who: str) -> Iterator[None]:
    """Record changes of galleries inside the block, in this thread or task, as those of `who`.

    Otherwise they are those of the user of the operating system. Raises `UsageError` if `who` is empty.
    """
    if not who.strip():
        raise UsageError("who is empty: pass the name of the one who acts")
    token = _actor.set(_as_stored(who))
    try:
        yield
    finally:
        _actor.reset(token)


def record(
    db: sqlite3.Connection,
    action: str,
    *,
    subject: int | None = None,
    other: int | None = None,
    item: int | None = None,
    examples: int | None = None,
    detail: str = "",
) -> None:
    """Write a row, in the caller's transaction, and forget the oldest if there are too many.

    `detail` must not contain a name of a subject or of a picture.
    """
    number = db.execute(
        "INSERT INTO audit (time, who, action, subject, other, item, examples, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (now(), _actor.get() or _as_stored(system_user()), action, subject, other, item, examples, detail),
    ).lastrowid
    db.execute("DELETE FROM audit WHERE id <= ?", ((number or 0) - MOST,))


def system_user() -> str:
    """Name of the user of this process; its number if it has no name, as in a container."""
    try:
        from pwd import getpwuid
    except ImportError:  # on Windows
        return getpass.getuser()
    try:
        return getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def _as_stored(who: str) -> str:
    return shown(who.strip())[:MAX_NAME_LENGTH]
