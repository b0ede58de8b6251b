"""The server itself: whether it lives and is ready, its numbers, its galleries."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from semelha.errors import SemelhaError
from semelha.service.access import needs
from semelha.service.galleries import Galleries, Served
from semelha.service.models import GalleriesAnswer, GalleryAnswer, StateAnswer
from semelha.service.paths import GALLERY
from semelha.service.threads import run_short

router = APIRouter(tags=["system"])
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/healthz")
async def healthz() -> StateAnswer:
    """Whether the server lives."""
    return StateAnswer(status="ok")


@router.get("/readyz", responses={503: {"model": StateAnswer, "description": "A gallery cannot be read."}})
async def readyz(request: Request, response: Response) -> StateAnswer:
    """Whether every gallery can be read. Callers that may use the server see which one cannot."""
    galleries: Galleries = request.app.state.galleries
    async with request.app.state.checking:  # it needs no key, and must not take the threads that check keys
        unready = [reason for served in galleries.all() if (reason := await run_short(_unready, served))]
    if not unready:
        return StateAnswer(status="ready")
    response.status_code = 503
    if request.state.role is None:
        count = len(unready)
        unready = [f"{count} {'gallery' if count == 1 else 'galleries'} cannot be read"]
    return StateAnswer(status="unready", reasons=unready)


def _unready(served: Served) -> str:
    """Why a gallery cannot be read; "" if it can. One that was replaced is opened again by the server itself."""
    try:
        _ = served.gallery.revision
    except SemelhaError as error:
        return f"{served.name}: {type(error).__name__}"
    return ""


@router.get(
    "/metrics",
    dependencies=[needs("read")],
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "Numbers in the format of Prometheus."}},
)
def metrics(request: Request) -> Response:
    """Numbers for Prometheus."""
    return Response(request.app.state.metrics.text(), media_type=PROMETHEUS)


@router.get("/api/v1/galleries", dependencies=[needs("read")])
def list_galleries(request: Request) -> GalleriesAnswer:
    """List the galleries of the server; the first one answers below `/api/v1` too."""
    found = [_gallery(one) for one in request.app.state.galleries.all()]
    return GalleriesAnswer(galleries=found, role=request.state.role)


@router.get(GALLERY, dependencies=[needs("read")])
def get_gallery(request: Request, gallery: Annotated[str, Path(description="Name of the gallery.")]) -> GalleryAnswer:
    """Get a gallery."""
    return _gallery(request.app.state.galleries.get(gallery))


def _gallery(served: Served) -> GalleryAnswer:
    gallery = served.gallery
    return GalleryAnswer(
        name=served.name,
        subjects=len(gallery),
        examples=gallery.example_count(),
        revision=served.tag,
        model=gallery.model.fingerprint,
        keeps_pictures=gallery.keep_pictures,
    )
