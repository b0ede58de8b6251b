"""Examples: list, add, show, move, remove. And pictures that do not show a subject."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Response

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
    ExampleAnswer,
    ExampleRemoved,
    ExamplesAnswer,
    RejectedAnswer,
    RejectionAnswer,
    RejectionsAnswer,
    RejectionWithdrawn,
)
from semelha.service.paths import SUBJECT
from semelha.service.pictures import WEBP, Side, thumbnail, webp
from semelha.service.problems import Problem
from semelha.service.routes.subjects import Strict, enrolled
from semelha.service.uploads import EXAMPLE_DATA, JsonContent, PicturesContent, SubjectName, body_of, described
from semelha.untrusted import MAX_NAME_LENGTH

router = APIRouter(tags=["examples"])
ADDED = {"pictures": [{"data": EXAMPLE_DATA, "name": "b.png"}]}


class OtherSubject(JsonContent):
    """The subject that gets the example; it is created if it is new."""

    subject: SubjectName


class RejectedPicture(PicturesContent):
    """A picture, and the subject that it does not show."""

    subject: SubjectName


@router.get(f"{SUBJECT}/examples", dependencies=[needs("read")])
def list_examples(served: Current, tag: Tag, name: Name, limit: Limit = 100, cursor: Cursor = None) -> ExamplesAnswer:
    """List the examples of a subject, a page at a time, in the order of enrollment."""
    (after,) = (0,) if cursor is None else decode_cursor(cursor, int)
    rest = [one for one in served.gallery.examples(name) if one.number > after]
    page = [ExampleAnswer.model_validate(one) for one in rest[:limit]]
    return ExamplesAnswer(examples=page, next=encode_cursor([page[-1].id]) if len(rest) > limit else None)


@router.post(
    f"{SUBJECT}/examples",
    status_code=201,
    dependencies=[needs("enroll")],
    openapi_extra=described(PicturesContent, ADDED),
)
def add_examples(
    served: Current,
    settings: TheSettings,
    name: Name,
    content: Annotated[PicturesContent, Depends(body_of(PicturesContent))],
    strict: Strict = False,
) -> EnrolledAnswer:
    """Enroll pictures of a subject, as `POST /subjects` does."""
    return enrolled(served, name, content, settings, strict=strict)


@router.get("/examples/{example}", dependencies=[needs("read")])
def get_example(served: Current, tag: Tag, example: Id) -> ExampleAnswer:
    """Get an example."""
    return ExampleAnswer.model_validate(served.gallery.example(example))


@router.delete("/examples/{example}", dependencies=[needs("enroll")])
def remove_example(served: Current, example: Id) -> ExampleRemoved:
    """Remove an example, for good. A subject that loses its last example is removed too."""
    name = served.gallery.remove_example(example)
    is_gone = name not in served.gallery
    if is_gone:
        served.forget_subject(name)
    return ExampleRemoved(removed=example, subject=name, subject_removed=is_gone)


@router.post("/examples/{example}/move", dependencies=[needs("enroll")])
def move_example(served: Current, example: Id, content: Annotated[OtherSubject, Body()]) -> ExampleAnswer:
    """Move an example to another subject. The answer has its id from then on."""
    former = served.gallery.example(example).subject
    moved = served.gallery.move_example(example, content.subject)
    if former not in served.gallery:
        served.forget_subject(former)
    return ExampleAnswer.model_validate(served.gallery.example(moved))


@router.get("/examples/{example}/image", dependencies=[needs("read")], response_class=Response, responses=WEBP)
def get_image(served: Current, tag: Tag, example: Id) -> Response:
    """Get the small copy of the picture that was kept, without EXIF data."""
    return webp(_kept(served, example), tag)


@router.get("/examples/{example}/thumbnail", dependencies=[needs("read")], response_class=Response, responses=WEBP)
def get_thumbnail(
    served: Current,
    tag: Tag,
    example: Id,
    side: Side = 128,
) -> Response:
    """Get the picture, at most so large."""
    return webp(thumbnail(_kept(served, example), side), tag)


@router.get(f"{SUBJECT}/thumbnail", dependencies=[needs("read")], response_class=Response, responses=WEBP)
def get_subject_thumbnail(served: Current, tag: Tag, name: Name, side: Side = 128) -> Response:
    """Get a picture of a subject: that of its first example that has one."""
    for one in served.gallery.examples(name):
        if one.has_picture:
            return webp(thumbnail(_kept(served, one.number), side), tag)
    raise Problem(404, "no-picture", "no picture of the subject was kept")


@router.post("/reject", status_code=201, dependencies=[needs("enroll")], openapi_extra=described(RejectedPicture))
def reject(
    served: Current, settings: TheSettings, content: Annotated[RejectedPicture, Depends(body_of(RejectedPicture))]
) -> RejectedAnswer:
    """Record that a picture does not show a subject, which is left out of the answers for such pictures from now on."""
    sources = content.sources(settings)
    if len(sources) != 1:
        raise Problem(422, "invalid-request", "one picture is rejected at a time")
    return RejectedAnswer(id=served.gallery.reject(sources[0], content.subject), subject=content.subject)


@router.get(f"{SUBJECT}/rejections", dependencies=[needs("read")])
def list_rejections(served: Current, tag: Tag, name: Name) -> list[RejectionAnswer]:
    """List the pictures that were rejected for a subject."""
    return [RejectionAnswer.model_validate(one) for one in served.gallery.rejections(name)]


@router.get("/rejections", dependencies=[needs("read")])
def list_all_rejections(
    served: Current,
    tag: Tag,
    subject: Annotated[
        str | None, Query(max_length=MAX_NAME_LENGTH, description="Of one subject; all by default.")
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> RejectionsAnswer:
    """List the pictures that were rejected, a page at a time, the oldest first."""
    (after,) = (0,) if cursor is None else decode_cursor(cursor, int)
    found = served.gallery.rejections(subject, after=max(0, after), limit=limit + 1)
    page = [RejectionAnswer.model_validate(one) for one in found[:limit]]
    return RejectionsAnswer(rejections=page, next=encode_cursor([page[-1].id]) if len(found) > limit else None)


@router.get("/rejections/{rejection}/image", dependencies=[needs("read")], response_class=Response, responses=WEBP)
def get_rejection_image(served: Current, tag: Tag, rejection: Id) -> Response:
    """Get the small copy of a rejected picture that was kept, without EXIF data."""
    return webp(_rejected(served, rejection), tag)


@router.get("/rejections/{rejection}/thumbnail", dependencies=[needs("read")], response_class=Response, responses=WEBP)
def get_rejection_thumbnail(served: Current, tag: Tag, rejection: Id, side: Side = 128) -> Response:
    """Get a rejected picture, at most so large."""
    return webp(thumbnail(_rejected(served, rejection), side), tag)


@router.delete("/rejections/{rejection}", dependencies=[needs("enroll")])
def withdraw_rejection(served: Current, rejection: Id) -> RejectionWithdrawn:
    """Withdraw a rejection."""
    served.gallery.withdraw_rejection(rejection)
    return RejectionWithdrawn(withdrawn=rejection)


def _kept(served: Current, example: int) -> bytes:
    """The copy that was kept of an example. Raises `NumberNotFound` or `Problem`."""
    found = served.gallery.example(example)
    picture = served.gallery.picture(found.number)
    if picture is None:
        raise Problem(404, "no-picture", f"no picture of the example {example} was kept")
    return picture


def _rejected(served: Current, rejection: int) -> bytes:
    """The copy that was kept of a rejected picture. Raises `Problem`."""
    found = served.gallery.rejections(after=max(0, rejection - 1), limit=1) if rejection else []
    if not found or found[0].number != rejection:
        raise Problem(404, "number-not-found", f"there is no rejection {rejection}: it was withdrawn")
    if found[0].picture is None:
        raise Problem(404, "no-picture", f"no picture of the rejection {rejection} was kept")
    return found[0].picture
