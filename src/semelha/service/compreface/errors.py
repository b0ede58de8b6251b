"""Errors as CompreFace sends them: `{"message": …, "code": …}`, with its codes and statuses."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from pydantic import BaseModel, Field
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from semelha.service.problems import ERROR_FORM, Problem

RECOGNITION, VERIFICATION = "/api/v1/recognition", "/api/v1/verification"
MISSING_PART, MISSING_PARAMETER = "missing-part", "missing-parameter"

CODES: dict[str, tuple[int, int]] = {
    "forbidden": (403, 1),
    "not-a-picture": (400, 21),
    "picture-error": (400, 21),
    "picture-too-large": (400, 21),
    "invalid-request": (400, 26),
    "invalid-name": (400, 26),
    MISSING_PARAMETER: (400, 33),
    MISSING_PART: (400, 34),
    "subject-not-found": (404, 42),
    "subject-exists": (400, 43),
    "number-not-found": (404, 44),
}
"""Status and code for each kind of problem. Of the others the status stays, or is 400 instead of 409, 415 and 422."""
NO_KEY, WRONG_KEY = (400, 20), (404, 10)
UNDEFINED, SERVICE = 0, 41


class ErrorAnswer(BaseModel):
    """An error of CompreFace."""

    message: str
    code: int = Field(examples=[42])


RESPONSES: dict[int | str, dict[str, Any]] = {"default": {"model": ErrorAnswer, "description": "An error."}}
"""What OpenAPI says of the errors."""


class CompreFaceErrors:
    """Lets requests for CompreFace's paths be answered with its errors, also by the layers before the endpoints."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith((f"{RECOGNITION}/", f"{VERIFICATION}/")):
            scope.setdefault("state", {})[ERROR_FORM] = error_answer
        await self.app(scope, receive, send)


def error_answer(problem: Problem, scope: MutableMapping[str, Any]) -> Response:
    """A problem in the form of CompreFace."""
    status, code = _status_and_code(problem, "x-api-key" in Headers(scope=scope))
    return JSONResponse({"message": str(problem.detail), "code": code}, status, problem.headers)


def _status_and_code(problem: Problem, has_key: bool) -> tuple[int, int]:
    status = problem.status_code
    if status == 401:
        return WRONG_KEY if has_key else NO_KEY
    if problem.kind in CODES:
        return CODES[problem.kind]
    return 400 if status in (409, 415, 422) else status, SERVICE if status >= 500 else UNDEFINED
