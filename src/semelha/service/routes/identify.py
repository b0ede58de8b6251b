"""Pictures that are asked about: identify, verify, explain, embed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from starlette.concurrency import run_in_threadpool

from semelha.errors import PictureError
from semelha.gallery import Probe
from semelha.images import Picture
from semelha.recognition import Evidence, Identification, MatchedExample
from semelha.service.access import needs
from semelha.service.dependencies import Current, K, Name, TheSettings
from semelha.service.models import (
    Answer,
    EmbedAnswer,
    IdentifiedAnswer,
    IdentifyAnswer,
    Number,
    SkippedAnswer,
    VerifyAnswer,
    file_name,
)
from semelha.service.paths import SUBJECT
from semelha.service.problems import Problem
from semelha.service.uploads import EXAMPLE_DATA, PicturesContent, body_of, described

router = APIRouter(tags=["recognition"])
Pictures = Annotated[PicturesContent, Depends(body_of(PicturesContent))]
ONE = described(PicturesContent, {"pictures": [{"data": EXAMPLE_DATA, "box": [0, 0, 2, 2]}]})
TWO = described(PicturesContent, {"pictures": [{"data": EXAMPLE_DATA}, {"data": EXAMPLE_DATA}]})


class EvidenceAnswer(Answer):
    """Which parts of a picture matter, in cells of `cell` pixels of the picture at `width` and `height`.

    `saliency`: above 0 a part makes the picture similar to `subject`; `contrast`: above 0 it speaks for `subject` and
    against `runner_up`. Both are in the unit of `distance`, that of the nearest example.
    """

    subject: str | None
    runner_up: str | None
    distance: Number
    width: int
    height: int
    cell: int | None
    saliency: list[list[float]] | None
    contrast: list[list[float]] | None

    @classmethod
    def of(cls, found: Evidence) -> EvidenceAnswer:
        """The numbers of the evidence, without pictures."""
        height, width = found.probe.shape[:2]
        return cls(
            subject=found.matched[0].subject if found.matched else None,
            runner_up=None if found.runner_up is None else found.runner_up.subject,
            distance=found.matched[0].distance if found.matched else None,
            width=width,
            height=height,
            cell=None if found.saliency_maps is None else found.saliency_maps.cell,
            saliency=None if found.saliency is None else found.saliency.tolist(),
            contrast=None if found.contrast is None else found.contrast.tolist(),
        )


@router.post("/identify", dependencies=[needs("read")], openapi_extra=ONE)
async def identify(served: Current, settings: TheSettings, content: Pictures, k: K = 5) -> IdentifyAnswer:
    """Name the subject that each picture shows, or say that it is unknown.

    Of several pictures those that cannot be used are listed in `skipped`; a single one is an error.
    """
    sources = content.sources(settings)
    found = await served.batcher.identify(sources, k)
    answers = [
        IdentifiedAnswer.of(position, source.name, one)
        for position, (source, one) in enumerate(zip(sources, found, strict=True))
        if isinstance(one, Identification)
    ]
    return IdentifyAnswer(answers=answers, skipped=_skipped(sources, found), model=served.gallery.model.fingerprint)


@router.post("/verify", dependencies=[needs("read")], openapi_extra=TWO)
async def verify(served: Current, settings: TheSettings, content: Pictures) -> VerifyAnswer:
    """Decide whether two pictures show the same subject."""
    first, second = await _probes(served, content, settings, 2)
    answer = await run_in_threadpool(served.gallery.verify_probe, first, second)
    return VerifyAnswer.of(answer, served.gallery.model.fingerprint)


@router.post(f"{SUBJECT}/verify", dependencies=[needs("read")], openapi_extra=ONE)
async def verify_subject(served: Current, settings: TheSettings, content: Pictures, name: Name) -> VerifyAnswer:
    """Decide whether a picture shows a subject."""
    (probe,) = await _probes(served, content, settings, 1)
    answer = await run_in_threadpool(served.gallery.verify_probe, probe, name)
    return VerifyAnswer.of(answer, served.gallery.model.fingerprint)


@router.post(
    "/explain",
    dependencies=[needs("read")],
    openapi_extra=ONE,
    response_model=EvidenceAnswer,
    responses={200: {"content": {"image/png": {}}, "description": "The evidence on one sheet, or as numbers."}},
)
def explain(
    served: Current,
    settings: TheSettings,
    content: Pictures,
    k: Annotated[int, Query(ge=1, le=10, description="Matched examples to show.")] = 3,
    format: Annotated[Literal["png", "json"], Query(description="A sheet, or the maps as numbers.")] = "png",
) -> Any:
    """Show what an answer rests on: matched examples, the second subject, and the parts of the picture that matter.

    It takes as long as embedding a hundred pictures.
    """
    (source,) = _some(content.sources(settings), 1)
    found = served.gallery.explain(source, k=k)
    if format == "json":
        return EvidenceAnswer.of(found)
    second = None if found.runner_up is None else _without_folders(found.runner_up)
    shown = replace(found, matched=tuple(map(_without_folders, found.matched)), runner_up=second)
    return Response(shown.png(), media_type="image/png")


@router.post("/embed", dependencies=[needs("read")], openapi_extra=ONE)
async def embed(served: Current, settings: TheSettings, content: Pictures) -> EmbedAnswer:
    """Compute the vectors of pictures; null for one that cannot be used."""
    sources = content.sources(settings)
    found = await served.batcher.embed(sources)
    vectors = [one.vector.tolist() if isinstance(one, Probe) else None for one in found]
    model = served.gallery.model
    return EmbedAnswer(vectors=vectors, skipped=_skipped(sources, found), dim=model.dim, model=model.fingerprint)


def _without_folders(one: MatchedExample) -> MatchedExample:
    return replace(one, source=file_name(one.source))


async def _probes(served: Current, content: PicturesContent, settings: TheSettings, count: int) -> list[Probe]:
    """So many pictures, embedded. Raises the `PictureError` of one that cannot be used."""
    found = await served.batcher.embed(_some(content.sources(settings), count))
    for one in found:
        if isinstance(one, PictureError):
            raise one
    return [one for one in found if isinstance(one, Probe)]


def _some(sources: list[Picture], count: int) -> list[Picture]:
    if len(sources) != count:
        what = "one picture" if count == 1 else f"{count} pictures"
        raise Problem(422, "invalid-request", f"this takes {what}, and the request has {len(sources)}")
    return sources


def _skipped(sources: Sequence[Picture], found: Sequence[object]) -> list[SkippedAnswer]:
    """The pictures that cannot be used. Raises the error if it is the only one of the request."""
    errors = [(position, one) for position, one in enumerate(found) if isinstance(one, PictureError)]
    if errors and len(sources) == 1:
        raise errors[0][1]
    return [
        SkippedAnswer(position=position, name=sources[position].name, reason=str(error)) for position, error in errors
    ]
