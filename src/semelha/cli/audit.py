"""`semelha audit`: who changed what in a gallery, and when."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from semelha.cli.output import GalleryPath, Json, print_records
from semelha.gallery import AuditEntry, Gallery


def audit(
    gallery: GalleryPath,
    subject: Annotated[str | None, Option(help="Entries of this subject alone.")] = None,
    limit: Annotated[int, Option(help="Number of entries.", min=1)] = 50,
    before: Annotated[int | None, Option(help="Entries before this one, by its number.")] = None,
    json: Json = False,
) -> None:
    """List who changed what in a gallery, and when, newest first.

    The log has the numbers of subjects, not their names: a subject that was removed is listed as "deleted".

    Example: semelha audit shop

    Example: semelha audit shop --subject granny-smith
    """
    with Gallery(gallery) as opened:
        found = opened.audit(subject, before=before, limit=limit)
    columns = ("number", "time", "who", "action", "subject", "to", "item", "examples", "")
    print_records(json, {"entries": [vars(one) for one in found]}, columns, [_cells(one) for one in found])


def _cells(one: AuditEntry) -> tuple[object, ...]:
    names = (_name(one.subject, one.subject_number), _name(one.other, one.other_number))
    numbers = ("" if value is None else value for value in (one.item, one.examples))
    return (one.number, one.time, one.who, one.action, *names, *numbers, one.detail)


def _name(name: str | None, number: int | None) -> str:
    return "" if number is None else name or f"deleted ({number})"
