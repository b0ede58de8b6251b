"""Errors as `application/problem+json` (RFC 9457): one table from the kinds of errors to the status of the answer."""

from __future__ import annotations

import errno
import http
import json
import logging
import re
from collections.abc import Mapping, MutableMapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from semelha import errors
from semelha.errors import SemelhaError
from semelha.service.openapi import allowed_methods

logger = logging.getLogger(__name__)

STATUS: dict[type[SemelhaError], int] = {
    SemelhaError: 500,
    errors.UsageError: 422,
    errors.PictureError: 422,
    errors.NotAPicture: 415,
    errors.PictureTooLarge: 413,
    errors.DatasetError: 422,
    errors.ModelError: 503,
    errors.GalleryError: 503,
    errors.SubjectNotFound: 404,
    errors.SubjectExists: 409,
    errors.InvalidName: 422,
    errors.NumberNotFound: 404,
    errors.ChangeRefused: 409,
    errors.GalleryNotWritable: 507,
    errors.IndexFileError: 503,
    errors.CalibrationError: 409,
    errors.TrainingError: 500,
    errors.MissingExtra: 501,
}
"""The status for each kind of error; a kind that is not listed has that of its base."""

INTERNAL = "the server failed: its log has the reason under this request id"
UNAVAILABLE = "the gallery cannot answer at present: the log of the server has the reason under this request id"
FULL = "the gallery cannot be written at present: the disk is full, or it can only be read"
DISK_FULL = "the disk of the server is full"
HIDDEN = {500: INTERNAL, 503: UNAVAILABLE, 507: FULL}
"""What is said instead of a message that may name files of the server."""
ERROR_FORM = "error_form"
"""In the state of a scope: a function of the problem and the scope that answers in another form."""
MAX_ERRORS = 20  # fields that are listed
MAX_DETAIL = 500  # characters


class Problem(HTTPException):
    """An error of a request: status, kind (the last part of `type`) and one sentence."""

    def __init__(
        self, status: int, kind: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(status, detail, headers)
        self.kind = kind
        self.more = more


class Busy(Problem):
    """Too much work at a time: the request may be sent again after some seconds."""

    def __init__(self, detail: str, *, after: int = 1) -> None:
        super().__init__(429, "busy", detail, headers={"Retry-After": str(after)})


class PrematureStop(Problem):
    """The server is stopping."""

    def __init__(self) -> None:
        super().__init__(503, "stopping", "the server is stopping: try again", headers={"Retry-After": "2"})


def status_of(error: SemelhaError) -> int:
    """The status for an error."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def problem_of(error: Exception) -> Problem:
    """An error as a problem; one that is the server's own fault says nothing of its cause."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, SemelhaError):
        status = status_of(error)
        headers = {"Retry-After": "1"} if status == 503 else None
        return Problem(status, _kebab(type(error).__name__), HIDDEN.get(status) or str(error), headers=headers)
    if isinstance(error, RequestValidationError):
        return Problem(422, "invalid-request", *_validation(error.errors()))
    if isinstance(error, HTTPException):
        phrase = http.HTTPStatus(error.status_code).phrase
        return Problem(error.status_code, _kebab(phrase), str(error.detail), headers=error.headers)
    if isinstance(error, ClientDisconnect):
        return Problem(400, "incomplete-body", "the client has closed the connection before its body had arrived")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):  # such as of the folder for archives
        return Problem(507, "disk-full", DISK_FULL)
    return Problem(500, "internal", INTERNAL)


def problem_response(error: Exception, scope: MutableMapping[str, Any]) -> Response:
    """The answer to the request of a scope."""
    problem = problem_of(error)
    if problem.status_code == 304:
        return Response(status_code=304, headers=problem.headers)
    state = scope.get("state", {})
    request_id = state.get("request_id", "")
    if problem.status_code >= 500:
        logger.error("request %s failed: %s: %s", request_id, type(error).__name__, error)
    if other_form := state.get(ERROR_FORM):
        answer: Response = other_form(problem, scope)
        return answer
    document = {
        "type": f"urn:semelha:problem:{problem.kind}",
        "title": http.HTTPStatus(problem.status_code).phrase,
        "status": problem.status_code,
        "detail": problem.detail[:MAX_DETAIL],
        "request_id": request_id,
        **problem.more,
    }
    content = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
    return Response(content, problem.status_code, problem.headers, "application/problem+json")


def add_handlers(app: FastAPI) -> None:
    """Answer every error of an endpoint with its problem."""

    async def handle(request: Request, error: Exception) -> Response:
        answer = problem_response(error, request.scope)
        if answer.status_code == 405:
            answer.headers["Allow"] = ", ".join(allowed_methods(app, request.scope["path"]))
        return answer

    for kind in (SemelhaError, HTTPException, RequestValidationError, ClientDisconnect):
        app.add_exception_handler(kind, handle)


def _validation(found: Any) -> tuple[str]:
    """One sentence for the fields that cannot be used."""
    texts = [f"{'.'.join(str(part) for part in one['loc']) or 'the body'}: {one['msg']}" for one in found[:MAX_ERRORS]]
    return ("; ".join(texts),)


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[ _]+", "-", name).lower()
