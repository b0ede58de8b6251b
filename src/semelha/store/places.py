"""Where the database holds vectors, each beside the content hash of the picture that it is of.

Whoever adds a table with vectors of the gallery's model adds its place: then it moves to another model with the rest.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A table whose rows have a vector, as the statements that moving to another model takes.

    Attributes
    ----------
    name : str
    hashes : str
        Number and content hash of every row.
    rows : str
        Of the numbers in a JSON list: number, content hash, subject, source, and the file that was kept or NULL.
    put : str
        Give a row another vector, of (vector, number).
    leave_out : tuple of str
        Remove the rows of the numbers in a JSON list, and what is of no use without them.
    """

    name: str
    hashes: str
    rows: str
    put: str
    leave_out: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Kept:
    """What there is of the picture of a vector: its number, and what `Place.rows` gives."""

    number: int
    content_hash: str
    subject: str
    source: str
    picture: bytes | None


EXAMPLES = Place(
    name="examples",
    hashes="SELECT id, content_hash FROM examples ORDER BY id",
    rows=(
        "SELECT examples.id, content_hash, name, source, pictures.data FROM json_each(?) AS wanted"
        " JOIN examples ON examples.id = wanted.value JOIN subjects ON subjects.id = subject_id"
        " LEFT JOIN pictures ON example_id = examples.id"
    ),
    put="INSERT OR REPLACE INTO vectors (data, example_id) VALUES (?, ?)",
    leave_out=(
        # Subjects first, of which nothing would be left; their examples go with them.
        "WITH gone AS (SELECT value FROM json_each(?))"
        " DELETE FROM subjects WHERE id IN (SELECT subject_id FROM examples WHERE id IN gone)"
        " AND NOT EXISTS (SELECT 1 FROM examples WHERE subject_id = subjects.id AND id NOT IN gone)",
        "DELETE FROM examples WHERE id IN (SELECT value FROM json_each(?))",
    ),
)

REJECTIONS = Place(
    name="rejections",
    hashes="SELECT id, content_hash FROM rejections ORDER BY id",
    rows=(
        "SELECT rejections.id, content_hash, name, source, picture FROM json_each(?) AS wanted"
        " JOIN rejections ON rejections.id = wanted.value JOIN subjects ON subjects.id = subject_id"
    ),
    put="UPDATE rejections SET vector = ? WHERE id = ?",
    leave_out=("DELETE FROM rejections WHERE id IN (SELECT value FROM json_each(?))",),
)

SET_ASIDE = Place(
    name="set aside",
    hashes="SELECT example, content_hash FROM set_aside ORDER BY example",
    rows=(
        "SELECT example, content_hash, merges.source, set_aside.source, picture FROM json_each(?) AS wanted"
        " JOIN set_aside ON example = wanted.value JOIN merges ON merges.id = merge"
    ),
    put="UPDATE set_aside SET vector = ? WHERE example = ?",
    leave_out=("DELETE FROM set_aside WHERE example IN (SELECT value FROM json_each(?))",),
)

PLACES = (EXAMPLES, REJECTIONS, SET_ASIDE)
"""All of them."""
