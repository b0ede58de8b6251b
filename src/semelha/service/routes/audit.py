"""The audit log: who changed what, and when."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from semelha.service.access import needs
from semelha.service.dependencies import Current, Cursor, Limit, Tag, decode_cursor, encode_cursor
from semelha.service.models import AuditAnswer, AuditEntryAnswer

router = APIRouter(tags=["system"])


@router.get("/audit", dependencies=[needs("admin")])
def list_audit(
    served: Current,
    tag: Tag,
    subject: Annotated[str | None, Query(max_length=1000, description="Entries of this subject alone.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> AuditAnswer:
    """List who changed what, and when: newest first, a page at a time."""
    (before,) = (None,) if cursor is None else decode_cursor(cursor, int)
    found = served.gallery.audit(subject, before=before, limit=limit)
    following = encode_cursor([found[-1].number]) if len(found) == limit else None
    return AuditAnswer(entries=[AuditEntryAnswer.model_validate(one) for one in found], next=following)
