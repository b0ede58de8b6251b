"""CompreFace's subjects: list, add, rename, delete."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body
from pydantic import BaseModel

from semelha.errors import SubjectExists, SubjectNotFound
from semelha.service.access import needs
from semelha.service.compreface.answers import Deleted, NamedSubject, NamedSubjects, Updated
from semelha.service.compreface.empty_subjects import TheEmptySubjects
from semelha.service.compreface.errors import RECOGNITION, RESPONSES
from semelha.service.dependencies import Current, Name
from semelha.service.paths import SUBJECT
from semelha.service.uploads import SubjectName
from semelha.untrusted import normalized_name

SUBJECTS = f"{RECOGNITION}/subjects"
ONE = f"{RECOGNITION}{SUBJECT}"
router = APIRouter(tags=["CompreFace"], responses=RESPONSES)


class SubjectContent(BaseModel):
    """The name of a subject."""

    subject: SubjectName


@router.get(f"{SUBJECTS}/", include_in_schema=False, dependencies=[needs("read")])
@router.get(SUBJECTS, dependencies=[needs("read")])
def compreface_list_subjects(served: Current, empty: TheEmptySubjects) -> NamedSubjects:
    """List the names of all subjects."""
    return NamedSubjects(subjects=sorted([*served.gallery, *empty.names(served.gallery)]))


@router.post(SUBJECTS, status_code=201, dependencies=[needs("enroll")])
def compreface_add_subject(
    served: Current, empty: TheEmptySubjects, content: Annotated[SubjectContent, Body()]
) -> NamedSubject:
    """Add a subject without examples. Until it has one, the server alone knows it."""
    return NamedSubject(subject=empty.add(content.subject, served.gallery))


@router.put(ONE, dependencies=[needs("enroll")])
def compreface_rename_subject(
    served: Current, empty: TheEmptySubjects, name: Name, content: Annotated[SubjectContent, Body()]
) -> Updated:
    """Rename a subject. If another one has the new name, it gets the examples."""
    gallery, new = served.gallery, content.subject
    if normalized_name(new) == normalized_name(name):
        return Updated(updated=False)
    if name not in gallery and empty.rename(name, new, gallery):
        return Updated(updated=True)
    try:
        gallery.rename(name, new)
    except SubjectExists:
        gallery.merge(name, new)
    served.forget_subject(name)
    empty.remove(new, gallery)
    return Updated(updated=True)


@router.delete(ONE, dependencies=[needs("enroll")])
def compreface_delete_subject(served: Current, empty: TheEmptySubjects, name: Name) -> NamedSubject:
    """Delete a subject with its examples and pictures, for good."""
    was_empty = empty.remove(name, served.gallery)
    try:
        served.gallery.remove(name)
        served.forget_subject(name)
    except SubjectNotFound:
        if not was_empty:
            raise
    return NamedSubject(subject=normalized_name(name))


@router.delete(SUBJECTS, dependencies=[needs("enroll")])
def compreface_delete_all_subjects(served: Current, empty: TheEmptySubjects) -> Deleted:
    """Delete all subjects with their examples and pictures, for good."""
    count = empty.clear(served.gallery) + served.gallery.remove_all()
    served.forget_subject(None)
    return Deleted(deleted=count)
