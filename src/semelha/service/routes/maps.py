"""The map: all examples in two dimensions."""

from __future__ import annotations

import json
import zlib
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Body, Query, Request, Response
from pydantic import Field

from semelha.gallery import Map
from semelha.gallery.layouts import Method, checked_method
from semelha.service.access import needs
from semelha.service.dependencies import Current, TheJobs, checked_tag
from semelha.service.galleries import Served
from semelha.service.jobs import Job
from semelha.service.models import Answer, JobAnswer
from semelha.service.problems import Problem
from semelha.service.routes.jobs import STATES, Wait, started
from semelha.service.uploads import JsonContent

router = APIRouter(tags=["map"])
DIGITS = 4  # of a coordinate


class MapAnswer(Answer):
    """Examples in two dimensions, as columns: the id, the subject (its place in `subjects`), x and y of each.

    They were computed at the `revision` of the gallery; `is_current`: it has not changed since.
    """

    method: Method
    ids: list[int]
    subject: list[int]
    subjects: list[str]
    x: list[float]
    y: list[float]
    revision: str
    is_current: bool
    note: str


class NewMap(JsonContent):
    """How to compute it: "pca" at once, "tsne" with scikit-learn, "umap" with umap-learn."""

    method: Method
    seed: int = Field(0, ge=0, lt=1 << 31)


@router.get("/map", dependencies=[needs("read")], response_model=MapAnswer)
def get_map(
    request: Request,
    response: Response,
    served: Current,
    method: Annotated[Method, Query(description="tsne and umap must be computed first.")] = "pca",
) -> Any:
    """Get the coordinates of all examples, within −1..1; by tsne and umap of at most 20,000, drawn at random."""
    gallery, tag = served.gallery, f"{served.tag}-{method}"
    if method == "pca":
        checked_tag(request, response, tag)
    found = gallery.last_map(method)
    if found is None:
        raise Problem(404, "no-map", f"the map by {method} is not computed: POST /map computes it")
    if method != "pca":
        tag += f"-{zlib.crc32(found.coordinates.tobytes()):08x}"
        checked_tag(request, response, tag)
    headers = {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache"}
    return Response(_columns(found, served), media_type="application/json", headers=headers)


@router.post("/map", dependencies=[needs("enroll")], responses=STATES)
async def compute_map(
    response: Response, served: Current, jobs: TheJobs, content: Annotated[NewMap, Body()], wait: Wait = 10.0
) -> JobAnswer:
    """Compute the map by a method, for `GET /map`. That by t-SNE or UMAP takes minutes."""
    method = checked_method(content.method)

    def work(job: Job) -> dict[str, Any]:
        found = served.gallery.map(method, seed=content.seed, progress=job.progress)
        return {"method": method, "examples": len(found), "note": found.note}

    return await started(jobs, served, response, "map", work, wait=wait)


def _columns(found: Map, served: Served) -> bytes:
    """A map as JSON: written here, because a model of pydantic would check each of its numbers."""
    x, y = np.round(found.coordinates.astype(np.float64), DIGITS).T
    columns = {
        "method": found.method,
        "ids": found.examples.tolist(),
        "subject": found.subject_of.tolist(),
        "subjects": found.subjects,
        "x": x.tolist(),
        "y": y.tolist(),
        "revision": served.tag_of(found.revision),
        "is_current": found.revision == served.gallery.revision,
        "note": found.note,
    }
    return json.dumps(columns, ensure_ascii=False, separators=(",", ":")).encode()
