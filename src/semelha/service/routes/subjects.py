"""Subjects: list, enroll, rename, remove, merge."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query

from semelha.errors import NumberNotFound
from semelha.images import Skipped
from semelha.service.access import needs
from semelha.service.dependencies import (
    Current,
    Cursor,
    Id,
    Limit,
    Name,
    Tag,
    TheSettings,
    decode_cursor,
    encode_cursor,
)
from semelha.service.models import (
    EnrolledAnswer,
    LeftOutAnswer,
    MergeAnswer,
    SubjectAnswer,
    SubjectRemoved,
    SubjectsAnswer,
)
from semelha.service.paths import SUBJECT
from semelha.service.uploads import EXAMPLE_DATA, JsonContent, PicturesContent, SubjectName, body_of, described
from semelha.store import Subject

router = APIRouter(tags=["subjects"])
Strict = Annotated[bool, Query(description="Enroll nothing if one of the pictures cannot be used.")]


class NewSubject(PicturesContent):
    """A subject and pictures of it. If it is enrolled already, they are added to it."""

    name: SubjectName


class NewName(JsonContent):
    """The new name of a subject."""

    name: SubjectName


class MergeInto(JsonContent):
    """The subject that gets the examples."""

    into: SubjectName


EXAMPLE = {"name": "granny-smith", "pictures": [{"data": EXAMPLE_DATA, "name": "a.png", "box": [0, 0, 2, 2]}]}


@router.get("/subjects", dependencies=[needs("read")])
def list_subjects(
    served: Current,
    tag: Tag,
    search: Annotated[str, Query(max_length=200, description="A part of the name.")] = "",
    sort: Annotated[
        str, Query(pattern="^-?(name|created|examples)$", description="With `-` before it: descending.")
    ] = "name",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> SubjectsAnswer:
    """List subjects, a page at a time."""
    after = None if cursor is None else Subject(*decode_cursor(cursor, str, int, str))
    page = served.gallery.find_subjects(search, sort=sort, after=after, limit=limit)
    last = page.subjects[-1] if len(page.subjects) == limit else None
    following = None if last is None else encode_cursor([last.name, last.examples, last.created])
    subjects = [SubjectAnswer.model_validate(one) for one in page.subjects]
    return SubjectsAnswer(subjects=subjects, total=page.total, next=following)


@router.post("/subjects", status_code=201, dependencies=[needs("enroll")], openapi_extra=described(NewSubject, EXAMPLE))
def enroll(
    served: Current,
    settings: TheSettings,
    content: Annotated[NewSubject, Depends(body_of(NewSubject))],
    strict: Strict = False,
) -> EnrolledAnswer:
    """Enroll pictures of a subject, new or existing. It is durable when the answer comes.

    Of several pictures those that cannot be used are listed in `skipped`; a single one is an error.
    """
    return enrolled(served, content.name, content, settings, strict=strict)


@router.get(SUBJECT, dependencies=[needs("read")])
def get_subject(served: Current, tag: Tag, name: Name) -> SubjectAnswer:
    """Get a subject."""
    return SubjectAnswer.model_validate(served.gallery.subject(name))


@router.patch(SUBJECT, dependencies=[needs("enroll")])
def rename_subject(served: Current, name: Name, content: Annotated[NewName, Body()]) -> SubjectAnswer:
    """Rename a subject."""
    served.gallery.rename(name, content.name)
    served.forget_subject(name)
    return SubjectAnswer.model_validate(served.gallery.subject(content.name))


@router.delete(SUBJECT, dependencies=[needs("enroll")])
def remove_subject(served: Current, name: Name) -> SubjectRemoved:
    """Remove a subject with its examples and pictures, for good."""
    count = served.gallery.remove(name)
    served.forget_subject(name)
    return SubjectRemoved(removed=name, examples=count)


@router.post(f"{SUBJECT}/merge", dependencies=[needs("enroll")])
def merge_subject(served: Current, name: Name, content: Annotated[MergeInto, Body()]) -> MergeAnswer:
    """Merge a subject into another one."""
    number = served.gallery.merge(name, content.into)
    served.forget_subject(name)
    for one in served.gallery.merges():
        if one.number == number:
            return MergeAnswer.model_validate(one)
    raise NumberNotFound(f"the merge {number} was done, and another request has changed its subjects since")


@router.get("/merges", dependencies=[needs("read")])
def list_merges(served: Current, tag: Tag) -> list[MergeAnswer]:
    """List the merges that can be undone, oldest first."""
    return [MergeAnswer.model_validate(one) for one in served.gallery.merges()]


@router.post("/merges/{merge}/undo", dependencies=[needs("enroll")])
def undo_merge(served: Current, merge: Id) -> SubjectAnswer:
    """Undo a merge: the subject that was merged exists again."""
    return SubjectAnswer.model_validate(served.gallery.subject(served.gallery.unmerge(merge)))


def enrolled(
    served: Current, name: str, content: PicturesContent, settings: TheSettings, *, strict: bool
) -> EnrolledAnswer:
    """Enroll pictures; of several, those that cannot be used are left out and listed unless it is `strict`."""
    sources = content.sources(settings)
    skipped: list[Skipped] | None = [] if len(sources) > 1 and not strict else None
    done = served.gallery.enroll(name, sources, skipped=skipped)
    return EnrolledAnswer(
        subject=done.subject,
        added=done.added,
        examples=list(done.numbers),
        duplicates=list(done.duplicates),
        warnings=list(done.warnings),
        skipped=[LeftOutAnswer.model_validate(one) for one in skipped or ()],
    )
