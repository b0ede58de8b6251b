"""One request and its answer, without a connection: what is sent again, and the error that a problem means."""

from __future__ import annotations

import random
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Generic, TypeVar

from semelha import errors
from semelha.errors import AccessRefused, GalleryError, SemelhaError, ServiceError, ServiceUnavailable, UsageError
from semelha.untrusted import parse_json

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE, LONGEST_WAIT = 0.2, 10.0, 60.0  # seconds
REFUSED = ("busy", "stopping", "gallery-moved", "in-progress")
"""Kinds of problems that a server reports before it changes anything."""
UNAVAILABLE = (408, 429, 502, 503, 504)
MAX_DETAIL = 500  # characters
KINDS: dict[str, type[SemelhaError]] = {
    **{name.lower(): kind for name, kind in vars(errors).items() if isinstance(kind, type)},
    "invalidrequest": UsageError,
    "toolarge": UsageError,
    "gallerynotfound": GalleryError,
}
"""The error for each kind of problem, by its name without hyphens."""


@dataclass(frozen=True)
class Request:
    """A request. One that `is_write` has an idempotency key, and may be repeated if its answer was lost."""

    method: str
    url: str
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_write: bool = False


@dataclass(frozen=True)
class Answer:
    """The answer of a server; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        """The content as JSON. Raises `ServiceError`."""
        return parse_json(
            self.content, "the answer of the server", kind=object, max_bytes=len(self.content), error=ServiceError
        )


class NoAnswer(Exception):
    """The connection failed, or no answer came in time."""

    def __init__(self, reason: str, *, is_timeout: bool = False) -> None:
        super().__init__(reason)
        self.is_timeout = is_timeout


@dataclass(frozen=True)
class Done(Generic[T]):
    """The result of a call."""

    value: T


Step = Request | float
"""A request to send, or seconds to wait."""
Steps = Generator[Step, Answer | None, T]
"""The steps of a call: takes the `Answer` of each request, or a `NoAnswer`, and returns the result."""


def advance(steps: Steps[T], got: Answer | NoAnswer | None) -> Step | Done[T]:
    """The next step of a call after an answer, or its result."""
    try:
        return steps.throw(got) if isinstance(got, NoAnswer) else steps.send(got)
    except StopIteration as end:
        return Done(end.value)


def exchange(request: Request, retries: int, *, accepted: str = "") -> Steps[Answer]:
    """Send a request, up to `retries` times again, with pauses that double and vary at random.

    Returns the answer, also if it is a problem of the kind `accepted`. Raises the `SemelhaError` that the problem
    means, or `ServiceUnavailable`.
    """
    for attempt in count():
        try:
            answer = yield request
        except NoAnswer as error:
            if attempt >= retries or error.is_timeout:
                raise ServiceUnavailable(f"{request.url} does not answer: {error}") from error
            yield _pause(attempt)
            continue
        assert answer is not None
        if 200 <= answer.status < 300:
            return answer
        kind, detail = _problem(answer, request.url)
        if kind == accepted:
            return answer
        is_repeatable = kind in REFUSED or (answer.status in UNAVAILABLE and not request.is_write)
        if attempt >= retries or not is_repeatable:
            raise error_of(answer.status, kind, detail)
        yield _pause(attempt, answer.headers.get("retry-after", ""))
    raise AssertionError("unreachable")


def error_of(status: int, kind: str, detail: str) -> SemelhaError:
    """The error that a problem means; `kind` is the last part of its type."""
    found = KINDS.get(kind.replace("-", ""))
    if found is not None:
        return found(detail)
    if status in (401, 403):
        return AccessRefused(detail)
    return ServiceUnavailable(detail) if status in UNAVAILABLE else ServiceError(detail)


def _problem(answer: Answer, url: str) -> tuple[str, str]:
    """Kind and detail of an answer that is an error."""
    if answer.headers.get("content-type", "").startswith("application/problem+json"):
        content = answer.json()
        if isinstance(content, dict):
            kind = str(content.get("type", "")).rpartition(":")[2]
            detail = str(content.get("detail", ""))[:MAX_DETAIL] or f"the server answered {answer.status}"
            number = content.get("request_id") if answer.status >= 500 else None
            return kind, f"{detail} (request {number})" if number else detail
    return "", f"{url} answered {answer.status}, and not as a server of semelha does: check the address"


def _pause(attempt: int, after: str = "") -> float:
    """Seconds to wait before a request is sent again: what the server asks for, and more at random."""
    asked = min(float(after), LONGEST_WAIT) if after.isascii() and after.isdigit() else 0.0
    return asked + random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt))
