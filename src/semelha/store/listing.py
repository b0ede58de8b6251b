"""Pages of subjects: searched by a part of the name, sorted, and continued after the last subject of a page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from semelha.errors import UsageError
from semelha.store.records import Subject, SubjectPage

KEYS = {"name": "name", "created": "created", "examples": "examples"}
"""What subjects are sorted by, and the column for it; "-" before it sorts descending."""
SORTS = (*KEYS, *(f"-{key}" for key in KEYS))
SUBJECTS = (
    "SELECT name, (SELECT count(*) FROM examples WHERE subject_id = subjects.id) AS examples, created FROM subjects"
)
"""A query for the records of all subjects."""


def find_subjects(
    rows: Callable[[str, tuple[object, ...]], list[Any]], search: str, sort: str, after: Subject | None, limit: int
) -> SubjectPage:
    """A page of the subjects whose names contain `search`, in upper or lower case.

    `rows` runs a query. Raises `UsageError` for another `sort` than `SORTS`, and if `limit` is below 1.
    """
    if sort not in SORTS:
        raise UsageError(f"sort is {sort!r:.40}: it must be one of {', '.join(SORTS)}")
    if limit < 1:
        raise UsageError(f"limit is {limit}: it must be 1 or more")
    folded = search.casefold()
    key, descends = KEYS[sort.removeprefix("-")], sort.startswith("-")
    query, values = f"SELECT * FROM ({SUBJECTS} WHERE instr(folded, ?))", (folded,)
    compared: tuple[object, ...] = ()
    if after is not None:
        query += f" WHERE ({key}, name) {'<' if descends else '>'} (?, ?)"
        compared = (getattr(after, key), after.name)
    order = "DESC" if descends else "ASC"
    found = rows(f"{query} ORDER BY {key} {order}, name {order} LIMIT ?", (*values, *compared, limit))
    (total,) = rows("SELECT count(*) FROM subjects WHERE instr(folded, ?)", (folded,))[0]
    return SubjectPage(tuple(Subject(*row) for row in found), int(total))
