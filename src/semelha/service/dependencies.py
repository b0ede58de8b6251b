"""What endpoints ask for: the gallery of the path, its revision, a page, and the server's own parts."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request, Response
from starlette.exceptions import HTTPException

from semelha.service.galleries import Galleries, Served
from semelha.service.jobs import Jobs
from semelha.service.problems import Problem
from semelha.service.settings import Settings

MAX_ID = (1 << 63) - 1
Id = Annotated[int, Path(ge=0, le=MAX_ID)]
Name = Annotated[str, Path(min_length=1, description="Name of the subject; a slash in it is sent as %2F.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="Records of a page.")]
Cursor = Annotated[str | None, Query(max_length=2000, description="`next` of the page before.")]
K = Annotated[int, Query(ge=1, le=1000, description="Candidates of an answer.")]


async def named_gallery(gallery: Annotated[str, Path(description="Name of the gallery.")]) -> None:
    """Describes the parameter of the paths that name a gallery."""


async def _served(request: Request) -> Served:
    galleries: Galleries = request.app.state.galleries
    served = galleries.get(request.path_params.get("gallery"))
    request.state.gallery = served.name
    return served


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def _jobs(request: Request) -> Jobs:
    jobs: Jobs = request.app.state.jobs
    return jobs


Current = Annotated[Served, Depends(_served)]
"""The gallery that the path names, or the first one."""
TheSettings = Annotated[Settings, Depends(_settings)]
TheJobs = Annotated[Jobs, Depends(_jobs)]


def has_tag(request: Request, tag: str) -> bool:
    """Whether the client has the answer with this ETag already, by its header If-None-Match."""
    known = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    return tag in known or "*" in known


def checked_tag(request: Request, response: Response, tag: str) -> str:
    """Set the ETag of an answer, and return it with quotes. Ends the request with 304 if the client has it already."""
    tag = f'"{tag}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if has_tag(request, tag):
        raise HTTPException(304, headers=headers)
    response.headers.update(headers)
    return tag


def _tag(request: Request, response: Response, served: Current) -> str:
    return checked_tag(request, response, served.tag)


Tag = Annotated[str, Depends(_tag)]
"""The revision of the gallery, as the ETag of the answer; the request ends with 304 if the client has it already."""


def encode_cursor(values: list[Any]) -> str:
    """Numbers and texts as a cursor."""
    return base64.urlsafe_b64encode(json.dumps(values, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *kinds: type) -> list[Any]:
    """The values of a cursor, of these types. Raises `Problem` (422)."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(values, list) or [type(one) for one in values] != list(kinds):
            raise ValueError
        if any(isinstance(one, int) and abs(one) > MAX_ID for one in values):
            raise ValueError
        for one in values:
            str(one).encode()
    except (ValueError, binascii.Error, RecursionError) as error:
        raise Problem(422, "invalid-request", "cursor: pass `next` of the page before") from error
    return values
