"""How much and how long: bodies, counted while they arrive; requests at one time; time to read and to answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from semelha.service.access import OPEN
from semelha.service.metrics import Metrics
from semelha.service.problems import Busy, Problem, problem_response
from semelha.service.settings import Settings

logger = logging.getLogger(__name__)

UNCOUNTED = (*OPEN, "/metrics")
"""Paths that are answered however many requests there are."""
IMPORTS = re.compile(r"/api/v1/(galleries/[^/]+/)?imports")
"""The paths that take an archive, which is not read into memory."""
IMPORT_RATE = 1 << 20  # bytes per second that an archive arrives with at least


class Limits:
    """Refuses what is too large (413), too slow (408), too much at one time (429) or not answered in time (503)."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self.app = app
        self._settings = settings
        self._metrics = metrics
        self._requests = self._bytes = 0
        self._late: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in UNCOUNTED:
            await self.app(scope, receive, send)
            return
        try:
            await self._limited(scope, receive, send)
        except Problem as problem:
            self._metrics.refused.labels(problem.kind).inc()
            await problem_response(problem, scope)(scope, receive, send)

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer until the deadline. What it does after it is counted until it ends."""
        is_import = scope["method"] == "POST" and IMPORTS.fullmatch(scope["path"]) is not None
        most = self._settings.max_import if is_import else self._settings.max_body
        length = _length(Headers(scope=scope), most)
        loop = asyncio.get_running_loop()
        patience = self._settings.body_deadline + (most / IMPORT_RATE if is_import else 0)
        body_end = loop.time() + patience
        answering = self._settings.deadline + (patience if is_import and length != 0 else 0)
        arrived, is_complete, is_late = 0, length == 0, False
        started = asyncio.Event()
        counted = self._counted()

        async def counted_receive() -> Message:
            nonlocal arrived, is_complete
            try:
                async with asyncio.timeout_at(None if is_complete else body_end):
                    message = await receive()
            except TimeoutError:
                raise Problem(408, "slow-body", f"the body did not arrive within {patience:g} seconds") from None
            if message["type"] == "http.request":
                size = len(message.get("body", b""))
                arrived += size
                is_complete = not message.get("more_body", False)
                if arrived > most:
                    raise _too_large(most)
                if not is_import:
                    self._take(size, counted)
            return message

        async def counted_send(message: Message) -> None:
            if is_late:
                return
            if message["type"] == "http.response.start":
                started.set()
                counted.release()
            await send(message)

        async def answer() -> None:
            try:
                await self.app(scope, counted_receive, counted_send)
            finally:
                started.set()
                counted.release()

        task = asyncio.create_task(answer())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(answering):
                    await started.wait()
            if started.is_set():
                await task
                return
        except asyncio.CancelledError:
            task.cancel()
            raise
        is_late = True
        self._late.add(task)
        task.add_done_callback(self._ended)
        detail = f"there is no answer after {answering:g} seconds; a change may still be carried out"
        raise Problem(503, "deadline", detail, headers={"Retry-After": "5"})

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._late.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.warning("a request that was not answered in time failed: %s", type(error).__name__)

    def _counted(self) -> _Counted:
        if self._requests >= self._settings.max_in_flight:
            raise Busy(f"the server works on {self._requests} requests already: try again")
        self._requests += 1
        self._metrics.in_flight.set(self._requests)
        return _Counted(self)

    def _take(self, size: int, counted: _Counted) -> None:
        if self._bytes + size > self._settings.max_bytes_in_flight:
            raise Busy("the server has too many bytes of requests in memory: try again")
        self._bytes += size
        counted.bytes += size

    def release(self, size: int) -> None:
        """Count a request with so many bytes no more."""
        self._requests -= 1
        self._bytes -= size
        self._metrics.in_flight.set(self._requests)


class _Counted:
    """The part that one request has of what is counted, until its answer begins or it has ended."""

    def __init__(self, limits: Limits) -> None:
        self.bytes = 0
        self._limits: Limits | None = limits

    def release(self) -> None:
        if self._limits is not None:
            self._limits.release(self.bytes)
            self._limits = None


def _length(headers: Headers, most: int) -> int | None:
    """The length that the headers state; None if the body arrives in chunks. Raises `Problem` if it is too large."""
    if "transfer-encoding" in headers:
        return None
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit()):
        raise Problem(400, "invalid-request", "the header Content-Length is no number")
    if len(text) > 18 or int(text) > most:
        raise _too_large(most)
    return int(text)


def _too_large(most: int) -> Problem:
    return Problem(413, "too-large", f"the body has more than {most:,} bytes")
