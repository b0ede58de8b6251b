"""CompreFace's faces, which are examples: list, add, delete, and the pictures that were kept."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Query, Response

from semelha.errors import NumberNotFound, SubjectNotFound
from semelha.service.access import needs
from semelha.service.compreface.answers import Deleted, Face, Faces
from semelha.service.compreface.bodies import HasVectors, OnePicture, described, image_id_of, number_of
from semelha.service.compreface.empty_subjects import TheEmptySubjects
from semelha.service.compreface.errors import MISSING_PARAMETER, RECOGNITION, RESPONSES
from semelha.service.dependencies import Current, TheSettings
from semelha.service.problems import Problem
from semelha.service.uploads import SubjectName

FACES = f"{RECOGNITION}/faces"
MAX_PAGE, MAX_SIZE, MAX_IDS = 1 << 40, 2000, 10_000
router = APIRouter(tags=["CompreFace"], responses=RESPONSES)
WEBP: dict[int | str, dict[str, Any]] = {200: {"content": {"image/webp": {}}, "description": "The picture."}}
OfSubject = Annotated[SubjectName | None, Query(description="Name of a subject.")]


@router.get(FACES, dependencies=[needs("read")])
def compreface_list_faces(
    served: Current,
    page: Annotated[int, Query(ge=0, le=MAX_PAGE, description="Number of the page; the first is 0.")] = 0,
    size: Annotated[int, Query(ge=1, le=MAX_SIZE, description="Examples of a page.")] = 20,
    subject: OfSubject = None,
) -> Faces:
    """List the examples of a subject, or of all, a page at a time."""
    found = served.gallery.find_examples(subject, offset=page * size, limit=size)
    return Faces(
        faces=[Face(image_id=image_id_of(one.number), subject=one.subject) for one in found.examples],
        page_number=page,
        page_size=size,
        total_pages=-(-found.total // size),
        total_elements=found.total,
    )


@router.post(FACES, status_code=201, dependencies=[needs("enroll")], openapi_extra=described("file"))
def compreface_add_face(
    served: Current,
    settings: TheSettings,
    empty: TheEmptySubjects,
    content: OnePicture,
    ignored: HasVectors,
    subject: OfSubject = None,
) -> Face:
    """Add an example to a subject, new or existing. If it has the picture already, the id is that of the first one."""
    if subject is None:
        raise Problem(422, MISSING_PARAMETER, "Required parameter subject is missing")
    done = served.gallery.enroll(subject, content.picture(settings))
    empty.remove(done.subject, served.gallery)
    (number,) = done.numbers or done.duplicate_numbers
    return Face(image_id=image_id_of(number), subject=done.subject)


@router.delete(FACES, dependencies=[needs("enroll")])
def compreface_delete_faces(served: Current, empty: TheEmptySubjects, subject: OfSubject = None) -> Deleted:
    """Delete the examples of a subject, or all without `subject`, and the subjects with them."""
    if subject is None:
        count = served.gallery.example_count()
        served.gallery.remove_all()
        served.forget_subject(None)
        empty.clear(served.gallery)
        return Deleted(deleted=count)
    empty.remove(subject, served.gallery)
    try:
        count = served.gallery.remove(subject)
    except SubjectNotFound:
        return Deleted(deleted=0)
    served.forget_subject(subject)
    return Deleted(deleted=count)


@router.delete(f"{FACES}/{{image_id}}", dependencies=[needs("enroll")])
def compreface_delete_face(served: Current, image_id: UUID) -> Face:
    """Delete an example. A subject that loses its last example is removed too."""
    name = served.gallery.remove_example(number_of(image_id))
    if name not in served.gallery:
        served.forget_subject(name)
    return Face(image_id=str(image_id), subject=name)


@router.post(f"{FACES}/delete", dependencies=[needs("enroll")])
def compreface_delete_several_faces(
    served: Current, image_ids: Annotated[list[UUID], Body(max_length=MAX_IDS)]
) -> list[Face]:
    """Delete examples; ids that do not exist are left out."""
    deleted = []
    for image_id in image_ids:
        try:
            deleted.append(compreface_delete_face(served, image_id))
        except (NumberNotFound, Problem):
            continue
    return deleted


@router.get(
    f"{FACES}/{{image_id}}/img", dependencies=[needs("read")], response_class=Response, responses={**RESPONSES, **WEBP}
)
def compreface_get_picture(served: Current, image_id: UUID) -> Response:
    """Get the small copy of the picture that was kept. It is empty if there is none."""
    return Response(served.gallery.picture(number_of(image_id)) or b"", media_type="image/webp")
