"""Pictures that a person should name: kept when they are identified, until they are enrolled or dismissed.

They rest on the model of the gallery: a migration to another one deletes them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from semelha.errors import GalleryError, NumberNotFound
from semelha.store.database import now
from semelha.store.records import NewExample, NewReview, ReviewedAnswer, StoredReview

KINDS = "SELECT id, kind FROM reviews"
LISTED = (
    "SELECT reviews.id, kind, source, created, answer, picture IS NOT NULL FROM json_each(?) AS wanted"
    " JOIN reviews ON reviews.id = wanted.value"
)
PICTURE = "SELECT picture FROM reviews WHERE id = ?"
_KNOWN = "SELECT 1 FROM examples WHERE content_hash = ? UNION ALL SELECT 1 FROM reviews WHERE content_hash = ? LIMIT 1"
STATE = "SELECT ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'reviews'), 0), (SELECT count(*) FROM reviews)"


def keep(db: sqlite3.Connection, new: Sequence[NewReview], most: int) -> list[int]:
    """Add reviews, in the caller's transaction, and delete the oldest of more than `most`.

    Returns the numbers of the new ones that are left. A picture that is in review or enrolled already is left out.
    """
    created, numbers = now(), []
    for one in new:
        content = one.picture.content_hash
        if db.execute(_KNOWN, (content, content)).fetchone():
            continue
        cursor = db.execute(
            "INSERT INTO reviews (content_hash, kind, source, created, answer, vector, picture)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                content,
                one.kind,
                one.picture.source,
                created,
                json.dumps(asdict(one.answer)),
                one.picture.vector.astype("<f4").tobytes(),
                one.picture.picture,
            ),
        )
        numbers.append(int(cursor.lastrowid or 0))
    db.execute("DELETE FROM reviews WHERE id <= (SELECT id FROM reviews ORDER BY id DESC LIMIT 1 OFFSET ?)", (most,))
    return numbers[-most:]


def take(db: sqlite3.Connection, numbers: Sequence[int]) -> list[NewExample]:
    """Delete reviews, in the caller's transaction, and return their pictures. Raises `NumberNotFound`, before it."""
    wanted = json.dumps(list(dict.fromkeys(numbers)))
    rows = db.execute(
        "SELECT reviews.id, vector, content_hash, source, picture FROM json_each(?) AS wanted"
        " JOIN reviews ON reviews.id = wanted.value ORDER BY reviews.id",
        (wanted,),
    ).fetchall()
    if missing := set(numbers) - {number for number, *_ in rows}:
        raise NumberNotFound(f"there is no review {min(missing)}: it was resolved, dismissed or dropped for newer ones")
    db.execute("DELETE FROM reviews WHERE id IN (SELECT value FROM json_each(?))", (wanted,))
    return [
        NewExample(np.frombuffer(vector, "<f4"), content, source, picture)
        for _, vector, content, source, picture in rows
    ]


def forget_enrolled(db: sqlite3.Connection, hashes: Sequence[str]) -> None:
    """Delete the reviews of pictures, by content hash, that are enrolled."""
    if db.execute("SELECT 1 FROM reviews").fetchone():
        db.executemany("DELETE FROM reviews WHERE content_hash = ?", [(content,) for content in hashes])


def review_of(row: Sequence[Any]) -> StoredReview:
    """The record of a row of `LISTED`. Raises `GalleryError` if it is damaged."""
    number, kind, source, created, answer, has_picture = row
    try:
        found = json.loads(answer)
        nearest = tuple((int(example), float(distance)) for example, distance in found.pop("nearest"))
        return StoredReview(number, kind, source, created, ReviewedAnswer(**found, nearest=nearest), bool(has_picture))
    except (TypeError, ValueError, KeyError) as error:
        raise GalleryError(f"the review {number} is damaged: dismiss it") from error
