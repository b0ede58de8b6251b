"""CompreFace's recognition and verification: what `Gallery` answers, in other fields."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool

from semelha.errors import PictureError
from semelha.gallery import Probe
from semelha.images import Picture
from semelha.service.access import needs
from semelha.service.compreface.answers import (
    Compared,
    ComparedPair,
    ComparedWithExample,
    Comparison,
    FaceBox,
    PairComparison,
    Recognition,
    Recognized,
    Used,
    compared,
    similarities,
)
from semelha.service.compreface.bodies import HasVectors, OnePicture, TwoPictures, described, number_of
from semelha.service.compreface.errors import RECOGNITION, RESPONSES, VERIFICATION
from semelha.service.dependencies import Current, TheSettings
from semelha.service.galleries import Served

MAX_PREDICTIONS = 1000
router = APIRouter(tags=["CompreFace"], responses=RESPONSES)


@router.post(
    f"{RECOGNITION}/recognize",
    dependencies=[needs("read")],
    openapi_extra=described("file"),
    response_model_exclude_unset=True,
)
async def compreface_recognize(
    served: Current,
    settings: TheSettings,
    content: OnePicture,
    has_vectors: HasVectors,
    prediction_count: Annotated[int, Query(ge=1, description="Subjects of the answer.")] = 1,
) -> Recognition:
    """List the nearest subjects, also if the picture is unknown: `decision` says so."""
    picture = content.picture(settings)
    (probe,) = await _probes(served, [picture])
    gallery = served.gallery
    k = min(prediction_count, MAX_PREDICTIONS)
    (found,) = await run_in_threadpool(gallery.identify_probes, [probe], k=k)
    used = await run_in_threadpool(_used, picture, probe, has_vectors)
    answer = Recognized(
        **used,
        subjects=similarities(found, gallery.model.metric),
        decision=found.decision,
        p_value=found.p_value,
        target_fpir=found.target_fpir,
    )
    return Recognition(result=[answer])


@router.post(
    f"{RECOGNITION}/faces/{{image_id}}/verify",
    dependencies=[needs("read")],
    openapi_extra=described("file"),
    response_model_exclude_unset=True,
)
async def compreface_verify_face(
    served: Current, settings: TheSettings, content: OnePicture, has_vectors: HasVectors, image_id: UUID
) -> Comparison:
    """Compare a picture with an example."""
    picture = content.picture(settings)
    (probe,) = await _probes(served, [picture])
    gallery = served.gallery
    example = await run_in_threadpool(gallery.example, number_of(image_id))
    found = await run_in_threadpool(gallery.verify_probe, probe, example)
    used = await run_in_threadpool(_used, picture, probe, has_vectors)
    answer = ComparedWithExample(**used, **compared(found, gallery.model.metric), subject=example.subject)
    return Comparison(result=[answer])


@router.post(
    f"{VERIFICATION}/verify",
    dependencies=[needs("read")],
    openapi_extra=described("source_image", "target_image"),
    response_model_exclude_unset=True,
)
async def compreface_verify(
    served: Current, settings: TheSettings, content: TwoPictures, has_vectors: HasVectors
) -> PairComparison:
    """Compare two pictures."""
    pictures = content.pictures(settings)
    probes = await _probes(served, pictures)
    gallery = served.gallery
    found = await run_in_threadpool(gallery.verify_probe, *probes)
    source, target = [
        await run_in_threadpool(_used, picture, probe, has_vectors)
        for picture, probe in zip(pictures, probes, strict=True)
    ]
    match = Compared(**target, **compared(found, gallery.model.metric))
    return PairComparison(result=[ComparedPair(source_image_face=Used(**source), face_matches=[match])])


async def _probes(served: Served, pictures: list[Picture]) -> list[Probe]:
    """The pictures, embedded. Raises the `PictureError` of one that cannot be used."""
    found = await served.batcher.embed(pictures)
    for one in found:
        if isinstance(one, PictureError):
            raise one
    return [one for one in found if isinstance(one, Probe)]


def _used(picture: Picture, probe: Probe, has_vector: bool) -> dict[str, Any]:
    """The fields of `Used`: the part of a picture that was used, and its vector if it is asked for."""
    with picture.open() as opened:
        left, top, right, bottom = picture.box or (0, 0, *opened.size)
    box = FaceBox(probability=1.0, x_max=right, y_max=bottom, x_min=left, y_min=top)
    return {"box": box, "embedding": probe.vector.tolist()} if has_vector else {"box": box}
