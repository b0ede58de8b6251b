"""The tables of the database that have vectors, and the statements that migrate them to another model.

A new table with vectors of the gallery's model must be added here, so that a migration replaces its vectors too.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A table whose rows have a vector, and the statements to migrate it to another model.

    Attributes
    ----------
    hashes : str
        Number and content hash of every row.
    rows : str
        The columns of `Kept`, of the numbers in a JSON list.
    put : str
        Replace the vector of a row, by (vector, number).
    leave_out : tuple of str
        Remove the rows of the numbers in a JSON list, and subjects without another example.
    """

    name: str
    hashes: str
    rows: str
    put: str
    leave_out: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Kept:
    """The picture of a vector: its number in its table, and the file that was kept, or None."""

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
        # First the subjects without another example, which also removes their examples.
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
