"""Pictures that a person should name: list, show, enroll, dismiss."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Request, Response
from pydantic import Field

from semelha.service.access import needs
from semelha.service.dependencies import (
    MAX_ID,
    Current,
    Cursor,
    Id,
    Limit,
    TheSettings,
    checked_tag,
    decode_cursor,
    encode_cursor,
)
from semelha.service.models import Answer, CandidateAnswer, EnrolledAnswer, Number, PictureSource
from semelha.service.pictures import WEBP, Side, thumbnail, webp
from semelha.service.problems import Problem
from semelha.service.uploads import JsonContent, SubjectName
from semelha.store import ReviewKind

router = APIRouter(tags=["reviews"])
Numbers = Annotated[
    list[Annotated[int, Field(ge=0, le=MAX_ID)]], Field(min_length=1, max_length=1000, examples=[[3, 4]])
]


class ReviewAnswer(Answer):
    """A picture that a person should name, and what was answered for it.

    `kind` is "unknown", or "uncertain": also known, with a probability below 0.75. Reviews with the same `group`
    probably show the same. `candidates` have the present names of the subjects.
    """

    id: int = Field(validation_alias="number")
    kind: ReviewKind
    group: int
    source: PictureSource
    created: str
    distance: Number
    p_value: Number
    probability: Number
    target_fpir: float | None
    candidates: list[CandidateAnswer]
    has_picture: bool


class ReviewsAnswer(Answer):
    """A page of reviews, groups together. `unknown` and `uncertain` count all; `is_keeping`: whether more are kept."""

    reviews: list[ReviewAnswer]
    total: int
    unknown: int
    uncertain: int
    note: str
    is_keeping: bool
    next: str | None


class ReviewsDismissed(Answer):
    """The ids of the reviews that were deleted."""

    dismissed: list[int]


class NamedReviews(JsonContent):
    """Reviews, by id, and the subject that gets their pictures; it is created if it is new."""

    ids: Numbers
    subject: SubjectName


class DismissedReviews(JsonContent):
    """Reviews, by id."""

    ids: Numbers


def _tag(request: Request, response: Response, served: Current) -> str:
    return checked_tag(request, response, served.reviews_tag)


Tag = Annotated[str, Depends(_tag)]
"""The state of the reviews, as the ETag of the answer."""


@router.get("/reviews", dependencies=[needs("read")])
def list_reviews(
    served: Current,
    settings: TheSettings,
    tag: Tag,
    kind: Annotated[ReviewKind | None, Query(description="unknown or uncertain; both by default.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> ReviewsAnswer:
    """List pictures to name, a page at a time. Those of one `group` follow each other, the latest group first."""
    after = None
    if cursor is not None:
        group, number = decode_cursor(cursor, int, int)
        after = (group, number)
    page = served.gallery.reviews(kind, after=after, limit=limit)
    last = page.reviews[-1] if len(page.reviews) == limit else None
    return ReviewsAnswer(
        reviews=[ReviewAnswer.model_validate(one) for one in page.reviews],
        total=page.total,
        unknown=page.unknown,
        uncertain=page.uncertain,
        note=page.note,
        is_keeping=settings.keep_reviews,
        next=None if last is None else encode_cursor([last.group, last.number]),
    )


@router.get("/reviews/{review}/image", dependencies=[needs("read")], response_class=Response, responses=WEBP)
def get_review_image(served: Current, tag: Tag, review: Id) -> Response:
    """Get the small copy of the picture that was kept, without EXIF data."""
    return webp(_kept(served, review), tag)


@router.get("/reviews/{review}/thumbnail", dependencies=[needs("read")], response_class=Response, responses=WEBP)
def get_review_thumbnail(served: Current, tag: Tag, review: Id, side: Side = 128) -> Response:
    """Get the picture, at most so large."""
    return webp(thumbnail(_kept(served, review), side), tag)


@router.post("/reviews/resolve", dependencies=[needs("enroll")])
def resolve_reviews(served: Current, content: Annotated[NamedReviews, Body()]) -> EnrolledAnswer:
    """Enroll the pictures of reviews as examples of a subject, all or none. They are no reviews any more."""
    done = served.gallery.resolve_reviews(content.ids, content.subject)
    return EnrolledAnswer(
        subject=done.subject,
        added=done.added,
        examples=list(done.numbers),
        duplicates=list(done.duplicates),
        warnings=list(done.warnings),
        skipped=[],
    )


@router.post("/reviews/dismiss", dependencies=[needs("enroll")])
def dismiss_reviews(served: Current, content: Annotated[DismissedReviews, Body()]) -> ReviewsDismissed:
    """Delete reviews with their pictures, for good, all or none."""
    served.gallery.dismiss_reviews(content.ids)
    return ReviewsDismissed(dismissed=content.ids)


def _kept(served: Current, review: int) -> bytes:
    """The copy that was kept. Raises `NumberNotFound` or `Problem`."""
    picture = served.gallery.review_picture(review)
    if picture is None:
        raise Problem(404, "no-picture", f"no picture of the review {review} was kept")
    return picture
